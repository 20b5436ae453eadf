// Slice(Slice(x)) => Slice(x)
// Needs: constant operands; along an axis that both cut, steps of 1 and positions counted from the start (an end may be
// past the end, or the second's missing, which leaves the first's as it is). Only the second reads the first's result.
import type { Node, Value } from '../../../ir/graph.js';
import type { Inference } from '../../../ir/ops/inference/inference.js';
import { any, op } from '../../rewrite/pattern.js';
import { defineRewrite } from '../../rewrite/rewrite.js';
import { buildSlice, type Cut, cutsOf } from './cuts.js';

type Match = { root: Node; inner: Node; x: Value };

export const mergeSlices = defineRewrite<Match>({
  name: 'merge-slices',
  summary: 'Slice(Slice(x)) => Slice(x)',
  licence: 'exact',
  pattern: op('root', 'Slice', [op('inner', 'Slice', [any('x')], { moreInputs: true })], { moreInputs: true }),
  check({ root, inner }, { inference }) {
    if (inner.outputs[0]!.uses.size > 1) return 'the first cut is read by others';
    return mergedCuts(inner, root, inference) === undefined ? 'the cuts do not add up to one' : undefined;
  },
  rewrite: ({ root, inner, x }, build, { inference }) => [
    buildSlice(x, mergedCuts(inner, root, inference)!, root, build),
  ],
});

function mergedCuts(inner: Node, root: Node, inference: Inference): Cut[] | undefined {
  const first = cutsOf(inner, inference);
  const second = cutsOf(root, inference);
  if (first === undefined || second === undefined) return undefined;
  const merged: Cut[] = first.filter(({ axis }) => second.every((cut) => cut.axis !== axis));
  for (const cut of second) {
    const before = first.find(({ axis }) => axis === cut.axis);
    const both = before === undefined ? cut : cutTwice(before, cut);
    if (both === undefined) return undefined;
    merged.push(both);
  }
  return merged;
}

/** What exporters write for an end that is not there. */
const int32Max = 2n ** 31n - 1n;

/** [a : b] and of that [c : d] is [a + c : min(b, a + d)], since every position past the end is the end. */
function cutTwice(first: Cut, second: Cut): Cut | undefined {
  if (first.step !== 1n || second.step !== 1n || first.start < 0n || second.start < 0n) return undefined;
  const start = first.start + second.start;
  if (first.end < 0n) return second.end >= int32Max ? { ...first, start } : undefined;
  if (second.end < 0n) return undefined;
  const shifted = first.start + second.end;
  if (shifted >= first.end) return { ...first, start };
  return { ...first, start, end: shifted };
}
