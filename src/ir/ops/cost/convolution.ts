import type { Shape } from '../../value_type.js';
import type { CostContext, CostRule, CostRules, Count } from './cost.js';
import { activationOperations, quantizeOperations, siluOperations } from './element_operations.js';
import { elementsOf, inputElements, outputElements, plus, times } from './extent.js';

/** Elements of one filter: of weights [M, C/group, …kernel] or [C, M/group, …kernel] all axes but the first. */
const filterSize = (weights: Shape | undefined): Count =>
  weights === undefined || weights.length < 2 ? undefined : elementsOf(weights.slice(1));

type Extra = (context: CostContext) => number | undefined;

/** Each result is the sum of C/group · kernel products (ONNX `Conv`), whatever the order of the image's axes. */
const convolution =
  (weight: number, extra: Extra): CostRule =>
  (context) => {
    const results = outputElements(context);
    return {
      macs: times(results, filterSize(context.input.shape(weight))),
      elementOps: times(results, extra(context)),
    };
  };

const bias =
  (index: number): Extra =>
  ({ input }) =>
    input.has(index) ? 1 : 0;

/** A bias, a tensor to add, and an activation by name. */
const fused: Extra = ({ input }) => {
  const name = input.attributes.has('activation') ? input.string('activation', '?') : '';
  const activation = name === '' ? 0 : activationOperations(name);
  return activation === undefined ? undefined : activation + (input.has(2) ? 1 : 0) + (input.has(3) ? 1 : 0);
};

/** The sum is scaled, rounded, moved by the zero point and saturated. */
const quantized = convolution(3, (context) => quantizeOperations + bias(8)(context)!);

/** Each element of the input meets M/group · kernel weights (ONNX `ConvTranspose`). */
const transposed =
  (biasIndex: number): CostRule =>
  (context) => ({
    macs: times(inputElements(context), filterSize(context.input.shape(1))),
    elementOps: times(outputElements(context), bias(biasIndex)(context)),
  });

/**
 * Beside the products of a convolution, every position of every window is read between four elements (4 × and 3 +)
 * and, with a mask, weighted: once a channel and place, for all features that share it.
 */
const deformable: CostRule = (context) => {
  const { input } = context;
  const plain = convolution(1, bias(3))(context);
  const output = context.output(0);
  const places = output && elementsOf(output.with(1, 1));
  const channels = input.shape(0)?.[1];
  const kernel = input.shape(1)?.slice(2);
  if (input.rank(0) !== 4) return { macs: plain.macs, elementOps: undefined };
  const samples = times(places, channels, elementsOf(kernel));
  return { macs: plain.macs, elementOps: plus(plain.elementOps, times(samples, input.has(4) ? 8 : 7)) };
};

/** One filter [k] a channel, over the sequence. */
const causal: CostRule = (context) => {
  const { input } = context;
  const results = outputElements(context);
  const activation = input.attributes.has('activation') ? input.string('activation', '?') : 'none';
  const extra = activation === 'none' ? 0 : ['silu', 'swish'].includes(activation) ? siluOperations : undefined;
  return {
    macs: times(results, filterSize(input.shape(1))),
    elementOps: times(results, extra === undefined ? undefined : extra + (input.has(2) ? 1 : 0)),
  };
};

export const convolutionCosts: CostRules = {
  Conv: convolution(1, bias(2)),
  ConvInteger: convolution(1, () => 0),
  QLinearConv: quantized,
  ConvTranspose: transposed(2),
  DeformConv: deformable,
  CausalConvWithState: causal,
  'com.microsoft:QLinearConv': quantized,
  'com.microsoft:FusedConv': convolution(1, fused),
  'com.microsoft:NhwcConv': convolution(1, bias(2)),
  'com.microsoft:NhwcFusedConv': convolution(1, fused),
  'com.microsoft:ConvTransposeWithDynamicPads': transposed(3),
};
