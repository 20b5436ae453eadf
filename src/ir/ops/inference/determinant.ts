import { provablyDifferent } from '../../dim.js';
import { formatShape } from '../../value_type.js';
import type { InferenceContext, InferenceRules } from './context.js';

/** Det: […, M, M] => […]; Inverse: […, M, M] => […, M, M] */
function ofSquareMatrices(context: InferenceContext): void {
  const shape = context.shape(0);
  const dtype = context.dtype(0);
  context.setTensor(0, dtype);
  if (shape === undefined) return;
  if (shape.length < 2 || provablyDifferent(shape.at(-1), shape.at(-2))) {
    context.fail('infer/square', `${formatShape(shape)} holds no square matrices`);
  } else context.setTensor(0, dtype, context.node.opType === 'Det' ? shape.slice(0, -2) : shape);
}

export const determinantRules: InferenceRules = {
  Det: ofSquareMatrices,
  'com.microsoft:Inverse': ofSquareMatrices,
};
