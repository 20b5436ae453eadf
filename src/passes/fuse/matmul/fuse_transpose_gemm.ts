// Gemm(Aᵀ, B, c), Gemm(A, Bᵀ, c) => Gemm(A, B, c) with transA or transB
// MatMul(Aᵀ, B), MatMul(A, Bᵀ) => the same
// Needs: transposed matrices that nothing else reads, a target with Gemm for the type.
import { getInt, getInts, intAttribute } from '../../../ir/attribute.js';
import { type Node, opsetVersion, type Value } from '../../../ir/graph.js';
import type { MatchState } from '../../rewrite/match_state.js';
import { offerObstacle } from '../../rewrite/offers.js';
import { type Finding, search } from '../../rewrite/pattern.js';
import { defineRewrite } from '../../rewrite/rewrite.js';

/** The matrices before they were transposed, or null where they were not. */
type Match = { readonly a: Value | null; readonly b: Value | null };

export const fuseTransposeGemm = defineRewrite<Match>({
  name: 'fuse-transpose-gemm',
  summary: 'Gemm(Aᵀ, B, c), Gemm(A, Bᵀ, c) => Gemm(A, B, c) with transA or transB',
  licence: 'reassociates',
  pattern: search(['Gemm', 'MatMul'], findTransposed),
  check(_match, context, root) {
    if (root.opType === 'Gemm') return undefined;
    const { inference } = context;
    const [a, b] = root.inputs;
    if (inference.shapeOf(a!)?.length !== 2 || inference.shapeOf(b!)?.length !== 2)
      return 'it is no product of matrices';
    if ((opsetVersion(root.graph, root.domain) ?? 11) < 11) return 'Gemm without a bias needs opset 11';
    return offerObstacle(root, { opType: 'Gemm', since: 11, of: a! }, context);
  },
  rewrite({ a, b }, build, _context, root) {
    const kept = [...root.attributes.values()].filter(({ name }) => name !== 'transA' && name !== 'transB');
    const flags = [
      ['transA', a !== null],
      ['transB', b !== null],
    ] as const;
    const attributes = flags.flatMap(([name, toggles]) =>
      (getInt(root, name, 0) !== 0) === toggles ? [] : [intAttribute(name, 1)],
    );
    const inputs = [a ?? root.inputs[0]!, b ?? root.inputs[1]!, ...root.inputs.slice(2)];
    return [build.op('Gemm', inputs, { attributes: [...kept, ...attributes], name: root.name })];
  },
});

function findTransposed(root: Node, { inference }: MatchState): Finding<Match> | string {
  const [left = null, right = null] = root.inputs;
  const sourceOf = (value: Value | null): Value | null => {
    const node = value?.producer;
    if (value === null || node?.opType !== 'Transpose' || !node.attached || value.uses.size > 1) return null;
    const perm = getInts(node, 'perm', undefined);
    const swaps = perm === undefined ? inference.shapeOf(value)?.length === 2 : perm.length === 2 && perm[0] === 1;
    return swaps ? node.inputs[0]! : null;
  };
  const [a, b] = [sourceOf(left), sourceOf(right)];
  if (a === null && b === null) return 'neither matrix is transposed for it alone';
  const nodes = [a && left, b && right].flatMap((value) => (value?.producer ? [value.producer] : []));
  return { captures: { a, b }, nodes };
}
