import { asDim, floorDiv, mod, provablyDifferent } from '../../dim.js';
import { formatShape } from '../../value_type.js';
import type { InferenceContext, InferenceRule, InferenceRules } from './context.js';
import { sameAsInput } from './elementwise.js';

const named = (names: string, rule: InferenceRule): InferenceRules =>
  Object.fromEntries(names.split(' ').map((name) => [`com.microsoft:${name}`, rule]));

/** ONNX Runtime's operators on each element or token, in com.microsoft; what else they take stretches to input 0. */
export const fusedElementwiseRules: InferenceRules = {
  ...named('BiasAdd BiasSoftmax GatedAdd MRotaryEmbedding MoE QMoE QOrderedGelu RotaryEmbedding', sameAsInput),
  // The mask has a bit an element, which no type says.
  ...named('BitmaskBiasDropout BitmaskDropout', sameAsInput),
  ...named('QuantizeWithOrder', (context) => context.setTensor(0, 'int8', context.shape(0))),
  'com.microsoft:BiasDropout': inferBiasDropout,
  'com.microsoft:BiasSplitGelu': inferBiasSplitGelu,
};

function inferBiasDropout(context: InferenceContext): void {
  sameAsInput(context);
  context.setTensor(1, 'bool', context.shape(0));
}

/** The first half of the last axis, times Gelu of the second. */
function inferBiasSplitGelu(context: InferenceContext): void {
  const shape = context.shape(0);
  context.setTensor(0, context.dtype(0));
  if (shape?.length === 0 || provablyDifferent(mod(shape?.at(-1), 2), 0)) {
    context.fail('infer/halves', `the last axis of ${formatShape(shape)} has no two halves`);
  } else context.setTensor(0, context.dtype(0), shape?.with(-1, asDim(floorDiv(shape.at(-1), 2))));
}
