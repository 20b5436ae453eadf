// Attention of the standard => softmax(softcap(scale · q · kᵀ) + mask) · v, as its definition spells it
import { getFloat, getInt } from '../../../ir/attribute.js';
import { type DataType, dataTypeOfCode } from '../../../ir/data_type.js';
import { dimEquals } from '../../../ir/dim.js';
import type { Node, Value } from '../../../ir/graph.js';
import type { CheckContext } from '../../rewrite/rewrite.js';
import { floatScalar } from '../opset/scalar_tensor.js';
import { floatTypeOf } from './activations.js';
import { attended, causalBias, joinHeads, maskBias, splitHeads } from './scaled_products.js';
import type { Spelling } from './spelling.js';
import { inputOf, isRead, type Unfusing } from './unfusing.js';

type Layout = {
  readonly rank: 3 | 4;
  readonly heads: number;
  readonly kvHeads: number;
  readonly size: number;
  readonly valueSize: number;
};

const names = ['query', 'key', 'value', 'mask', 'pastKey', 'pastValue', 'lengths'] as const;

type Operands = Readonly<Record<(typeof names)[number], Value | null>>;

export const attention: Unfusing = {
  domain: '',
  opType: 'Attention',
  plan(node, context) {
    const operands = Object.fromEntries(names.map((name, index) => [name, inputOf(node, index)])) as Operands;
    const { query, key, value } = operands;
    if (query === null || key === null || value === null) return 'an input is missing';
    if (operands.lengths !== null) return 'its keys are of different lengths';
    if (isRead(node, 3)) return 'its scores are asked for';
    const dtype = floatTypeOf(query, context);
    const others = [key, value].map((each) => floatTypeOf(each, context));
    if (dtype === undefined || others.some((each) => each !== dtype))
      return 'its operands are not known to be of one type';
    const layout = layoutOf(node, query, key, value, context);
    if (typeof layout === 'string') return layout;
    const stated = getInt(node, 'softmax_precision', 0);
    const precision = stated === 0 ? dtype : dataTypeOfCode(stated);
    if (precision === undefined || floatScalar(precision, 0) === undefined)
      return 'the precision of softmax is not valid';
    const masked = maskObstacle(operands, context);
    if (masked !== undefined) return masked;
    return (spelling) => spell(node, operands, { ...layout, dtype, precision }, spelling, context);
  },
};

function layoutOf(node: Node, query: Value, key: Value, value: Value, { inference }: CheckContext): Layout | string {
  const [q, k, v] = [query, key, value].map((each) => inference.shapeOf(each));
  if (q?.length !== k?.length || q?.length !== v?.length) return 'its operands are not known to be of one rank';
  if (q?.length !== 3 && q?.length !== 4) return 'it is not known to have three or four axes';
  const rank = q.length === 3 ? 3 : 4;
  const heads = rank === 4 ? q[1] : getInt(node, 'q_num_heads', 0);
  const kvHeads = rank === 4 ? k![1] : getInt(node, 'kv_num_heads', 0);
  const [width, valueWidth] = [q.at(-1), v!.at(-1)];
  if (![heads, kvHeads, width, valueWidth].every((each) => typeof each === 'number' && each > 0)) {
    return 'how many heads of which size it has is not known';
  }
  const [h, n] = [heads as number, kvHeads as number];
  if (h % n !== 0) return `${n} heads of keys do not serve ${h} heads of queries`;
  const isJoined = rank === 3;
  return {
    ...{ rank, heads: h, kvHeads: n },
    size: isJoined ? (width as number) / h : (width as number),
    valueSize: isJoined ? (valueWidth as number) / n : (valueWidth as number),
  };
}

/** From opset 24 on, a mask that is shorter than the keys hides the rest. */
function maskObstacle({ mask, key, pastKey }: Operands, { inference }: CheckContext): string | undefined {
  if (mask === null) return undefined;
  const dtype = inference.dtypeOf(mask);
  if (dtype === undefined) return 'the type of its mask is not known';
  const covered = inference.shapeOf(mask)?.at(-1);
  const length = pastKey === null ? inference.shapeOf(key!)?.at(-2) : undefined;
  if (typeof covered === 'number' && covered !== 1 && length === undefined) return undefined;
  const isWhole = covered !== undefined && length !== undefined && dimEquals(covered, length);
  return isWhole ? undefined : 'its mask is not known to cover all keys';
}

type Facts = Layout & { readonly dtype: DataType; readonly precision: DataType };

function spell(
  node: Node,
  operands: Operands,
  facts: Facts,
  spelling: Spelling,
  { inference }: CheckContext,
): readonly (Value | null)[] {
  const { rank, heads, kvHeads, size, valueSize, dtype, precision } = facts;
  const split = (value: Value, count: number, each: number) =>
    rank === 3 ? splitHeads(value, count, each, spelling) : value;
  const behind = (past: Value | null, added: Value) => (past === null ? added : spelling.concat([past, added], 2));
  const q = split(operands.query!, heads, size);
  const k = behind(operands.pastKey, split(operands.key!, kvHeads, size));
  const v = behind(operands.pastValue, split(operands.value!, kvHeads, valueSize));
  const biases: Value[] = [];
  if (operands.mask !== null) {
    const isBool = inference.dtypeOf(operands.mask) === 'bool';
    biases.push(isBool ? maskBias(operands.mask, dtype, Number.NEGATIVE_INFINITY, spelling) : operands.mask);
  }
  if (getInt(node, 'is_causal', 0) !== 0) {
    const past = operands.pastKey === null ? null : spelling.size(operands.pastKey, 2);
    biases.push(causalBias(q, k, past, { dtype, hidden: Number.NEGATIVE_INFINITY }, spelling));
  }
  const repeats = heads / kvHeads;
  const averaged = attended(
    {
      ...{ q, dtype, precision, biases },
      k: repeated(k, repeats, heads, size, spelling),
      v: repeated(v, repeats, heads, valueSize, spelling),
      scale: getFloat(node, 'scale', 1 / Math.sqrt(size)),
      softcap: getFloat(node, 'softcap', 0),
    },
    spelling,
  );
  const result = operands.mask === null ? averaged : zeroWhereBlind(averaged, biases, dtype, spelling);
  return [
    rank === 3 ? joinHeads(result, heads, valueSize, spelling) : result,
    isRead(node, 1) ? k : null,
    isRead(node, 2) ? v : null,
    null,
  ];
}

/** A query that sees no key has the result 0. One that is only kept from later keys sees the first. */
function zeroWhereBlind(result: Value, biases: readonly Value[], dtype: DataType, spelling: Spelling): Value {
  const [first, second] = biases;
  const sum = second === undefined ? first! : spelling.op('Add', [first!, second]);
  const best = spelling.reduceMax(sum, [-1]);
  const sees = spelling.op('Greater', [best, spelling.number(dtype, Number.NEGATIVE_INFINITY, 'hidden')]);
  return spelling.op('Where', [sees, result, spelling.number(dtype, 0, 'blind')]);
}

/** Each head as often as queries share it. */
function repeated(value: Value, repeats: number, heads: number, size: number, spelling: Spelling): Value {
  if (repeats === 1) return value;
  const column = spelling.unsqueeze(value, [2]);
  const expanded = spelling.op('Expand', [column, spelling.int64([1, 1, repeats, 1, 1], 'repeats')]);
  return spelling.reshape(expanded, [0, heads, -1, size]);
}
