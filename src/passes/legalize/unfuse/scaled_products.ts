import type { DataType } from '../../../ir/data_type.js';
import type { Value } from '../../../ir/graph.js';
import { floatsOf } from '../opset/scalar_tensor.js';
import type { Spelling } from './spelling.js';

/** Opset of Trilu, which causal masks are made by. */
export const causalSince = 14;

export type Attended = {
  /** [batch, heads, queries, size] */
  readonly q: Value;
  /** [batch, heads, keys, size] */
  readonly k: Value;
  readonly v: Value;
  readonly dtype: DataType;
  readonly scale: number;
  /** Scores are bounded to ± this; 0: not. */
  readonly softcap?: number;
  /** Added to the scores. */
  readonly biases: readonly Value[];
  /** What softmax is computed in. */
  readonly precision?: DataType;
};

/** softmax(softcap(scale · q · kᵀ) + biases) · v */
export function attended(
  { q, k, v, dtype, scale, softcap = 0, biases, precision = dtype }: Attended,
  spelling: Spelling,
): Value {
  const op = (opType: string, ...inputs: readonly Value[]) => spelling.op(opType, inputs);
  const scaled = scale === 1 ? q : op('Mul', q, spelling.number(dtype, scale, 'scale'));
  let scores = op('MatMul', scaled, spelling.transpose(k, [0, 1, 3, 2]));
  if (softcap !== 0) {
    const bound = spelling.number(dtype, softcap, 'softcap');
    scores = op('Mul', op('Tanh', op('Div', scores, bound)), bound);
  }
  for (const bias of biases) scores = op('Add', scores, bias);
  const weights = spelling.softmax(spelling.cast(scores, dtype, precision));
  return op('MatMul', spelling.cast(weights, precision, dtype), v);
}

/** [batch, length, heads · size] => [batch, heads, length, size] */
export const splitHeads = (value: Value, heads: number, size: number, spelling: Spelling): Value =>
  spelling.transpose(spelling.reshape(value, [0, 0, heads, size]), [0, 2, 1, 3]);

/** [batch, heads, length, size] => [batch, length, heads · size] */
export const joinHeads = (value: Value, heads: number, size: number, spelling: Spelling): Value =>
  spelling.reshape(spelling.transpose(value, [0, 2, 1, 3]), [0, 0, heads * size]);

/**
 * [queries, keys] that holds `hidden` where a key comes after its query, else 0. `past`: how many keys precede those
 * of the queries, one element.
 */
export function causalBias(
  q: Value,
  k: Value,
  past: Value | null,
  { dtype, hidden }: { readonly dtype: DataType; readonly hidden: number },
  spelling: Spelling,
): Value {
  const sizes = spelling.concat([spelling.size(q, 2), spelling.size(k, 2)], 0);
  const value = floatsOf(dtype, [1], hidden)!;
  const filled = spelling.op('ConstantOfShape', [sizes], { name: 'value', kind: 'tensor', value });
  const one = spelling.int64([1], 'one');
  const first = past === null ? one : spelling.op('Add', [past, one]);
  return spelling.op('Trilu', [filled, spelling.op('Squeeze', [first])]);
}

/** 0 where a condition holds, else `hidden`. */
export const maskBias = (condition: Value, dtype: DataType, hidden: number, spelling: Spelling): Value =>
  spelling.op('Where', [condition, spelling.number(dtype, 0, 'shown'), spelling.number(dtype, hidden, 'hidden')]);
