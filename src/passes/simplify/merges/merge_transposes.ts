// Transpose(Transpose(x, p), q) => Transpose(x, p∘q), or x
// Needs: both permutations readable; without `perm` the axes are reversed, which takes a known rank.
import { getInts, intsAttribute } from '../../../ir/attribute.js';
import type { Node, Value } from '../../../ir/graph.js';
import type { Inference } from '../../../ir/ops/inference/inference.js';
import { any, op } from '../../rewrite/pattern.js';
import { defineRewrite } from '../../rewrite/rewrite.js';
import { plainOperator } from '../plain_operator.js';

type Match = { root: Node; inner: Node; x: Value };

export const mergeTransposes = defineRewrite<Match>({
  name: 'merge-transposes',
  summary: 'Transpose(Transpose(x, p), q) => Transpose(x, p∘q), or x',
  licence: 'exact',
  keepsShared: true,
  pattern: op('root', 'Transpose', [op('inner', 'Transpose', [any('x')])]),
  check: (match, { inference }) => (merged(match, inference) === undefined ? 'a permutation is not known' : undefined),
  rewrite(match, build, { inference }) {
    const perm = merged(match, inference)!;
    if (perm.every((axis, index) => axis === index)) return [match.x];
    return [build.op('Transpose', [match.x], { attributes: [intsAttribute('perm', perm)] })];
  },
});

function merged({ root, inner }: Match, inference: Inference): number[] | undefined {
  const first = permutationOf(inner, inference);
  const second = permutationOf(root, inference);
  if (first === undefined || second === undefined || first.length !== second.length) return undefined;
  return second.map((axis) => first[axis]!);
}

/** The permutation of a Transpose; undefined where it depends on an unknown rank or on the caller of a function. */
export function permutationOf(node: Node, inference: Inference): number[] | undefined {
  if (plainOperator(node) !== 'Transpose') return undefined;
  const perm = getInts(node, 'perm', undefined);
  if (perm !== undefined) return isPermutation(perm) ? perm : undefined;
  const rank = node.inputs[0] == null ? undefined : inference.shapeOf(node.inputs[0])?.length;
  return rank === undefined ? undefined : Array.from({ length: rank }, (_, axis) => rank - 1 - axis);
}

const isPermutation = (perm: readonly number[]): boolean =>
  new Set(perm).size === perm.length && perm.every((axis) => axis >= 0 && axis < perm.length);
