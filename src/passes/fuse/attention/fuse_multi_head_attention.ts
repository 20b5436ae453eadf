// Transpose(softmax(scale · q · kᵀ + mask) · v) over heads split off values of rank 3
//   => Reshape(MultiHeadAttention(q, k, v, mask))
// Needs: a known number and size of heads, one batch for queries and keys, a mask that the operator can broadcast, and
// scores that nothing else reads.
import { floatAttribute, intAttribute, intsAttribute } from '../../../ir/attribute.js';
import { dimEquals } from '../../../ir/dim.js';
import { type Node, opsetVersion, type Value } from '../../../ir/graph.js';
import { int64Tensor } from '../../../ir/tensor.js';
import type { MatchState } from '../../rewrite/match_state.js';
import { offerObstacle } from '../../rewrite/offers.js';
import { type Finding, search } from '../../rewrite/pattern.js';
import { type CheckContext, defineRewrite, type ReplacementBuilder } from '../../rewrite/rewrite.js';
import { type Heads, headsOf, headsOfKeys } from './heads.js';
import { biasObstacle, buildBias } from './score_bias.js';
import { type AttentionParts, attentionParts, isFiniteMask, permutation, transposedBy } from './scores.js';

type Match = { readonly parts: AttentionParts };

export const fuseMultiHeadAttention = defineRewrite<Match>({
  name: 'fuse-multi-head-attention',
  summary: 'softmax(scale · q · kᵀ + mask) · v => MultiHeadAttention(q, k, v, mask)',
  licence: 'reassociates',
  pattern: search('Transpose', (root, state): Finding<Match> | string => findAttention(root.inputs[0]!, state, root)),
  check({ parts }, context, root) {
    const offer = { opType: 'MultiHeadAttention', domain: 'com.microsoft', of: parts.q };
    const offered = offerObstacle(root, offer, context);
    if (offered !== undefined) return offered;
    if (parts.softcap !== 0) return 'the scores are bounded by tanh';
    const guard = guardObstacle(parts, context);
    if (guard !== undefined) return guard;
    if (!Number.isFinite(parts.scale) || parts.scale === 0) return `the scale is ${parts.scale}`;
    return shapeObstacle(parts, context) ?? cacheObstacle(parts, context);
  },
  rewrite({ parts }, build, context, root) {
    const { inference } = context;
    const [, heads, , size] = inference.shapeOf(parts.v)! as number[];
    const operands = buildOperands(parts, root, build, context);
    const bias = parts.mask === null ? null : buildBias(parts.mask, operands.query, root, build, context);
    const inputs = [operands.query, operands.key, operands.value, ...(bias === null ? [] : [null, null, bias])];
    const attributes = [intAttribute('num_heads', heads!), floatAttribute('scale', parts.scale)];
    const attended = build.op('MultiHeadAttention', inputs, { domain: 'com.microsoft', attributes });
    return [build.op('Reshape', [attended, build.constant(int64Tensor([0, 0, heads!, size!]), 'heads')])];
  },
});

/** Without a mask of infinities, only values that are no numbers themselves give such weights. */
export function guardObstacle({ isGuarded, mask }: AttentionParts, { licences }: CheckContext): string | undefined {
  if (!isGuarded) return undefined;
  if (mask !== null && !isFiniteMask(mask))
    return 'the mask may hide a whole row by infinity, which is guarded against';
  return licences.has('assumes-finite') ? undefined : 'it needs the licence "assumes-finite"';
}

function findAttention(product: Value, { inference }: MatchState, root: Node): Finding<Match> | string {
  const node = product.producer;
  if (permutation(root, inference)?.join() !== '0,2,1,3') return 'it does not bring the heads back behind the length';
  if (node?.opType !== 'MatMul' || !node.attached) return 'no matrix product is transposed';
  const parts = attentionParts(node, inference);
  return typeof parts === 'string' ? parts : { captures: { parts }, nodes: parts.nodes };
}

