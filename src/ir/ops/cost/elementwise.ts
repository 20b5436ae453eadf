import type { CostContext, CostRule, CostRules, Count, Work } from './cost.js';
import { elementOperations } from './element_operations.js';
import { elementsOf, inputElements, outputElements, plus, times } from './extent.js';

/** So many operations for each element of output 0. */
export const perResult =
  (operations: number): CostRule =>
  (context) => ({ macs: 0, elementOps: times(outputElements(context), operations) });

/** So many operations for each element of input 0. */
export const perInput =
  (operations: number): CostRule =>
  (context) => ({ macs: 0, elementOps: times(inputElements(context), operations) });

/** Each value a window or a reduction takes up counts `each`, each of its results `after`. */
export const reduction = (count: Count, each: number, results: Count, after: number): Count =>
  plus(times(count, each), times(results, after));

const elementwiseRules: CostRules = Object.fromEntries(
  Object.entries(elementOperations).map(([name, operations]): [string, CostRule] => [
    name,
    (context) => ({
      macs: 0,
      elementOps: times(
        outputElements(context),
        typeof operations === 'number' ? operations : operations(context.input),
      ),
    }),
  ]),
);

/** ONNX Runtime's elementwise operators on 8 bits: dequantized (2 operations), computed, quantized again (4). */
const quantizedRules: CostRules = {
  'com.microsoft:QLinearAdd': perResult(9),
  'com.microsoft:QLinearMul': perResult(9),
  'com.microsoft:QLinearSigmoid': perResult(10),
  'com.microsoft:QLinearLeakyRelu': perResult(8),
  'com.microsoft:QLinearConcat': perResult(6),
  'com.microsoft:QLinearWhere': perResult(7),
  'com.microsoft:QLinearSoftmax': perResult(11),
  // (a − zeroPoint)·(b − zeroPoint)
  'com.microsoft:MulInteger': perResult(3),
};

const conversionRules: CostRules = {
  // Divided by the scale, rounded, moved by the zero point where there is one, and saturated.
  QuantizeLinear: (context) => perResult(context.input.has(2) ? 4 : 3)(context),
  DequantizeLinear: (context) => perResult(context.input.has(2) ? 2 : 1)(context),
  // The least and the greatest are found first.
  DynamicQuantizeLinear: perInput(6),
  'com.microsoft:QuantizeLinear': (context) => perResult(context.input.has(2) ? 4 : 3)(context),
  'com.microsoft:DequantizeLinear': (context) => perResult(context.input.has(2) ? 2 : 1)(context),
};

const otherRules: CostRules = {
  // A complex product is four multiplications and two additions for two numbers.
  'com.microsoft:ComplexMul': perResult(3),
  'com.microsoft:ComplexMulConj': perResult(3),
  // The bias everywhere, then one half times the gelu of the other.
  'com.microsoft:BiasSplitGelu': (context) => ({
    macs: 0,
    elementOps: plus(inputElements(context), times(outputElements(context), 6)),
  }),
  RotaryEmbedding: rotary,
  'com.microsoft:RotaryEmbedding': rotary,
};

/**
 * x1·cos − x2·sin and x2·cos + x1·sin: three operations an element that turns, which are the first
 * `rotary_embedding_dim` of each head, all by default.
 */
function rotary(context: CostContext): Work {
  const turned = context.input.int('rotary_embedding_dim', 0);
  if (turned === 0) return perResult(3)(context);
  if (turned < 0) return { macs: 0, elementOps: undefined };
  const shape = context.input.shape(0);
  const heads = shape?.length === 4 ? 1 : context.input.int('num_heads', 0);
  const vectors = heads > 0 ? times(elementsOf(shape?.slice(0, -1)), heads) : undefined;
  return { macs: 0, elementOps: times(vectors, turned, 3) };
}

export const elementwiseCosts: CostRules = {
  ...elementwiseRules,
  ...quantizedRules,
  ...conversionRules,
  ...otherRules,
};
