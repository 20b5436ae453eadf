import type { Node, Value } from '../../ir/graph.js';
import type { Inference } from '../../ir/ops/inference/inference.js';
import { isOperator, producerOf } from './operator.js';
import { scalarOperand } from './scalar.js';

/** A value chosen by where x lies: below a threshold, at it, above it, or nowhere. */
export type Cases = {
  readonly x: Value;
  /** A number, or a value of one element. */
  readonly threshold: Value;
  readonly below: Value;
  readonly equal: Value;
  readonly above: Value;
  readonly nan: Value;
  readonly nodes: readonly Node[];
};

type Order = 'below' | 'equal' | 'above';

/** Which orders of x and y make a comparison true. */
const trueFor: Readonly<Record<string, readonly Order[]>> = {
  Less: ['below'],
  LessOrEqual: ['below', 'equal'],
  Greater: ['above'],
  GreaterOrEqual: ['equal', 'above'],
};

const swapped: Readonly<Record<Order, Order>> = { below: 'above', equal: 'equal', above: 'below' };

/** Where(x < threshold, a, b), however the comparison is turned; `isThreshold` tells which operand is compared with. */
export function casesOf(where: Node, isThreshold: (value: Value, reader: Node) => boolean): Cases | undefined {
  const [condition = null, chosen = null, other = null] = where.inputs;
  if (!isOperator(where, 'Where') || chosen === null || other === null) return undefined;
  const not = producerOf(condition, 'Not');
  const comparison = producerOf(not === undefined ? condition : not.inputs[0], ...Object.keys(trueFor));
  const [left = null, right = null] = comparison?.inputs ?? [];
  if (comparison === undefined || left === null || right === null) return undefined;
  const isBehind = isThreshold(right, comparison);
  if (!isBehind && !isThreshold(left, comparison)) return undefined;
  const orders = trueFor[comparison.opType]!.map((order) => (isBehind ? order : swapped[order]));
  const pick = (isTrue: boolean): Value => (isTrue === (not === undefined) ? chosen : other);
  return {
    x: isBehind ? left : right,
    threshold: isBehind ? right : left,
    below: pick(orders.includes('below')),
    equal: pick(orders.includes('equal')),
    above: pick(orders.includes('above')),
    nan: pick(false),
    nodes: [where, comparison, ...(not === undefined ? [] : [not])],
  };
}

/** The same with a constant threshold. */
export function numberCasesOf(
  where: Node,
  inference: Inference,
): (Omit<Cases, 'threshold'> & { readonly threshold: number }) | undefined {
  const number = (value: Value, reader: Node) => scalarOperand(value, reader, inference);
  const cases = casesOf(where, (value, reader) => number(value, reader) !== undefined);
  if (cases === undefined) return undefined;
  const threshold = number(cases.threshold, cases.nodes[1]!)!;
  return { ...cases, threshold };
}
