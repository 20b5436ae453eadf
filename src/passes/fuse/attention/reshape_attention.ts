// Attention(q, repeated k, repeated v) => Attention(q, k, v)
// Attention(q, Concat(past k, k), Concat(past v, v)) => Attention(q, k, v, past k, past v)
// Reshape(Transpose(Attention(q, k, v))) of heads split off values of three axes => Attention of three axes
import { getInt, intAttribute } from '../../../ir/attribute.js';
import { constantTensor } from '../../../ir/constant.js';
import { dimEquals, mul } from '../../../ir/dim.js';
import type { Node, Value } from '../../../ir/graph.js';
import type { Inference } from '../../../ir/ops/inference/inference.js';
import { isFloatType, numbersOf } from '../../rewrite/float_numbers.js';
import { producerOf } from '../../rewrite/operator.js';
import { type Finding, search } from '../../rewrite/pattern.js';
import { defineRewrite, type ReplacementBuilder } from '../../rewrite/rewrite.js';
import { isFilled } from './fuse_standard_attention.js';
import { type Heads, headsOf } from './heads.js';
import { permutation } from './scores.js';
import { isCausal } from './standard_mask.js';

type Groups = { readonly k: Value; readonly v: Value };

/** Heads of keys and values that several heads of queries share. */
export const fuseAttentionGroups = defineRewrite<Groups>({
  name: 'fuse-attention-groups',
  summary: 'Attention(q, repeated k, repeated v) => Attention(q, k, v)',
  licence: 'exact',
  pattern: search('Attention', (root, { inference }): Finding<Groups> | string => {
    const [, key, value] = root.inputs;
    if (hasPast(root)) return 'it has keys of before';
    const [k, v] = [sharedHeads(key, inference), sharedHeads(value, inference)];
    if (k === undefined || v === undefined) return 'its keys and values are not repeated';
    if (!dimEquals(inference.shapeOf(k.value)?.[1], inference.shapeOf(v.value)?.[1])) return 'they have other heads';
    return { captures: { k: k.value, v: v.value }, nodes: [...new Set([...k.nodes, ...v.nodes])] };
  }),
  keepsShared: true,
  check: () => undefined,
  rewrite: ({ k, v }, build, _context, root) => again(root, [root.inputs[0]!, k, v, root.inputs[3] ?? null], build),
});

type Shared = { readonly value: Value; readonly nodes: readonly Node[] };

/** x of Reshape(Expand(Unsqueeze(x, 2))): [B, N, T, D] => [B, N, repeats, T, D] => [B, N · repeats, T, D] */
function sharedHeads(value: Value | null | undefined, inference: Inference): Shared | undefined {
  const reshape = producerOf(value, 'Reshape');
  const expand = producerOf(reshape?.inputs[0], 'Expand');
  const column = expand?.inputs[0];
  const view = producerOf(column, 'Unsqueeze', 'Reshape');
  const source = view?.inputs[0];
  if (reshape === undefined || expand === undefined || view === undefined || column == null || source == null) {
    return undefined;
  }
  const [from, single, wide, to] = [source, column, expand.outputs[0]!, value!].map((each) => inference.shapeOf(each));
  if (from?.length !== 4 || single?.length !== 5 || wide?.length !== 5 || to?.length !== 4) return undefined;
  const [batch, heads, length, size] = from;
  const repeats = wide[2];
  if (typeof heads !== 'number' || typeof repeats !== 'number') return undefined;
  const isColumn = [batch, heads, 1, length, size].every((dim, axis) => dimEquals(dim, single[axis]));
  const isWide = [batch, heads, repeats, length, size].every((dim, axis) => dimEquals(dim, wide[axis]));
  const isJoined = [batch, mul(heads, repeats), length, size].every((dim, axis) => dimEquals(dim as never, to[axis]));
  return isColumn && isWide && isJoined ? { value: source, nodes: [reshape, expand, view] } : undefined;
}

type Past = {
  readonly k: readonly [Value, Value];
  readonly v: readonly [Value, Value];
  /** Keys and values together, where others read them. */
  readonly joined: readonly [Value, Value];
  readonly isCausal: boolean;
};

