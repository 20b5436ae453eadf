// x < low ? low : x => Clip(x, low), x > high ? high : x => Clip(x, , high); max and min with numbers alike
// Clip(Clip(x, low), , high) => Clip(x, low, high)
// Needs: bounds of one element.
import { constantTensor } from '../../../ir/constant.js';
import { type Node, opsetVersion, type Value } from '../../../ir/graph.js';
import type { Inference } from '../../../ir/ops/inference/inference.js';
import { elementCount, reshapeTensor } from '../../../ir/tensor.js';
import { casesOf } from '../../rewrite/cases.js';
import { offerObstacle } from '../../rewrite/offers.js';
import { any, op, optional, search } from '../../rewrite/pattern.js';
import { defineRewrite, type ReplacementBuilder } from '../../rewrite/rewrite.js';
import { scalarOperand, scalarValue } from '../../rewrite/scalar.js';

type Match = { readonly x: Value; readonly low: Value | null; readonly high: Value | null };

/** The opset in which Clip takes integers. */
const since = 12;

export const fuseWhereClip = defineRewrite<Match>({
  name: 'fuse-where-clip',
  summary: 'x < low ? low : x => Clip(x, low)',
  licence: 'exact',
  opset: since,
  pattern: search('Where', (root, { inference }) => {
    const cases = casesOf(root, (value) => isBound(value, inference) && root.inputs.includes(value));
    if (cases === undefined) return 'it does not choose a bound of one element';
    const { x, threshold, nodes } = cases;
    if (cases.nan !== x) return 'NaN becomes the bound';
    const [below, above] = [cases.below === threshold, cases.above === threshold];
    if (below === above || (below ? cases.above : cases.below) !== x) return 'it is not x on the other side';
    return { captures: { x, low: below ? threshold : null, high: above ? threshold : null }, nodes };
  }),
  check: ({ x }, context, root) => offerObstacle(root, { opType: 'Clip', since, of: x }, context),
  rewrite: (match, build) => [clip(match, build)],
});

export const fuseMinMaxClip = defineRewrite<Match>({
  name: 'fuse-min-max-clip',
  summary: 'min(max(x, low), high) => Clip(x, low, high)',
  licence: 'exact',
  opset: since,
  pattern: search(['Min', 'Max'], (root, { inference }) => {
    const outer = boundOf(root, inference);
    const node = outer?.x.producer;
    const inner = node?.attached && node.opType !== root.opType ? boundOf(node, inference) : undefined;
    if (outer === undefined || inner === undefined) return 'it is not held from both sides';
    const [low, high] = root.opType === 'Max' ? [outer, inner] : [inner, outer];
    // Where they cross, Clip gives the upper bound, and so does the maximum that comes first.
    if (root.opType === 'Max' && low.number > high.number) return 'the bounds cross';
    return { captures: { x: inner.x, low: low.bound, high: high.bound }, nodes: [node!] };
  }),
  check: ({ x }, context, root) => offerObstacle(root, { opType: 'Clip', since, of: x }, context),
  rewrite: (match, build) => [clip(match, build)],
});

export const fuseClipClip = defineRewrite({
  name: 'fuse-clip-clip',
  summary: 'Clip(Clip(x, low), , high) => Clip(x, low, high)',
  licence: 'exact',
  pattern: op('outer', 'Clip', [
    op('inner', 'Clip', [any('x'), any('low'), optional('none', any('none'))]),
    optional('noLow', any('noLow')),
    any('high'),
  ]),
  check({ outer, none, noLow }) {
    if ((opsetVersion(outer.graph, '') ?? 1) < 11) return 'its bounds are attributes';
    return none === null && noLow === null ? undefined : 'both have other bounds as well';
  },
  rewrite: ({ x, low, high }, build) => [build.op('Clip', [x, low, high])],
});

/** One element that adds no axes; what is not constant must be a scalar, as Clip takes it. */
function isBound(value: Value, inference: Inference): boolean {
  const tensor = constantTensor(value);
  return tensor === undefined
    ? inference.shapeOf(value)?.length === 0
    : elementCount(tensor.dims) === 1 && tensor.dims.length <= 1;
}

function boundOf(node: Node, inference: Inference): { x: Value; bound: Value; number: number } | undefined {
  const [left = null, right = null] = node.inputs;
  if ((node.opType !== 'Min' && node.opType !== 'Max') || node.inputs.length !== 2 || left === null || right === null) {
    return undefined;
  }
  const behind = scalarOperand(right, node, inference);
  const number = behind ?? scalarOperand(left, node, inference);
  if (number === undefined || Number.isNaN(number)) return undefined;
  return behind === undefined ? { x: right, bound: left, number } : { x: left, bound: right, number };
}

function clip({ x, low, high }: Match, build: ReplacementBuilder): Value {
  const bounds = high === null ? [low] : [low, high];
  return build.op('Clip', [x, ...bounds.map((bound) => bound && scalarBound(bound, build))]);
}

function scalarBound(value: Value, build: ReplacementBuilder): Value {
  const tensor = constantTensor(value);
  return tensor === undefined || tensor.dims.length === 0 || scalarValue(tensor) === undefined
    ? value
    : build.constant(reshapeTensor(tensor, []), value.name);
}
