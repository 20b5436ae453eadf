import { add, asDim, type Dim, max, mul } from '../../dim.js';
import { formatShape, type Shape } from '../../value_type.js';
import type { InferenceContext, InferenceRule, InferenceRules } from './context.js';
import { headCount, headSize, packedSize, splitHeads } from './heads.js';
import { unknownShape } from './rank.js';
import { attributeSize } from './sizes.js';

/**
 * ONNX Runtime's attention on projected queries, keys and values, in com.microsoft. Where keys and values of before
 * share their buffer with those of after, it has a length of its own.
 */
export const fusedAttentionRules: InferenceRules = {
  'com.microsoft:MultiHeadAttention': multiHead(6),
  'com.microsoft:DecoderMaskedMultiHeadAttention': multiHead(5),
  'com.microsoft:PackedMultiHeadAttention': packedMultiHead,
  'com.microsoft:GroupQueryAttention': groupQuery,
  'com.microsoft:SparseAttention': sparse,
  'com.microsoft:PagedAttention': paged,
};

/** Queries [batch, length, hidden] or all in one [batch, length, heads, 3, size]; keys and values in many forms. */
function multiHead(past: number): InferenceRule {
  return (context) => {
    const dtype = context.dtype(0);
    context.setTensor(0, dtype);
    for (const index of [1, 2]) context.setTensor(index, dtype, unknownShape(4));
    context.setTensor(3, undefined, unknownShape(4));
    const query = context.shape(0);
    const value = context.shape(2);
    const heads = headCount(context);
    const isKnown = [3, 5, undefined].includes(query?.length) && [3, 4, undefined].includes(value?.length);
    if (!isKnown || heads === 'conflict') {
      const given = [0, 1, 2].map((index) => formatShape(context.shape(index)));
      context.fail('infer/attention', `queries, keys and values ${given.join(', ')} do not fit each other`);
      return;
    }
    if (query === undefined) return;
    context.setTensor(0, dtype, [query[0], query[1], hiddenSize(context, query, value)]);
    context.setTensor(3, undefined, [query[0], heads, query[1], undefined]);
    for (const index of [1, 2]) {
      const shape = context.has(past + index - 1)
        ? grownShape(context, past + index - 1, value)
        : firstShape(context.shape(index), heads);
      context.setTensor(index, dtype, shape ?? unknownShape(4));
    }
  };
}

function hiddenSize(context: InferenceContext, query: Shape, value: Shape | undefined): Dim | undefined {
  if (query.length === 5) return packedSize(query[2], query[4]);
  if (value !== undefined) return value.length === 3 ? value[2] : packedSize(value[1], value[3]);
  const isPackedKeys = !context.has(2) && context.rank(1) === 5;
  return isPackedKeys ? query[2] : undefined;
}

/** The keys or values of before, with those of now behind them. */
function grownShape(context: InferenceContext, past: number, value: Shape | undefined): Shape | undefined {
  const before = context.shape(past);
  if (before?.length !== 4) return undefined;
  const isShared = context.int('past_present_share_buffer', 0) !== 0 || context.has(past + 2);
  const added = value?.length === 3 ? value[1] : undefined;
  return before.with(2, isShared ? undefined : asDim(add(before[2], added)));
}

/** Keys or values [batch, length, heads · size] with none of before => [batch, heads, length, size] */
function firstShape(shape: Shape | undefined, count: number | undefined): Shape | undefined {
  const split = shape?.length === 3 ? splitHeads(shape, count) : 'conflict';
  return split === 'conflict' ? undefined : [split.batch, split.heads, split.length, split.size];
}

/** Queries [tokens, hidden] or all in one [tokens, heads, 3, size] */
function packedMultiHead(context: InferenceContext): void {
  const query = context.shape(0);
  const value = context.shape(2);
  const dtype = context.dtype(0);
  context.setTensor(0, dtype);
  if (query?.length === 4) context.setTensor(0, dtype, [query[0], packedSize(query[1], query[3])]);
  else if (query?.length === 2) context.setTensor(0, dtype, [query[0], value?.length === 2 ? value[1] : undefined]);
}

