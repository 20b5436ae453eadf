import type { Node, Value } from '../../ir/graph.js';
import type { Inference } from '../../ir/ops/inference/inference.js';
import { scalarOperand } from './scalar.js';

/** A product written out: `coefficient` · factors, and the nodes that multiply them. */
export type Product = {
  readonly coefficient: number;
  /** One entry for each time it is multiplied; in no order that means anything. */
  readonly factors: readonly Value[];
  readonly nodes: readonly Node[];
};

/** Powers up to this are written as factors. */
const maxExponent = 4;

/**
 * Takes a product apart, however exporters nested and ordered it: Mul of two operands, by constants of one element, Div
 * by such constants, Neg, and Pow with a small whole exponent. A factor that something else reads too stays whole, as
 * does one in `whole`.
 */
export function productOf(value: Value, inference: Inference, whole: ReadonlySet<Value> = new Set()): Product {
  let coefficient = 1;
  const factors: Value[] = [];
  const nodes: Node[] = [];
  const visit = (part: Value, isRoot: boolean): void => {
    const node = part.producer;
    const opens = node?.attached && !whole.has(part) && (isRoot || part.uses.size === 1) && isDefault(node);
    if (!node || !opens || !open(node)) factors.push(part);
  };
  const open = (node: Node): boolean => {
    const [left = null, right = null] = node.inputs;
    if (left === null) return false;
    const scalar = scalarOperand(right, node, inference);
    switch (node.opType) {
      case 'Mul': {
        if (right === null) return false;
        const other = scalar === undefined ? scalarOperand(left, node, inference) : undefined;
        nodes.push(node);
        coefficient *= scalar ?? other ?? 1;
        if (other === undefined) visit(left, false);
        if (scalar === undefined) visit(right, false);
        return true;
      }
      case 'Div':
        if (scalar === undefined) return false;
        nodes.push(node);
        coefficient /= scalar;
        visit(left, false);
        return true;
      case 'Neg':
        nodes.push(node);
        coefficient = -coefficient;
        visit(left, false);
        return true;
      case 'Pow':
        if (scalar === undefined || !Number.isInteger(scalar) || scalar < 2 || scalar > maxExponent) return false;
        nodes.push(node);
        for (let times = 0; times < scalar; times += 1) factors.push(left);
        return true;
      default:
        return false;
    }
  };
  visit(value, true);
  return { coefficient, factors, nodes };
}

/** The factors without one of each of `some`, or undefined where one is missing. */
export function withoutFactors(factors: readonly Value[], some: readonly Value[]): Value[] | undefined {
  const rest = [...factors];
  for (const each of some) {
    const at = rest.indexOf(each);
    if (at < 0) return undefined;
    rest.splice(at, 1);
  }
  return rest;
}

const isDefault = ({ domain }: Node): boolean => domain === '' || domain === 'ai.onnx';
