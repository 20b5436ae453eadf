// softmax(softcap(scale · q · kᵀ) + mask) · v => Attention(q, k, v, mask), operands of [batch, heads, length, size]
// Needs: batch, queries and keys of at least one element, which kernels insist on; a mask whose last two sizes are those
// of the scores; at most one of the scores on their way read by others. A mask of numbers is kept above the lowest one.
import { floatAttribute, intAttribute, intsAttribute } from '../../../ir/attribute.js';
import { type Dim, dimEquals, lowerBound } from '../../../ir/dim.js';
import type { Node, Value } from '../../../ir/graph.js';
import { floatTensor } from '../../../ir/tensor.js';
import type { Shape } from '../../../ir/value_type.js';
import { offerObstacle } from '../../rewrite/offers.js';
import { type Finding, search } from '../../rewrite/pattern.js';
import { type CheckContext, defineRewrite } from '../../rewrite/rewrite.js';
import { type AttentionParts, attentionParts, transposedBy } from './scores.js';
import { nearlyLowest, standardMask } from './standard_mask.js';

type Match = { readonly parts: AttentionParts };

const since = 23;

export const fuseStandardAttention = defineRewrite<Match>({
  name: 'fuse-standard-attention',
  summary: 'softmax(scale · q · kᵀ + mask) · v => Attention(q, k, v, mask)',
  // A query that sees no key is not a number before, and zero after.
  licence: 'assumes-finite',
  opset: since,
  pattern: search('MatMul', (root, { inference }): Finding<Match> | string => {
    const parts = attentionParts(root, inference);
    return typeof parts === 'string' ? parts : { captures: { parts }, nodes: parts.nodes };
  }),
  replacesInner: ({ parts }) => {
    const asked = askedStages(parts);
    return asked.length === 1 ? [asked[0]!.value] : [];
  },
  check({ parts }, context, root) {
    const form = parts.mask === null ? 'unmasked' : undefined;
    const offered = offerObstacle(root, { opType: 'Attention', since, of: parts.q, form }, context);
    if (offered !== undefined) return offered;
    if (!(parts.scale > 0) || !Number.isFinite(parts.scale)) return `the scale is ${parts.scale}`;
    const scores = scoresShape(parts, context);
    if (typeof scores === 'string') return scores;
    const mask = standardMask(parts.mask, scores, context.inference);
    if (typeof mask === 'string') return mask;
    const showsMask = mask.raised === true && askedStages(parts).some(({ mode }) => mode === 2);
    return showsMask ? 'the masked scores are read elsewhere' : undefined;
  },
  rewrite({ parts }, build, context) {
    const { inference } = context;
    const { q, keys, v, scale, softcap } = parts;
    const scores = scoresShape(parts, context) as Shape;
    const mask = standardMask(parts.mask, scores, inference);
    if (typeof mask === 'string') return [];
    const [asked] = askedStages(parts);
    const k =
      transposedBy(keys, [0, 1, 3, 2], inference) ??
      build.op('Transpose', [keys], { attributes: [intsAttribute('perm', [0, 1, 3, 2])] });
    const attributes = [
      floatAttribute('scale', scale),
      ...(softcap === 0 ? [] : [floatAttribute('softcap', softcap)]),
      ...(mask.isCausal ? [intAttribute('is_causal', 1)] : []),
      ...(asked === undefined ? [] : [intAttribute('qk_matmul_output_mode', asked.mode)]),
    ];
    const raised = mask.raised
      ? build.op('Max', [mask.value, build.constant(floatTensor([nearlyLowest], []), 'nearly_lowest')])
      : mask.value;
    const inputs = raised === null ? [q, k, v] : [q, k, v, raised];
    const outputs = asked === undefined ? [{}] : [{}, null, null, {}];
    const node = build.node('Attention', inputs, { attributes, outputs });
    return asked === undefined ? [node.outputs[0]!] : [node.outputs[0]!, node.outputs[3]!];
  },
});

type Stage = { readonly value: Value; readonly mode: number };

/** The scores that others read, under the number that `qk_matmul_output_mode` has for them. */
function askedStages({ stages, nodes }: AttentionParts): readonly Stage[] {
  const { scaled, capped, masked, weights } = stages;
  const candidates = [
    ...(scaled === null ? [] : [{ value: scaled, mode: 0 }]),
    { value: capped, mode: 1 },
    { value: masked, mode: 2 },
    { value: weights, mode: 3 },
  ];
  const distinct = candidates.filter(({ value }, at) => candidates.findIndex((each) => each.value === value) === at);
  return distinct.filter(({ value }) => isReadOutside(value, nodes));
}

const isReadOutside = (value: Value, nodes: readonly Node[]): boolean =>
  [...value.uses].some((use) => use.kind !== 'node' || !nodes.includes(use.user));

/** [batch, heads, queries, keys], or what is not known of it. */
function scoresShape({ q, keys, v }: AttentionParts, { inference }: CheckContext): Shape | string {
  const [a, b, c] = [q, keys, v].map((value) => inference.shapeOf(value));
  if (a?.length !== 4 || b?.length !== 4 || c?.length !== 4) return 'the operands are not known to have four axes';
  if (![0, 1].every((axis) => dimEquals(a[axis], b[axis]) && dimEquals(a[axis], c[axis]))) {
    return 'batch and heads are not known to be the same';
  }
  if (!dimEquals(a[3], b[2]) || !dimEquals(b[3], c[2])) return 'queries, keys and values are not known to fit';
  const types = [q, keys, v].map((value) => inference.dtypeOf(value));
  if (new Set(types).size > 1 || types[0] === undefined) return 'the operands are not known to be of one type';
  const shape = [a[0], a[1], a[2], b[3]];
  return shape.every(isFilled) ? shape : 'a size is not known to be at least 1';
}

export const isFilled = (dim: Dim | undefined): boolean => Number(lowerBound(dim) ?? 0) >= 1;
