// x > α ? x : 0 => ThresholdedRelu(x)
// x < −λ ? x + bias : x > λ ? x − bias : 0 => Shrink(x)
// max(x, 0) => Relu(x)
// Needs: constants of one element.
import { floatAttribute, getFloat } from '../../../ir/attribute.js';
import { constantTensor } from '../../../ir/constant.js';
import { type DataType, dataTypeKind } from '../../../ir/data_type.js';
import type { Value } from '../../../ir/graph.js';
import type { Inference } from '../../../ir/ops/inference/inference.js';
import { affineOf } from '../../rewrite/affine.js';
import { numberCasesOf } from '../../rewrite/cases.js';
import { offerObstacle } from '../../rewrite/offers.js';
import { producerOf } from '../../rewrite/operator.js';
import { any, commuted, type Finding, scalar, search } from '../../rewrite/pattern.js';
import { defineRewrite } from '../../rewrite/rewrite.js';
import { isClose, scalarValue } from '../../rewrite/scalar.js';

export const fuseThresholdedRelu = defineRewrite<{ readonly x: Value; readonly alpha: number }>({
  name: 'fuse-thresholded-relu',
  summary: 'x > α ? x : 0 => ThresholdedRelu(x)',
  licence: 'exact',
  opset: 10,
  pattern: search('Where', (root, { inference }) => {
    const cases = numberCasesOf(root, inference);
    if (cases === undefined || cases.above !== cases.x) return 'it is not x above a number';
    const isZero = [cases.below, cases.equal, cases.nan].every((value) => isPlainZero(value));
    if (!isZero) return 'it is not 0 elsewhere';
    return { captures: { x: cases.x, alpha: cases.threshold }, nodes: cases.nodes };
  }),
  check: ({ x }, context, root) => offerObstacle(root, { opType: 'ThresholdedRelu', since: 10, of: x }, context),
  rewrite: ({ x, alpha }, build) => [
    build.op('ThresholdedRelu', [x], { attributes: [floatAttribute('alpha', alpha)] }),
  ],
});

type Shrunk = { readonly x: Value; readonly bias: number; readonly lambd: number };

export const fuseShrink = defineRewrite<Shrunk>({
  name: 'fuse-shrink',
  summary: 'x < −λ ? x + bias : x > λ ? x − bias : 0 => Shrink(x)',
  licence: 'exact',
  opset: 9,
  pattern: search('Where', (root, { inference }): Finding<Shrunk> | string => {
    const outer = numberCasesOf(root, inference);
    const plain = outer && shrunkByNothing(outer, inference);
    if (plain !== undefined) return plain;
    const where = [outer?.above, outer?.below].map((value) => producerOf(value, 'Where')).find((node) => node);
    const inner = where === undefined ? undefined : numberCasesOf(where, inference);
    if (outer === undefined || inner === undefined || inner.x !== outer.x) return 'it does not compare twice';
    const [low, high] = outer.threshold <= inner.threshold ? [outer, inner] : [inner, outer];
    const middle = low === outer ? inner.below : inner.above;
    const { x } = outer;
    const [below, above] = [shift(low.below, x, inference), shift(high.above, x, inference)];
    // The middle, its ends and NaN are all 0.
    const isZero = [middle, inner.equal, inner.nan].every((value) => isPlainZero(value));
    const isInner = [outer.equal, outer.nan].every((value) => value === where!.outputs[0]);
    if (!isZero || !isInner || low.threshold !== -high.threshold) return 'it is not 0 in between';
    if (below === undefined || above === undefined || !isClose(above, -below, 1e-6)) return 'it is not shifted alike';
    const nodes = [low.below, high.above].flatMap((value) => (value === x ? [] : [value.producer!]));
    const captures = { x, bias: below, lambd: high.threshold };
    return { captures, nodes: [...outer.nodes, ...inner.nodes, ...nodes] };
  }),
  check: ({ x }, context, root) => offerObstacle(root, { opType: 'Shrink', since: 9, of: x }, context),
  rewrite: ({ x, bias, lambd }, build) => [
    build.op('Shrink', [x], { attributes: [floatAttribute('bias', bias), floatAttribute('lambd', lambd)] }),
  ],
});

export const fuseRelu = defineRewrite({
  name: 'fuse-relu',
  summary: 'max(x, 0) => Relu(x)',
  licence: 'exact',
  opset: 6,
  pattern: commuted('Max', [any('x'), scalar(0)]),
  check({ x }, context, root) {
    // Few runtimes have kernels for integers, which the operator takes since opset 14.
    if (!isFloat(context.inference.dtypeOf(x))) return 'it is not computed in floating point';
    return offerObstacle(root, { opType: 'Relu', since: 6, of: x }, context);
  },
  rewrite: ({ x }, build) => [build.op('Relu', [x])],
});

const isFloat = (dtype: DataType | undefined): boolean => dtype !== undefined && dataTypeKind(dtype) === 'float';

/** x < −λ ? x : ThresholdedRelu(x), which is how the half above 0 may be found by then. */
function shrunkByNothing(
  outer: NonNullable<ReturnType<typeof numberCasesOf>>,
  inference: Inference,
): Finding<Shrunk> | undefined {
  const { x, threshold, above } = outer;
  const half = producerOf(above, 'ThresholdedRelu');
  const isHalf = half?.inputs[0] === x && getFloat(half, 'alpha', 1) === -threshold && threshold < 0;
  const isRest = [outer.equal, outer.nan].every((value) => value === above);
  if (half === undefined || !isHalf || !isRest || shift(outer.below, x, inference) !== 0) return undefined;
  const nodes = outer.below === x ? [] : [outer.below.producer!];
  return { captures: { x, bias: 0, lambd: -threshold }, nodes: [...outer.nodes, half, ...nodes] };
}

/** What is added to x. */
function shift(value: Value, x: Value, inference: Inference): number | undefined {
  const affine = affineOf(value, inference, new Set([x]));
  return affine.x === x && affine.factor === 1 && affine.nodes.length <= 1 ? affine.offset : undefined;
}

/** One element, 0 and not −0. */
function isPlainZero(value: Value): boolean {
  const tensor = constantTensor(value);
  return tensor !== undefined && Object.is(scalarValue(tensor), 0) && tensor.dims.length <= 1;
}