/** q: [B, N, S, D], keys: [B, N, D, T], v: [B, N, T, E] with N, D and E known. */
function shapeObstacle({ q, keys, v, mask }: AttentionParts, context: CheckContext): string | undefined {
  const [a, b, c] = [q, keys, v].map((value) => context.inference.shapeOf(value));
  if (a?.length !== 4 || b?.length !== 4 || c?.length !== 4) return 'the operands are not known to have four axes';
  const heads = a[1];
  if (typeof heads !== 'number' || b[1] !== heads || c[1] !== heads)
    return 'the number of heads is not known, or not one';
  if (typeof a[3] !== 'number' || a[3] !== b[2] || typeof c[3] !== 'number') return 'the size of a head is not known';
  if (!dimEquals(a[0], b[0]) || !dimEquals(a[0], c[0])) return 'the batch of queries and keys is not known to be one';
  if (!dimEquals(b[3], c[2])) return 'keys and values are not known to be as many';
  if (mask === null) return undefined;
  if (context.inference.dtypeOf(mask) !== context.inference.dtypeOf(q)) return 'the mask is of another type';
  return biasObstacle(mask, [a[0], heads, a[2], b[3]], context);
}

/** Keys and values of four axes must be of one shape; those of rank 3 may have heads of another size each. */
function cacheObstacle({ q, keys, v }: AttentionParts, { inference }: CheckContext): string | undefined {
  if (inference.shapeOf(q)?.[3] === inference.shapeOf(v)?.[3]) return undefined;
  if (headsOfKeys(keys, inference) !== undefined && headsOf(v, inference) !== undefined) return undefined;
  return 'the heads of values of four axes are of another size';
}

type Operands = { readonly query: Value; readonly key: Value; readonly value: Value };

/** Rank 3 where all come from there; else keys and values keep their four axes, as the operator also takes them. */
function buildOperands(
  { q, keys, v }: AttentionParts,
  root: Node,
  build: ReplacementBuilder,
  { inference }: CheckContext,
): Operands {
  const sources = { q: headsOf(q, inference), k: headsOfKeys(keys, inference), v: headsOf(v, inference) };
  const splits = new Map<Value, readonly Value[]>();
  const unpacked = ({ source, part, heads, size }: Heads): Value => {
    if (part === undefined) return source;
    const parts = splits.get(source) ?? buildSplit(source, heads * size, root, build);
    splits.set(source, parts);
    return parts[part]!;
  };
  const query = sources.q === undefined ? joinHeads(q, build, inference.shapeOf(q)! as number[]) : unpacked(sources.q);
  if (sources.k !== undefined && sources.v !== undefined) {
    return { query, key: unpacked(sources.k), value: unpacked(sources.v) };
  }
  const key = transposedBy(keys, [0, 1, 3, 2], inference) ?? transposed(keys, [0, 1, 3, 2], build);
  return { query, key, value: v };
}

const joinHeads = (q: Value, build: ReplacementBuilder, [, heads, , size]: readonly number[]): Value =>
  build.op('Reshape', [
    transposed(q, [0, 2, 1, 3], build),
    build.constant(int64Tensor([0, 0, heads! * size!]), 'joined'),
  ]);

const transposed = (value: Value, perm: readonly number[], build: ReplacementBuilder): Value =>
  build.op('Transpose', [value], { attributes: [intsAttribute('perm', perm)] });

/** Three parts of `size` along the last axis. */
function buildSplit(source: Value, size: number, root: Node, build: ReplacementBuilder): readonly Value[] {
  const sizes = [size, size, size];
  const axis = intAttribute('axis', 2);
  const byInput = (opsetVersion(root.graph, '') ?? 13) >= 13;
  const inputs = byInput ? [source, build.constant(int64Tensor(sizes), 'sizes')] : [source];
  const attributes = byInput ? [axis] : [axis, intsAttribute('split', sizes)];
  return build.node('Split', inputs, { attributes, outputs: 3 }).outputs as readonly Value[];
}
