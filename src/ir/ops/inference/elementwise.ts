import type { DataType } from '../../data_type.js';
import { formatShape } from '../../value_type.js';
import { broadcastShapes } from './broadcast.js';
import type { InferenceContext, InferenceRule, InferenceRules } from './context.js';

/** Output 0 has the type and shape of input 0. */
export const sameAsInput: InferenceRule = (context) => {
  context.setTensor(0, context.dtype(0), context.shape(0));
};

/** Inputs broadcast against each other; the result has `dtype`, or the type of input `typeFrom`. */
export function inferBroadcast(context: InferenceContext, dtype: DataType | undefined): void {
  const shapes = Array.from({ length: context.inputCount }, (_, index) => context.shape(index));
  const shape = broadcastShapes(shapes);
  if (shape === 'conflict') {
    context.fail('infer/broadcast', `${shapes.map(formatShape).join(' and ')} do not broadcast`);
    context.setTensor(0, dtype);
  } else context.setTensor(0, dtype, shape);
}

const comparison: InferenceRule = (context) => inferBroadcast(context, 'bool');

export const elementwiseRules: InferenceRules = {
  Abs: sameAsInput,
  Relu: sameAsInput,
  Equal: comparison,
};
