import { asDim, type Dim, mul, provablyAtLeast, sub } from '../../dim.js';
import { formatShape, type Shape } from '../../value_type.js';
import type { InferenceContext, InferenceRules } from './context.js';
import { headSize } from './heads.js';
import { agreedSize } from './sizes.js';

/** Operators that take a state from the step before and give the one after. */
export const stateSpaceRules: InferenceRules = {
  CausalConvWithState: causalConvolution,
  LinearAttention: linearAttention,
};

/** [B, C, L] with kernels [C, 1, k] => [B, C, L] and the last k − 1 positions, [B, C, k − 1] */
function causalConvolution(context: InferenceContext): void {
  const dtype = context.dtype(0);
  context.setTensor(0, dtype);
  context.setTensor(1, dtype);
  const input = ofRank(context, 0, 3);
  const weight = ofRank(context, 1, 3);
  const bias = ofRank(context, 2, 1);
  const past = ofRank(context, 3, 3);
  if (input === 'conflict' || weight === 'conflict' || bias === 'conflict' || past === 'conflict') return;
  if (provablyAtLeast(0, weight?.[2])) {
    context.fail('infer/kernel', `${formatShape(weight)} is an empty kernel`);
    return;
  }
  const batch = agreed(context, 'batch', [input?.[0], past?.[0]]);
  const channels = agreed(context, 'channels', [input?.[1], weight?.[0], bias?.[0], past?.[1]]);
  const kept = agreed(context, 'kernel', [asDim(sub(weight?.[2], 1)), past?.[2]]);
  if (batch === 'conflict' || channels === 'conflict' || kept === 'conflict') return;
  context.setTensor(0, dtype, [batch, channels, input?.[2]]);
  context.setTensor(1, dtype, [batch, channels, kept]);
}

/** Queries [B, T, Hq·dk], keys [B, T, Hkv·dk], values [B, T, Hkv·dv] => [B, T, Hq·dv] and the state [B, Hkv, dk, dv] */
function linearAttention(context: InferenceContext): void {
  const dtype = context.dtype(0);
  const stateType = context.has(3) ? context.dtype(3) : dtype;
  context.setTensor(0, dtype);
  context.setTensor(1, stateType);
  const query = ofRank(context, 0, 3);
  const key = ofRank(context, 1, 3);
  const value = ofRank(context, 2, 3);
  const past = ofRank(context, 3, 4);
  if (query === 'conflict' || key === 'conflict' || value === 'conflict' || past === 'conflict') return;
  const queryHeads = context.int('q_num_heads', undefined);
  const heads = context.int('kv_num_heads', undefined);
  if ((queryHeads !== undefined && queryHeads < 1) || (heads !== undefined && heads < 1)) {
    context.fail('infer/heads', `attention of ${queryHeads ?? '?'} and ${heads ?? '?'} heads`);
    return;
  }
  const querySize = headSize(query?.[2], queryHeads);
  const keySize = headSize(key?.[2], heads);
  const valueSize = headSize(value?.[2], heads);
  if (querySize === 'conflict' || keySize === 'conflict' || valueSize === 'conflict') {
    context.fail('infer/heads', 'the heads do not divide what they are packed in');
    return;
  }
  const batch = agreed(context, 'batch', [query?.[0], key?.[0], value?.[0], past?.[0]]);
  const length = agreed(context, 'length', [query?.[1], key?.[1], value?.[1]]);
  const stateHeads = agreed(context, 'heads', [heads, past?.[1]]);
  const dk = agreed(context, 'head size', [querySize, keySize, past?.[2]]);
  const dv = agreed(context, 'head size', [valueSize, past?.[3]]);
  if (batch === 'conflict' || length === 'conflict') return;
  if (stateHeads === 'conflict' || dk === 'conflict' || dv === 'conflict') return;
  const packed = queryHeads !== undefined && queryHeads === heads ? value?.[2] : undefined;
  context.setTensor(0, dtype, [batch, length, packed ?? asDim(mul(queryHeads, dv))]);
  context.setTensor(1, stateType, [batch, stateHeads, dk, dv]);
}

/** The shape of an input; reported where it has another rank. */
export function ofRank(context: InferenceContext, index: number, rank: number): Shape | undefined | 'conflict' {
  const shape = context.shape(index);
  if (shape === undefined || shape.length === rank) return shape;
  context.fail('infer/rank', `input ${index} has rank ${rank}, not ${formatShape(shape)}`);
  return 'conflict';
}

export function agreed(
  context: InferenceContext,
  what: string,
  sizes: readonly (Dim | undefined)[],
): Dim | undefined | 'conflict' {
  const size = agreedSize(sizes);
  if (size === 'conflict') context.fail('infer/size', `${what}: ${formatShape(sizes)} are not the same`);
  return size;
}
