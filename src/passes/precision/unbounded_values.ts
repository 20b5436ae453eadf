import type { Node, Value } from '../../ir/graph.js';
import { elementSource } from '../../ir/ops/traits.js';
import type { Ranges } from '../quantize/ranges.js';
import { isOperator } from '../rewrite/operator.js';
import type { Wish } from './node_wishes.js';
import { precisionRule } from './precision_rules.js';

/** Values that may be out of range of half because of how they are made. */
export type UnboundedValues = {
  /** The first such value that a node reads. */
  readBy(node: Node): Value | undefined;
  /** Takes note of what a node makes, in the order of the model. */
  note(node: Node, wish: Wish): void;
};

/** Results of these are as large as what they read. */
const passing = ['Abs', 'Add', 'Neg', 'ReduceMean', 'Sub', 'Sum', 'Mean', 'AveragePool', 'GlobalAveragePool'];

/**
 * Sums over many elements, powers and the like are computed in float since they leave the range of half, and are brought
 * back by what reads them: a root, a factor, a quotient, or weights that such a factor was merged into. That has to read
 * float as well. What calibration saw is known.
 */
export function unboundedValues(ranges: Ranges | undefined): UnboundedValues {
  const found = new Set<Value>();
  const readBy = (node: Node): Value | undefined =>
    node.inputs.find((value): value is Value => value !== null && found.has(value));
  return {
    readBy,
    note(node, { wants }) {
      if (wants !== 'float' || !(grows(node) || (passesOn(node) && readBy(node) !== undefined))) return;
      for (const output of node.outputs) {
        if (output !== null && ranges?.has(output.name) !== true) found.add(output);
      }
    },
  };
}

function grows(node: Node): boolean {
  if (isOperator(node, 'Mul')) return node.inputs[0] === node.inputs[1];
  const rule = precisionRule(node);
  if (rule?.wants === 'float') return rule.leavesRange === true;
  return rule?.wants === 'sum' && ['ReduceSum', 'ReduceL1'].some((opType) => isOperator(node, opType));
}

const passesOn = (node: Node): boolean =>
  elementSource(node) !== undefined || passing.some((opType) => isOperator(node, opType));
