import type { InferenceContext, InferenceRules } from './context.js';
import { readWindow, windowOutput } from './spatial.js';

function inferPool(context: InferenceContext): void {
  const x = context.shape(0);
  const kernel = context.ints('kernel_shape', undefined);
  const dtype = context.dtype(0);
  context.setTensor(0, dtype);
  context.setTensor(1, 'int64');
  if (x === undefined || kernel === undefined) return;
  if (kernel.length !== x.length - 2) {
    context.fail('infer/kernel', `kernel of ${kernel.length} axes for a tensor of rank ${x.length}`);
    return;
  }
  const window = readWindow(context, kernel);
  if (window === undefined) return;
  const ceilMode = context.int('ceil_mode', 0) === 1;
  const spatial = kernel.map((_, axis) => windowOutput(x[axis + 2], window, axis, ceilMode));
  if (spatial.some((size) => typeof size === 'number' && size < 0)) {
    context.fail('infer/window', 'the window is larger than the padded input');
    return;
  }
  const shape = [x[0], x[1], ...spatial];
  context.setTensor(0, dtype, shape);
  context.setTensor(1, 'int64', shape);
}

function inferGlobalPool(context: InferenceContext): void {
  const shape = context.shape(0)?.map((dim, axis) => (axis < 2 ? dim : 1));
  context.setTensor(0, context.dtype(0), shape);
}

export const poolingRules: InferenceRules = {
  MaxPool: inferPool,
  AveragePool: inferPool,
  LpPool: inferPool,
  MaxUnpool: (context) => {
    const shape = context.shape(0)?.map((dim, axis) => (axis < 2 ? dim : undefined));
    context.setTensor(0, context.dtype(0), shape);
  },
  GlobalAveragePool: inferGlobalPool,
  GlobalMaxPool: inferGlobalPool,
  GlobalLpPool: inferGlobalPool,
};
