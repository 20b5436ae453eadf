import { add, asDim, mul, sub } from '../../dim.js';
import { formatShape } from '../../value_type.js';
import type { InferenceContext, InferenceRules } from './context.js';
import { headCount, headSize } from './heads.js';
import { attributeSize } from './sizes.js';
import { agreed, ofRank } from './state_space.js';

/** ONNX Runtime's attention that keeps a matrix a head instead of keys and values, in com.microsoft. */
export const gatedAttentionRules: InferenceRules = {
  'com.microsoft:LinearAttention': linearAttention,
  'com.microsoft:LinearAttentionGate': linearAttentionGate,
  'com.microsoft:GatedDeltaNet': gatedDeltaNet,
};

/**
 * Queries [B, T, Hq · dk], keys [B, T, Hkv · dk], values [B, T, Hkv · dv] => [B, T, max(Hq, Hkv) · dv] and the state
 * [B, Hkv, dk, dv], as many times as there are states to go back to, in front of all other axes.
 */
function linearAttention(context: InferenceContext): void {
  const dtype = context.dtype(0);
  const stateType = context.has(3) ? context.dtype(3) : undefined;
  context.setTensor(0, dtype);
  context.setTensor(1, stateType);
  const states = context.int('state_window', 0);
  const query = ofRank(context, 0, 3);
  const key = ofRank(context, 1, 3);
  const value = ofRank(context, 2, 3);
  const past = ofRank(context, 3, states > 0 ? 5 : 4);
  if (query === 'conflict' || key === 'conflict' || value === 'conflict' || past === 'conflict') return;
  const queryHeads = headCount(context, 'q_num_heads');
  const heads = headCount(context, 'kv_num_heads');
  if (queryHeads === 'conflict' || heads === 'conflict' || states < 0) {
    context.fail('infer/heads', 'there is less than one head, or less than no state');
    return;
  }
  const querySize = headSize(query?.[2], queryHeads);
  const keySize = headSize(key?.[2], heads);
  const valueSize = headSize(value?.[2], heads);
  if (querySize === 'conflict' || keySize === 'conflict' || valueSize === 'conflict') {
    context.fail('infer/heads', 'the heads do not divide what they are packed in');
    return;
  }
  const before = states > 0 ? past?.slice(1) : past;
  const batch = agreed(context, 'batch', [query?.[0], key?.[0], value?.[0], before?.[0]]);
  const length = agreed(context, 'length', [query?.[1], key?.[1], value?.[1]]);
  const stateHeads = agreed(context, 'heads', [heads, before?.[1]]);
  const dk = agreed(context, 'head size', [querySize, keySize, before?.[2]]);
  const dv = agreed(context, 'head size', [valueSize, before?.[3]]);
  if (batch === 'conflict' || length === 'conflict') return;
  if (stateHeads === 'conflict' || dk === 'conflict' || dv === 'conflict') return;
  const isEven = queryHeads !== undefined && heads !== undefined && queryHeads <= heads;
  const most = queryHeads !== undefined && heads !== undefined ? Math.max(queryHeads, heads) : undefined;
  const packed = isEven ? value?.[2] : undefined;
  context.setTensor(0, dtype, [batch, length, packed ?? asDim(mul(most, dv))]);
  context.setTensor(1, stateType, [...(states > 0 ? [attributeSize(states)] : []), batch, stateHeads, dk, dv]);
}

/** Both projections [B, T, H], one for each result. */
function linearAttentionGate(context: InferenceContext): void {
  for (const [output, input] of [0, 3].entries()) {
    context.setTensor(output, context.dtype(0), context.shape(input) ?? context.shape(0));
  }
}

/**
 * Queries and keys [tokens, Hk, dk], values [tokens, Hv, dv], or of [B, T, …], => like the values, and the state of each
 * sequence [B, Hv, dv, dk] and what changed it, a row a sequence.
 */
function gatedDeltaNet(context: InferenceContext): void {
  const dtype = context.dtype(0);
  context.setTensor(0, dtype);
  for (const index of [1, 2]) context.setTensor(index, 'float');
  const [query, key, value] = [context.shape(0), context.shape(1), context.shape(2)];
  const state = ofRank(context, 6, 4);
  const bounds = ofRank(context, 3, 1);
  if (state === 'conflict' || bounds === 'conflict') return;
  const shapes = [query, key, value].filter((shape) => shape !== undefined);
  const rank = shapes[0]?.length;
  if (shapes.some(({ length }) => length !== rank) || (rank !== undefined && rank !== 3 && rank !== 4)) {
    context.fail('infer/attention', `queries, keys and values ${shapes.map(formatShape).join(', ')} do not fit`);
    return;
  }
  const isBatched = rank === 4;
  const batch = agreed(context, 'batch', [
    state?.[0],
    asDim(sub(bounds?.[0], 1)),
    ...(isBatched ? shapes.map((shape) => shape[0]) : []),
  ]);
  const length = agreed(
    context,
    'tokens',
    shapes.map((shape) => shape.at(-3)),
  );
  const keyHeads = agreed(context, 'heads', [query?.at(-2), key?.at(-2)]);
  const heads = agreed(context, 'heads', [value?.at(-2), state?.[1]]);
  const dv = agreed(context, 'head size', [value?.at(-1), state?.[2]]);
  const dk = agreed(context, 'head size', [query?.at(-1), key?.at(-1), state?.[3]]);
  if (batch === 'conflict' || length === 'conflict' || keyHeads === 'conflict') return;
  if (heads === 'conflict' || dv === 'conflict' || dk === 'conflict') return;
  if (rank !== undefined) context.setTensor(0, dtype, [...(isBatched ? [batch] : []), length, heads, dv]);
  context.setTensor(1, 'float', [batch, heads, dv, dk]);
  const one = add(add(heads, mul(keyHeads, dk)), mul(heads, dv));
  context.setTensor(2, 'float', [batch, asDim(mul(attributeSize(context.int('state_update_capacity', 0)), one))]);
}
