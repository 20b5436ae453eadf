import { asDim, floorDiv, mod, provablyDifferent } from '../../dim.js';
import { formatShape, shapesEqual } from '../../value_type.js';
import { agreedShape } from './agreed_shape.js';
import type { InferenceContext, InferenceRule, InferenceRules } from './context.js';
import { sameAsInput } from './elementwise.js';
import { withStatedAxis } from './stated_axis.js';

const named = (names: string, rule: InferenceRule): InferenceRules =>
  Object.fromEntries(names.split(' ').map((name) => [`com.microsoft:${name}`, rule]));

/** ONNX Runtime's operators on each element or token, in com.microsoft; what else they take stretches to input 0. */
export const fusedElementwiseRules: InferenceRules = {
  ...named('BiasAdd GatedAdd MRotaryEmbedding MoE QMoE QOrderedGelu RotaryEmbedding', sameAsInput),
  'com.microsoft:BiasSoftmax': withStatedAxis(sameAsInput),
  // The mask has a bit an element, which no type says.
  ...named('BitmaskBiasDropout BitmaskDropout', sameAsInput),
  ...named('QuantizeWithOrder', (context) => context.setTensor(0, 'int8', context.shape(0))),
  ...named('SampleOp', sameAsInput),
  ...named('NGramRepeatBlock', (context) => context.setTensor(0, context.dtype(1), context.shape(1))),
  ...named('IsAllFinite', (context) => context.setTensor(0, 'bool', [])),
  ...named('ComplexMul ComplexMulConj', inferComplexProduct),
  'com.microsoft:EngramGate': inferEngramGate,
  'com.microsoft:GemmaRotaryEmbedding': inferGemmaRotaryEmbedding,
  'com.microsoft:BiasDropout': inferBiasDropout,
  'com.microsoft:BiasSplitGelu': inferBiasSplitGelu,
};

function inferBiasDropout(context: InferenceContext): void {
  sameAsInput(context);
  context.setTensor(1, 'bool', context.shape(0));
}

/** The last axis holds real and imaginary parts. How others stretch is nowhere said. */
function inferComplexProduct(context: InferenceContext): void {
  const [a, b] = [context.shape(0), context.shape(1)];
  context.setTensor(0, context.dtype(0), shapesEqual(a, b) ? a : undefined);
}

/** Keys and queries [batch, length, copies, hidden], values [batch, length, hidden] for all copies */
function inferEngramGate(context: InferenceContext): void {
  const dtype = context.dtype(0);
  context.setTensor(0, dtype);
  const value = context.shape(2);
  const spread = value?.length === 3 ? [value[0], value[1], undefined, value[2]] : value;
  const shapes = [context.shape(0), context.shape(1), spread];
  const shape = agreedShape(shapes);
  if (shape === 'conflict' || (shape !== undefined && shape.length !== 4)) {
    context.fail('infer/attention', `keys, queries and values ${shapes.map(formatShape).join(', ')} do not fit`);
  } else context.setTensor(0, dtype, shape);
}

/** Queries and keys, each with its half rotated behind it. */
function inferGemmaRotaryEmbedding(context: InferenceContext): void {
  for (const [output, input] of [1, 3].entries()) {
    context.setTensor(output, context.dtype(input), context.shape(input));
  }
}

/** The first half of the last axis, times Gelu of the second. */
function inferBiasSplitGelu(context: InferenceContext): void {
  const shape = context.shape(0);
  context.setTensor(0, context.dtype(0));
  if (shape?.length === 0 || provablyDifferent(mod(shape?.at(-1), 2), 0)) {
    context.fail('infer/halves', `the last axis of ${formatShape(shape)} has no two halves`);
  } else context.setTensor(0, context.dtype(0), shape?.with(-1, asDim(floorDiv(shape.at(-1), 2))));
}
