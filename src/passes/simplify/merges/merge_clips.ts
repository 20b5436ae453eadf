// Clip(Clip(x)), Relu(Clip(x)) and Clip(Relu(x)) => Clip(x)
// Needs: constant finite bounds of float, read once between. Each is a clamp to an interval, so both are the clamp to what
// the second makes of the first's ends, whether the intervals meet or not; min > max gives max everywhere (operator Clip
// 13 of the ONNX standard). NaN passes through all of them. A bound is left out only where neither gives one.
import { constantTensor } from '../../../ir/constant.js';
import type { Node, Value } from '../../../ir/graph.js';
import type { Inference } from '../../../ir/ops/inference/inference.js';
import { elementCount, floatTensor, tensorData } from '../../../ir/tensor.js';
import { any, op } from '../../rewrite/pattern.js';
import { defineRewrite } from '../../rewrite/rewrite.js';
import { defaultOpset, plainOperator } from '../plain_operator.js';

type Match = { root: Node; inner: Node; x: Value };

type Interval = { readonly low: number | undefined; readonly high: number | undefined };

const boundsAreInputs = 11;

export const mergeClips = defineRewrite<Match>({
  name: 'merge-clips',
  summary: 'Clip and Relu of one another => Clip',
  licence: 'exact',
  pattern: op('root', ['Clip', 'Relu'], [op('inner', ['Clip', 'Relu'], [any('x')], { moreInputs: true })], {
    moreInputs: true,
  }),
  check(match, { inference }) {
    if (match.inner.outputs[0]!.uses.size > 1) return 'the value between is read by others';
    if (defaultOpset(match.root) < boundsAreInputs) return 'bounds are attributes in this opset';
    return merged(match, inference) === undefined ? 'the bounds are not finite float constants' : undefined;
  },
  rewrite(match, build, { inference }) {
    const { low, high } = merged(match, inference)!;
    const bound = (value: number | undefined, name: string): Value | null =>
      value === undefined ? null : build.constant(floatTensor([value], []), name);
    const inputs = [match.x, bound(low, 'min'), bound(high, 'max')];
    return [build.op('Clip', high === undefined ? inputs.slice(0, 2) : inputs)];
  },
});

function merged({ root, inner, x }: Match, inference: Inference): Interval | undefined {
  const type = inference.typeOf(x);
  if (type?.kind !== 'tensor' || type.dtype !== 'float') return undefined;
  if (root.opType === 'Relu' && inner.opType === 'Relu') return undefined;
  const first = intervalOf(inner);
  const second = intervalOf(root);
  if (first === undefined || second === undefined) return undefined;
  const clamped = (value: number): number =>
    Math.min(Math.max(value, second.low ?? Number.NEGATIVE_INFINITY), second.high ?? Number.POSITIVE_INFINITY);
  const lowest = Math.min(first.low ?? Number.NEGATIVE_INFINITY, first.high ?? Number.POSITIVE_INFINITY);
  const finite = (value: number): number | undefined => (Number.isFinite(value) ? value : undefined);
  return { low: finite(clamped(lowest)), high: finite(clamped(first.high ?? Number.POSITIVE_INFINITY)) };
}

function intervalOf(node: Node): Interval | undefined {
  if (plainOperator(node) === 'Relu') return { low: 0, high: undefined };
  if (plainOperator(node) !== 'Clip') return undefined;
  const [low, high] = [boundOf(node.inputs[1]), boundOf(node.inputs[2])];
  return low === 'unknown' || high === 'unknown' ? undefined : { low, high };
}

function boundOf(input: Value | null | undefined): number | undefined | 'unknown' {
  if (input == null) return undefined;
  const tensor = constantTensor(input);
  if (tensor === undefined || tensor.dtype !== 'float' || elementCount(tensor.dims) !== 1) return 'unknown';
  const value = Number(tensorData(tensor)[0]);
  // Which zero comes out of two is up to the runtime.
  return Number.isFinite(value) && !Object.is(value, -0) ? value : 'unknown';
}