/** Keys and values of before, which the operator joins with those of now. */
export const fuseAttentionPast = defineRewrite<Past>({
  name: 'fuse-attention-past',
  summary: 'Attention(q, Concat(past k, k), Concat(past v, v)) => Attention(q, k, v, past k, past v)',
  licence: 'exact',
  pattern: search('Attention', (root, { inference }): Finding<Past> | string => {
    const [, key, value, mask] = root.inputs;
    if (hasPast(root) || getInt(root, 'is_causal', 0) !== 0) return 'it has keys of before, or counts them as others';
    const [k, v] = [joinedAlongLength(key, inference), joinedAlongLength(value, inference)];
    if (k === undefined || v === undefined) return 'its keys and values are not joined';
    const lengths = [k, v].map(([past, now]) => [past, now].map((each) => inference.shapeOf(each)?.[2]));
    const isSame = [0, 1].every((part) => dimEquals(lengths[0]![part], lengths[1]![part]));
    if (!isSame) return 'keys and values of before are not known to be as many';
    if (!isFilled(lengths[0]![1])) return 'keys of now are not known to be there';
    const captures = { k, v, joined: [key!, value!] as const, isCausal: isCausalFrom(mask, lengths[0]![0]) };
    return { captures, nodes: [...new Set([key!.producer!, value!.producer!])] };
  }),
  replacesInner: ({ joined }) => joined.filter((each) => each.uses.size > 1),
  check: ({ joined: [key, value] }) => (key === value ? 'keys and values are the same' : undefined),
  rewrite({ k, v, joined, isCausal: causal }, build, _context, root) {
    const mask = causal ? null : (root.inputs[3] ?? null);
    const inputs = [root.inputs[0]!, k[1], v[1], mask, k[0], v[0]];
    const attributes = [...root.attributes.values(), ...(causal ? [intAttribute('is_causal', 1)] : [])];
    const scores = root.outputs[3];
    const outputs = [{}, {}, {}, ...(scores == null ? [] : [{}])];
    const node = build.node('Attention', inputs, { attributes, outputs });
    const own = [
      node.outputs[0]!,
      ...Array.from({ length: root.outputs.length - 1 }, (_, at) => (at === 2 ? node.outputs[3]! : null)),
    ];
    const present = joined.flatMap((each, at) => (each.uses.size > 1 ? [node.outputs[at + 1]!] : []));
    return [...own, ...present];
  },
});

function joinedAlongLength(value: Value | null | undefined, inference: Inference): readonly [Value, Value] | undefined {
  const concat = producerOf(value, 'Concat');
  const [past, now] = concat?.inputs ?? [];
  const axis = concat === undefined ? undefined : getInt(concat, 'axis', 0);
  if (past == null || now == null || concat?.inputs.length !== 2 || (axis !== 2 && axis !== -2)) return undefined;
  return inference.shapeOf(past)?.length === 4 && inference.shapeOf(now)?.length === 4 ? [past, now] : undefined;
}

function isCausalFrom(mask: Value | null | undefined, past: unknown): boolean {
  const tensor = constantTensor(mask);
  const numbers = tensor !== undefined && isFloatType(tensor.dtype) ? numbersOf(tensor) : undefined;
  return tensor !== undefined && numbers !== undefined && typeof past === 'number' && isCausal(tensor, numbers, past);
}

type Joined = { readonly attention: Node; readonly q: Heads; readonly k: Heads; readonly v: Heads };

/** Heads that the operator splits off and joins itself. */
export const fuseAttentionHeads = defineRewrite<Joined>({
  name: 'fuse-attention-heads',
  summary: 'Reshape(Transpose(Attention(q, k, v))) => Attention of [batch, length, heads · size]',
  licence: 'exact',
  pattern: search('Reshape', (root, { inference }): Finding<Joined> | string => {
    const transpose = producerOf(root.inputs[0], 'Transpose');
    const attention = producerOf(transpose?.inputs[0], 'Attention');
    if (transpose === undefined || attention === undefined) return 'it joins no heads of an Attention';
    if (permutation(transpose, inference)?.join() !== '0,2,1,3') return 'the heads do not go behind the length';
    const [before, after] = [transpose.outputs[0]!, root.outputs[0]!].map((each) => inference.shapeOf(each));
    const width = mul(before?.[2] as never, before?.[3] as never);
    const isJoined = after?.length === 3 && [0, 1].every((axis) => dimEquals(before?.[axis], after[axis]));
    if (!isJoined || !dimEquals(width as never, after[2])) return 'it does not join the heads alone';
    const [q, k, v] = [0, 1, 2].map((index) => headsOf(attention.inputs[index]!, inference));
    if ([q, k, v].some((each) => each === undefined || each.part !== undefined))
      return 'its heads were not split alone';
    return { captures: { attention, q: q!, k: k!, v: v! }, nodes: [transpose, attention] };
  }),
  replacesInner: ({ attention }) =>
    attention.outputs.slice(1).flatMap((each) => (each === null || each.uses.size === 0 ? [] : [each])),
  check: () => undefined,
  rewrite({ attention, q, k, v }, build) {
    const attributes = [
      ...attention.attributes.values(),
      intAttribute('q_num_heads', q.heads),
      intAttribute('kv_num_heads', k.heads),
    ];
    const inputs = [q.source, k.source, v.source, ...attention.inputs.slice(3)];
    const outputs = attention.outputs.map((each) => (each === null ? null : {}));
    const node = build.node('Attention', inputs, { attributes, outputs });
    const others = attention.outputs.flatMap((each, at) =>
      at === 0 || each === null || each.uses.size === 0 ? [] : [node.outputs[at]!],
    );
    return [node.outputs[0]!, ...others];
  },
});

const hasPast = ({ inputs, outputs }: Node): boolean =>
  inputs.slice(4).some((input) => input !== null) || outputs.slice(1, 3).some((output) => output !== null);

/** The same node with other operands. */
function again(root: Node, inputs: readonly (Value | null)[], build: ReplacementBuilder): readonly (Value | null)[] {
  const operands = inputs.at(-1) === null ? inputs.slice(0, -1) : inputs;
  const outputs = root.outputs.map((each) => (each === null ? null : {}));
  return build.node('Attention', operands, { attributes: [...root.attributes.values()], outputs }).outputs;
}
