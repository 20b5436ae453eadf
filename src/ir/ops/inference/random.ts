import { dataTypeOfCode } from '../../data_type.js';
import type { InferenceContext, InferenceRules } from './context.js';
import { attributeSize } from './sizes.js';

/** RandomNormal, RandomUniform: the shape is an attribute. */
function ofGivenShape(context: InferenceContext): void {
  const dtype = dataTypeOfCode(context.int('dtype', 1));
  const shape = context.ints('shape', undefined);
  context.setTensor(0, dtype);
  if (shape === undefined) return;
  if (shape.some((size) => size < 0)) context.fail('infer/negative-size', `the shape [${shape}] has a negative size`);
  else context.setTensor(0, dtype, shape.map(attributeSize));
}

/** RandomNormalLike, RandomUniformLike, Bernoulli: the shape of the input, and its type unless `dtype` says another. */
function ofInputShape(context: InferenceContext): void {
  const code = context.int('dtype', undefined);
  context.setTensor(0, code === undefined ? context.dtype(0) : dataTypeOfCode(code), context.shape(0));
}

/** [batch, classes] => [batch, sample_size] */
function multinomial(context: InferenceContext): void {
  const dtype = dataTypeOfCode(context.int('dtype', 6));
  const shape = context.shape(0);
  context.setTensor(0, dtype);
  if (shape !== undefined && shape.length !== 2) {
    context.fail('infer/rank', `Multinomial takes rank 2, not ${shape.length}`);
    return;
  }
  const samples = context.int('sample_size', 1);
  if (samples < 0) context.fail('infer/negative-size', `Multinomial cannot draw ${samples} samples`);
  else context.setTensor(0, dtype, [shape?.[0], attributeSize(samples)]);
}

export const randomRules: InferenceRules = {
  RandomNormal: ofGivenShape,
  RandomUniform: ofGivenShape,
  RandomNormalLike: ofInputShape,
  RandomUniformLike: ofInputShape,
  Bernoulli: ofInputShape,
  Multinomial: multinomial,
};
