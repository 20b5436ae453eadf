import { add, asDim, type Dim } from '../../dim.js';
import { formatShape, type Shape } from '../../value_type.js';
import type { InferenceContext, InferenceRules } from './context.js';
import { sameAsInput } from './elementwise.js';
import { type Heads, packedSize, splitHeads } from './heads.js';
import { agreedSize } from './sizes.js';

/** Sizes that several inputs have in common. */
type Common = {
  readonly query: Heads;
  readonly batch: Dim | undefined;
  readonly heads: Dim | undefined;
  readonly length: Dim | undefined;
  readonly keySize: Dim | undefined;
  readonly valueSize: Dim | undefined;
};

/**
 * Q, K, V of [batch, heads, length, size] each, or [batch, length, heads · size] with the numbers of heads as
 * attributes => Y like Q with the size of V, the keys and values with those of before in front, and Q·K.
 */
function inferAttention(context: InferenceContext): void {
  const keyType = context.dtype(1) ?? context.dtype(0);
  context.setTensor(0, context.dtype(0));
  context.setTensor(1, keyType);
  context.setTensor(2, context.dtype(2));
  context.setTensor(3, context.dtype(0));
  const common = commonSizes(context);
  if (common === undefined) return;
  const { query, batch, heads, length, keySize, valueSize } = common;
  const before = context.has(4) || context.has(5) ? agreedSize([context.shape(4)?.[2], context.shape(5)?.[2]]) : 0;
  const total = before === 'conflict' ? undefined : asDim(add(before, length));
  context.setTensor(1, keyType, [batch, heads, total, keySize]);
  context.setTensor(2, context.dtype(2), [batch, heads, total, valueSize]);
  context.setTensor(3, context.dtype(0), [batch, query.heads, query.length, total]);
  context.setTensor(0, context.dtype(0), resultShape(context, common));
}

function resultShape(context: InferenceContext, { query, batch, valueSize }: Common): Shape | undefined {
  const rank = context.rank(0);
  if (rank === undefined) return undefined;
  if (rank === 4) return [batch, query.heads, query.length, valueSize];
  const value = context.shape(2);
  const isEven = query.heads !== undefined && query.heads === context.int('kv_num_heads', undefined);
  const packed = isEven && value?.length === 3 ? value[2] : undefined;
  return [batch, query.length, packed ?? packedSize(query.heads, valueSize)];
}

/** What the inputs agree on; undefined, and reported, where they do not. */
function commonSizes(context: InferenceContext): Common | undefined {
  const keyHeads = context.int('kv_num_heads', undefined);
  const query = splitHeads(context.shape(0), context.int('q_num_heads', undefined));
  const key = splitHeads(context.shape(1), keyHeads);
  const value = splitHeads(context.shape(2), keyHeads);
  const pastKey = context.shape(4);
  const pastValue = context.shape(5);
  const isRanked = [pastKey, pastValue].every((shape) => shape === undefined || shape.length === 4);
  if (query !== 'conflict' && key !== 'conflict' && value !== 'conflict' && isRanked) {
    const batch = agreedSize([query.batch, key.batch, value.batch, pastKey?.[0], pastValue?.[0]]);
    const heads = agreedSize([key.heads, value.heads, pastKey?.[1], pastValue?.[1]]);
    const length = agreedSize([key.length, value.length]);
    const keySize = agreedSize([key.size, query.size, pastKey?.[3]]);
    const valueSize = agreedSize([value.size, pastValue?.[3]]);
    const areSame = batch !== 'conflict' && heads !== 'conflict' && length !== 'conflict';
    if (areSame && keySize !== 'conflict' && valueSize !== 'conflict') {
      return { query, batch, heads, length, keySize, valueSize };
    }
  }
  const given = [0, 1, 2, 4, 5].map((index) => formatShape(context.shape(index)));
  context.fail('infer/attention', `queries, keys and values ${given.join(', ')} do not fit each other`);
  return undefined;
}

/** All of [batch, heads, length, size]. */
function inferFlexAttention(context: InferenceContext): void {
  const dtype = context.dtype(0);
  context.setTensor(0, dtype);
  const shapes = [0, 1, 2].map((index) => context.shape(index));
  if (shapes.some((shape) => shape !== undefined && shape.length !== 4)) {
    context.fail(
      'infer/attention',
      `queries, keys and values ${shapes.map(formatShape).join(', ')} have four axes each`,
    );
    return;
  }
  const common = commonSizes(context);
  if (common === undefined) return;
  context.setTensor(0, dtype, [common.batch, common.query.heads, common.query.length, common.valueSize]);
}

export const attentionRules: InferenceRules = {
  Attention: inferAttention,
  'ai.onnx.preview:FlexAttention': inferFlexAttention,
  RotaryEmbedding: sameAsInput,
};
