import type { Node, Value } from '../../ir/graph.js';
import type { Inference } from '../../ir/ops/inference/inference.js';
import { isOperator } from './operator.js';
import { scalarOperand } from './scalar.js';

export type Power = { readonly value: Value; readonly exponent: number };

/** A product written out with its quotients and roots: `coefficient` · each value to its power. */
export type Monomial = {
  readonly coefficient: number;
  /** Each value once; x/x is x to the power 0, which is not 1 for every x. */
  readonly powers: readonly Power[];
  readonly nodes: readonly Node[];
};

/** What a node makes of its one variable operand: a power of it, times a number. */
type Step = { readonly parts: readonly (readonly [value: Value, exponent: number])[]; readonly coefficient: number };

/**
 * Takes apart Mul, Div, Neg, Reciprocal, Sqrt and Pow by a constant, however they are nested; the argument of Sqrt and of
 * a fractional Pow stays whole, since roots of products are not products of roots for every number. A part that something
 * else reads stays whole as well, as does one in `whole`.
 */
export function monomialOf(value: Value, inference: Inference, whole: ReadonlySet<Value> = new Set()): Monomial {
  let coefficient = 1;
  const powers = new Map<Value, number>();
  const nodes: Node[] = [];
  const visit = (part: Value, exponent: number, isRoot: boolean): void => {
    const node = part.producer;
    const opens = node?.attached && !whole.has(part) && (isRoot || part.uses.size === 1) && Number.isInteger(exponent);
    const step = opens ? stepOf(node, inference) : undefined;
    if (step === undefined) {
      powers.set(part, (powers.get(part) ?? 0) + exponent);
      return;
    }
    nodes.push(node!);
    coefficient *= step.coefficient ** exponent;
    for (const [inner, power] of step.parts) visit(inner, power * exponent, false);
  };
  visit(value, 1, true);
  return { coefficient, powers: [...powers].map(([part, exponent]) => ({ value: part, exponent })), nodes };
}

function stepOf(node: Node, inference: Inference): Step | undefined {
  const [left = null, right = null] = node.inputs;
  if (left === null) return undefined;
  const whole = (parts: Step['parts'], coefficient = 1): Step => ({ parts, coefficient });
  const isOne = (...opTypes: string[]) => opTypes.some((opType) => isOperator(node, opType));
  if (isOne('Neg')) return whole([[left, 1]], -1);
  if (isOne('Reciprocal')) return whole([[left, -1]]);
  if (isOne('Sqrt')) return whole([[left, 0.5]]);
  if (right === null || !isOne('Mul', 'Div', 'Pow')) return undefined;
  const scalar = scalarOperand(right, node, inference);
  if (isOne('Pow')) return scalar !== undefined && scalar !== 0 ? whole([[left, scalar]]) : undefined;
  const sign = isOne('Div') ? -1 : 1;
  if (scalar !== undefined) return whole([[left, 1]], scalar ** sign);
  const first = scalarOperand(left, node, inference);
  if (first !== undefined) return whole([[right, sign]], first);
  return whole([
    [left, 1],
    [right, sign],
  ]);
}
