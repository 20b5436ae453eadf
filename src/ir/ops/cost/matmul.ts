import type { Dim } from '../../dim.js';
import { agreedSize } from '../inference/sizes.js';
import type { CostContext, CostRule, CostRules, Count } from './cost.js';
import { activationOperations, quantizeOperations, tanhGeluOperations } from './element_operations.js';
import { elementsOf, inputElements, outputElements, plus, sizeAttribute, times } from './extent.js';

type Extra = (context: CostContext, results: Count) => Count;

const none: Extra = () => 0;

/** Every result is the sum of as many products as the rows of the left and the columns of the right have elements. */
const product =
  (inner: (context: CostContext) => Dim | undefined, extra: Extra = none): CostRule =>
  (context) => {
    const results = outputElements(context);
    return { macs: times(results, inner(context)), elementOps: extra(context, results) };
  };

const agreed = (a: Dim | undefined, b: Dim | undefined): Dim | undefined => {
  const size = agreedSize([a, b]);
  return size === 'conflict' ? undefined : size;
};

/** Of operands [..., K] and [..., K, N], a vector [K] on either side as well. */
const plainInner =
  (right = 1) =>
  ({ input }: CostContext): Dim | undefined => {
    const b = input.shape(right);
    return agreed(input.shape(0)?.at(-1), b?.length === 1 ? b[0] : b?.at(-2));
  };

const gemmInner =
  (right = 1) =>
  ({ input }: CostContext): Dim | undefined => {
    const b = input.shape(right);
    return agreed(
      input.shape(0)?.at(input.int('transA', 0) === 0 ? 1 : 0),
      b?.at(input.int('transB', 0) === 0 ? 0 : 1),
    );
  };

/** `transBatchA` keeps the rows in front of the batch, `transA` turns what is then the last two axes. */
function fusedInner({ input }: CostContext): Dim | undefined {
  const a = input.shape(0);
  if (a === undefined || a.length < 2 || input.int('transA', 0) === 0) return a?.at(-1);
  return input.int('transBatchA', 0) === 0 ? a.at(-2) : a[0];
}

const inputs =
  (...indices: readonly number[]) =>
  ({ input }: CostContext): number =>
    indices.filter((index) => input.has(index)).length;

const scaled = (context: CostContext): number => (context.input.float('alpha', 1) === 1 ? 0 : 1);

/** alpha·A·B + beta·C, where factors of 1 cost nothing (ONNX `Gemm`). */
const gemmExtra =
  (c = 2): Extra =>
  (context, results) => {
    const beta = context.input.float('beta', 1);
    const isAdded = context.input.has(c) && beta !== 0;
    const weighted = !isAdded || beta === 1 ? 0 : inputElements(context, c);
    return plus(times(results, scaled(context) + (isAdded ? 1 : 0)), weighted);
  };

const perResult =
  (operations: (context: CostContext) => number): Extra =>
  (context, results) =>
    times(results, operations(context));

/** A rule whose every result passes through an activation that an attribute names. */
const activated =
  (rule: CostRule, attribute: string): CostRule =>
  (context) => {
    const work = rule(context);
    const name = context.input.attributes.has(attribute) ? context.input.string(attribute, '?') : '';
    const operations = name === '' ? 0 : activationOperations(name);
    return { macs: work.macs, elementOps: plus(work.elementOps, times(outputElements(context), operations)) };
  };

const fusedMatMul = product(fusedInner, perResult(scaled));

/** Weights [N, K] of a few bits are first put back to numbers, a difference and a product each. */
const packed: CostRule = (context) => {
  const { input } = context;
  const weights = times(sizeAttribute(context, 'K'), sizeAttribute(context, 'N'));
  const rows = elementsOf(input.shape(0)?.slice(0, -1));
  return {
    macs: times(rows, weights),
    elementOps: plus(times(weights, 2), times(outputElements(context), inputs(5)(context))),
  };
};

export const matmulCosts: CostRules = {
  MatMul: product(plainInner()),
  MatMulInteger: product(plainInner()),
  QLinearMatMul: product(
    plainInner(3),
    perResult(() => quantizeOperations),
  ),
  Gemm: product(gemmInner(), gemmExtra()),
  'com.microsoft:FusedGemm': activated(product(gemmInner(), gemmExtra()), 'activation'),
  'com.microsoft:FusedMatMul': fusedMatMul,
  'com.microsoft:TransposeMatMul': fusedMatMul,
  'com.microsoft:FusedMatMulActivation': activated(fusedMatMul, 'activation'),
  'com.microsoft:GemmFastGelu': product(
    plainInner(),
    perResult((context) => tanhGeluOperations + inputs(2)(context)),
  ),
  'com.microsoft:GemmFloat8': activated(product(gemmInner(), gemmExtra()), 'activation'),
  // Rescaled, or quantized again where the result has a scale.
  'com.microsoft:QGemm': product(gemmInner(3), (context, results) =>
    times(results, (context.input.has(7) ? quantizeOperations : 1) + inputs(6)(context)),
  ),
  // The left side is quantized first, the result rescaled.
  'com.microsoft:DynamicQuantizeMatMul': product(plainInner(), (context, results) =>
    plus(times(inputElements(context), 6), times(results, 1 + inputs(4)(context))),
  ),
  'com.microsoft:MatMulIntegerToFloat': product(
    plainInner(),
    perResult((context) => 1 + inputs(6)(context)),
  ),
  'com.microsoft:MatMulInteger16': product(plainInner()),
  'com.microsoft:MatMulNBits': packed,
  'com.microsoft:MatMulBnb4': packed,
  // Distances of every row to every other: a difference, its square added up, and a root.
  'com.microsoft:CDist': (context) => {
    const results = outputElements(context);
    const products = times(results, context.input.shape(0)?.[1]);
    const roots = context.input.string('metric', 'sqeuclidean') === 'euclidean' ? results : 0;
    return { macs: products, elementOps: plus(products, roots) };
  },
};