/** The result of queries [batch, length, heads · size], or [batch, length, (heads + 2 · kv_heads) · size] for all. */
function setGroupedResult(context: InferenceContext): Dim | undefined | 'conflict' {
  const dtype = context.dtype(0);
  const query = context.shape(0);
  const heads = headCount(context);
  const keyHeads = headCount(context, 'kv_num_heads');
  context.setTensor(0, dtype);
  const isPacked = !context.has(2);
  const isCounted = heads !== 'conflict' && keyHeads !== 'conflict';
  const count = isCounted ? (isPacked ? asDim(add(heads, mul(2, keyHeads))) : heads) : undefined;
  const size = headSize(query?.[2], count);
  if ((query !== undefined && query.length !== 3) || !isCounted || size === 'conflict') {
    context.fail('infer/attention', `queries ${formatShape(query)} do not fit ${heads} and ${keyHeads} heads`);
    return 'conflict';
  }
  if (query === undefined) return undefined;
  context.setTensor(0, dtype, [query[0], query[1], isPacked ? packedSize(heads, size) : query[2]]);
  return size;
}

/** The buffer for keys and values grows to the longest sequence, or stays as long as it is. */
function groupQuery(context: InferenceContext): void {
  const typeOf = (past: number) => (context.has(past) ? context.dtype(past) : context.dtype(0));
  for (const index of [1, 2]) context.setTensor(index, typeOf(index + 2), unknownShape(4));
  context.setTensor(3, context.dtype(0), unknownShape(4));
  const size = setGroupedResult(context);
  if (size === 'conflict') return;
  const query = context.shape(0);
  const total = context.content(6)?.elements[0];
  const isWindow = context.int('sliding_window_cache', 0) !== 0;
  for (const index of [1, 2]) {
    const past = context.shape(index + 2);
    if (past?.length === 4) {
      context.setTensor(index, typeOf(index + 2), isWindow ? past : past.with(2, asDim(max(past[2], total))));
    } else if (!context.has(index + 2)) {
      const keyHeads = context.int('kv_num_heads', undefined);
      context.setTensor(index, typeOf(index + 2), [query?.[0], keyHeads, asDim(total), size]);
    }
  }
  const heads = context.int('num_heads', undefined);
  context.setTensor(3, context.dtype(0), [query?.[0], heads, query?.[1], asDim(total)]);
}

/** Its keys and values keep their buffers. */
function sparse(context: InferenceContext): void {
  setGroupedResult(context);
  for (const index of [1, 2]) context.setTensor(index, context.dtype(index + 2), context.shape(index + 2));
}

/**
 * Queries [tokens, heads · size], or [tokens, (heads + 2 · kv_heads) · size] with keys and values => [tokens, heads · size].
 * Latent caches have values of a size of their own. The caches are written where they are.
 */
function paged(context: InferenceContext): void {
  const query = context.shape(0);
  const heads = headCount(context);
  const keyHeads = headCount(context, 'kv_num_heads');
  const dtype = context.dtype(0);
  context.setTensor(0, dtype);
  for (const index of [1, 2]) context.setTensor(index, context.dtype(index + 2), context.shape(index + 2));
  if ((query !== undefined && query.length !== 2) || heads === 'conflict' || keyHeads === 'conflict') {
    context.fail('infer/attention', `queries ${formatShape(query)} do not fit ${heads} and ${keyHeads} heads`);
    return;
  }
  const valueSize = context.int('v_head_size', 0);
  const isPacked = !context.has(1);
  if (valueSize > 0) context.setTensor(0, dtype, [query?.[0], packedSize(heads, attributeSize(valueSize))]);
  else if (!isPacked) context.setTensor(0, dtype, query ?? [undefined, undefined]);
  else {
    const isLatent = context.string('kv_cache_layout', 'SEPARATE') !== 'SEPARATE';
    const size = isLatent ? undefined : headSize(query?.[1], asDim(add(heads, mul(2, keyHeads))));
    if (size === 'conflict') context.fail('infer/attention', `${formatShape(query)} holds no whole heads`);
    else context.setTensor(0, dtype, [query?.[0], packedSize(heads, size)]);
  }
}
