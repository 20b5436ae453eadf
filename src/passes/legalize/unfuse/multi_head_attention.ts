// com.microsoft.MultiHeadAttention(q, k, v, bias, padding, scores, past) => softmax(scale · q · kᵀ + masks) · v
import { getFloat, getInt } from '../../../ir/attribute.js';
import type { DataType } from '../../../ir/data_type.js';
import { type Node, opsetVersion, type Value } from '../../../ir/graph.js';
import { tensorFromData } from '../../../ir/tensor.js';
import type { CheckContext } from '../../rewrite/rewrite.js';
import { floatTypeOf } from './activations.js';
import { attended, causalBias, causalSince, joinHeads, maskBias, splitHeads } from './scaled_products.js';
import type { Spelling } from './spelling.js';
import { inputOf, isRead, type Spell, type Unfusing } from './unfusing.js';

type Layout = {
  readonly heads: number;
  /** Of a head of queries and keys, and of values. */
  readonly size: number;
  readonly valueSize: number;
  /** Keys and values of [batch, heads, length, size], or of three axes as the queries. */
  readonly areSplit: boolean;
};

const names = ['query', 'key', 'value', 'bias', 'padding', 'scores', 'pastKey', 'pastValue'] as const;

export type Operands = Readonly<Record<(typeof names)[number], Value | null>>;

export const multiHeadAttention: Unfusing = {
  domain: 'com.microsoft',
  opType: 'MultiHeadAttention',
  plan(node, context) {
    const operands = Object.fromEntries(names.map((name, index) => [name, inputOf(node, index)])) as Operands;
    const { query, key, value } = operands;
    if (query === null || key === null || value === null) return 'queries, keys and values are packed';
    if (inputOf(node, 8) !== null || inputOf(node, 9) !== null) return 'its cache is a buffer of a fixed length';
    if (isRead(node, 3)) return 'its scores are asked for';
    const dtype = floatTypeOf(query, context);
    const layout = layoutOf(node, query, key, value, context);
    if (dtype === undefined) return 'the type of its operands is not known';
    if (typeof layout === 'string') return layout;
    const { inference } = context;
    const padded = operands.padding === null ? undefined : inference.shapeOf(operands.padding)?.length;
    if (operands.padding !== null && padded !== 2 && padded !== 3) return 'its padding is not a mask of keys';
    if (operands.bias !== null && layout.areSplit) return 'its keys have four axes and a bias';
    const isCausal = getInt(node, 'unidirectional', 0) !== 0;
    if (isCausal && (opsetVersion(node.graph, '') ?? causalSince) < causalSince) {
      return `opset ${causalSince} is the first that makes causal masks`;
    }
    return spell(node, operands, { ...layout, dtype, isCausal, padded });
  },
};

function layoutOf(node: Node, query: Value, key: Value, value: Value, { inference }: CheckContext): Layout | string {
  const [q, k, v] = [query, key, value].map((each) => inference.shapeOf(each));
  const heads = getInt(node, 'num_heads', 0);
  const width = q?.[2];
  if (q?.length !== 3 || typeof width !== 'number' || heads < 1) return 'the width of its queries is not known';
  const areSplit = k?.length === 4 && v?.length === 4;
  if (!areSplit && (k?.length !== 3 || v?.length !== 3)) return 'keys and values are packed';
  const last = v?.at(-1);
  if (typeof last !== 'number') return 'the width of its values is not known';
  return { heads, size: width / heads, valueSize: areSplit ? last : last / heads, areSplit };
}

export type Facts = Layout & {
  readonly dtype: DataType;
  readonly isCausal: boolean;
  readonly padded: number | undefined;
};

/** The lowest number of each type: what the operator adds where a key is not to be seen. */
const lowest: Readonly<Record<string, number>> = {
  float: -3.4028234663852886e38,
  double: -Number.MAX_VALUE,
  float16: -65504,
  bfloat16: -3.3895313892515355e38,
};

function spell(node: Node, operands: Operands, facts: Facts): Spell {
  return (spelling) => {
    const [query, key, value] = biased(operands, facts, spelling);
    const { result, k, v } = attendedHeads(node, { ...operands, query, key, value }, facts, spelling);
    return [result, isRead(node, 1) ? k : null, isRead(node, 2) ? v : null, null];
  };
}

/** The result of three axes, and all keys and values of four. The bias is in the operands already. */
export function attendedHeads(node: Node, operands: Operands, facts: Facts, spelling: Spelling) {
  const { heads, size, valueSize, dtype } = facts;
  const scale = getFloat(node, 'scale', 0) || 1 / Math.sqrt(size);
  const { query, key, value } = operands;
  const q = splitHeads(query!, heads, size, spelling);
  const now = facts.areSplit ? key! : splitHeads(key!, heads, size, spelling);
  const valuesNow = facts.areSplit ? value! : splitHeads(value!, heads, valueSize, spelling);
  const behind = (past: Value | null, added: Value) => (past === null ? added : spelling.concat([past, added], 2));
  const k = behind(operands.pastKey, now);
  const v = behind(operands.pastValue, valuesNow);
  const biases = biasesOf(node, operands, { q, k, facts }, spelling);
  const result = attended({ q, k, v, dtype, scale, biases }, spelling);
  return { result: joinHeads(result, heads, valueSize, spelling), k, v };
}

/** Queries, keys and values with their parts of the bias. */
function biased(
  { query, key, value, bias }: Operands,
  { heads, size, valueSize }: Layout,
  spelling: Spelling,
): readonly [Value, Value, Value] {
  if (bias === null) return [query!, key!, value!];
  const parts = spelling.split(bias, 0, [heads * size, heads * size, heads * valueSize]);
  const sum = (operand: Value | null, index: number) => spelling.op('Add', [operand!, parts[index]!]);
  return [sum(query, 0), sum(key, 1), sum(value, 2)];
}

function biasesOf(
  node: Node,
  { padding, scores, pastKey }: Operands,
  { q, k, facts }: { readonly q: Value; readonly k: Value; readonly facts: Facts },
  spelling: Spelling,
): readonly Value[] {
  const biases: Value[] = [];
  const { dtype } = facts;
  if (padding !== null) {
    const none = spelling.constant(int32Zero, 'none');
    const seen = spelling.op('Greater', [padding, none]);
    const bias = maskBias(seen, dtype, getFloat(node, 'mask_filter_value', -10000), spelling);
    biases.push(spelling.unsqueeze(bias, facts.padded === 2 ? [1, 2] : [1]));
  }
  if (facts.isCausal) {
    const past = pastKey === null ? null : spelling.size(pastKey, 2);
    biases.push(causalBias(q, k, past, { dtype, hidden: lowest[dtype]! }, spelling));
  }
  if (scores !== null) biases.push(scores);
  return biases;
}

const int32Zero = tensorFromData('int32', [], Int32Array.of(0));
