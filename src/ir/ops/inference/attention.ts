import { asDim, type Dim, divideExact, mul } from '../../dim.js';
import type { InferenceContext, InferenceRules } from './context.js';
import { sameAsInput } from './elementwise.js';

/**
 * Q, K, V of [batch, heads, sequence, head] each, or [batch, sequence, hidden] with the numbers of heads as attributes.
 * The result has the queries' batch, heads and sequence and the values' head size.
 */
function inferAttention(context: InferenceContext): void {
  const q = context.shape(0);
  const v = context.shape(2);
  const dtype = context.dtype(0);
  context.setTensor(0, dtype, q?.length === 4 || q?.length === 3 ? resultShape(context, q, v) : undefined);
  const open = [undefined, undefined, undefined, undefined];
  context.setTensor(1, context.dtype(1), open);
  context.setTensor(2, context.dtype(2), open);
  context.setTensor(3, dtype, open);
}

function resultShape(
  context: InferenceContext,
  q: readonly (Dim | undefined)[],
  v: readonly (Dim | undefined)[] | undefined,
): (Dim | undefined)[] {
  if (q.length === 4) return [q[0], q[1], q[2], v?.length === 4 ? v[3] : undefined];
  const queryHeads = context.int('q_num_heads', undefined);
  const keyHeads = context.int('kv_num_heads', undefined);
  const hidden = v?.length === 3 ? v[2] : undefined;
  if (typeof hidden !== 'number' || queryHeads === undefined || keyHeads === undefined || keyHeads < 1)
    return [q[0], q[1], undefined];
  return [q[0], q[1], hidden % keyHeads === 0 ? asDim(mul(divideExact(hidden, keyHeads), queryHeads)) : undefined];
}

export const attentionRules: InferenceRules = { Attention: inferAttention, RotaryEmbedding: sameAsInput };
