import type { DataType } from '../../data_type.js';
import { asDim, type Dim, mul } from '../../dim.js';
import type { Shape } from '../../value_type.js';
import type { InferenceContext, InferenceRules } from './context.js';
import { readWindow, transposedOutput, windowOutput } from './spatial.js';

function inferConv(context: InferenceContext, dtype: DataType | undefined, weightIndex = 1): void {
  const x = context.shape(0);
  const w = context.shape(weightIndex);
  context.setTensor(0, dtype);
  if (w !== undefined && x !== undefined && w.length !== x.length) {
    context.fail('infer/rank', `input of rank ${x.length}, weights of rank ${w.length}`);
    return;
  }
  const rank = x?.length ?? w?.length;
  if (rank === undefined || rank < 3) return;
  const kernel = kernelOf(context, w, rank);
  if (kernel === undefined) return;
  const window = readWindow(context, kernel);
  if (window === undefined) return;
  const group = context.int('group', 1);
  const channels = w === undefined ? undefined : asDim(mul(w[1], group));
  if (x !== undefined && typeof channels === 'number' && typeof x[1] === 'number' && x[1] !== channels) {
    context.fail('infer/channels', `input has ${x[1]} channels, the weights take ${channels}`);
    return;
  }
  const spatial = kernel.map((_, axis) => windowOutput(x?.[axis + 2], window, axis, false));
  setSpatial(context, dtype, x?.[0], w?.[0], spatial);
}

function inferConvTranspose(context: InferenceContext): void {
  const x = context.shape(0);
  const w = context.shape(1);
  const dtype = context.dtype(0);
  context.setTensor(0, dtype);
  if (w !== undefined && x !== undefined && w.length !== x.length) {
    context.fail('infer/rank', `input of rank ${x.length}, weights of rank ${w.length}`);
    return;
  }
  const rank = x?.length ?? w?.length;
  if (rank === undefined || rank < 3) return;
  const kernel = kernelOf(context, w, rank);
  if (kernel === undefined) return;
  const window = readWindow(context, kernel);
  if (window === undefined) return;
  const padding = context.ints(
    'output_padding',
    kernel.map(() => 0),
  );
  const asked = context.ints('output_shape', undefined);
  const given = asked === undefined || asked.length === kernel.length ? asked : asked.slice(2);
  const spatial = kernel.map(
    (_, axis) => given?.[axis] ?? transposedOutput(x?.[axis + 2], window, axis, padding[axis] ?? 0),
  );
  const channels = w === undefined ? undefined : asDim(mul(w[1], context.int('group', 1)));
  setSpatial(context, dtype, x?.[0], channels, spatial);
}

function kernelOf(context: InferenceContext, w: Shape | undefined, rank: number): (Dim | undefined)[] | undefined {
  const attribute = context.ints('kernel_shape', undefined);
  if (attribute !== undefined && attribute.length !== rank - 2) {
    context.fail('infer/kernel', `kernel of ${attribute.length} axes for a tensor of rank ${rank}`);
    return undefined;
  }
  return Array.from({ length: rank - 2 }, (_, axis) => attribute?.[axis] ?? w?.[axis + 2]);
}

function setSpatial(
  context: InferenceContext,
  dtype: DataType | undefined,
  batch: Dim | undefined,
  channels: Dim | undefined,
  spatial: readonly (Dim | undefined)[],
): void {
  const negative = spatial.find((size) => typeof size === 'number' && size < 0);
  if (negative !== undefined) {
    context.fail('infer/window', 'the window is larger than the padded input');
    return;
  }
  context.setTensor(0, dtype, [batch, channels, ...spatial]);
}

export const convolutionRules: InferenceRules = {
  Conv: (context) => inferConv(context, context.dtype(0)),
  ConvInteger: (context) => inferConv(context, 'int32'),
  QLinearConv: (context) => inferConv(context, context.dtype(7), 3),
  DeformConv: (context) => inferConv(context, context.dtype(0)),
  ConvTranspose: inferConvTranspose,
  'com.microsoft:FusedConv': (context) => inferConv(context, context.dtype(0)),
};
