import { constantTensor } from '../../ir/constant.js';
import type { Diagnostic } from '../../ir/diagnostic.js';
import { describeNode, type Node, type Value } from '../../ir/graph.js';
import type { HalfType } from '../../ir/half_float.js';
import type { Tensor } from '../../ir/tensor.js';
import type { ConstantFit } from './constant_fit.js';
import type { HalfSlots } from './half_slots.js';
import type { NodePrecision } from './precision_plan.js';

/** Share of a constant's numbers that may become 0 without a word. */
const silentlyFlushed = 0.01;

/** Warnings for constants of which many numbers become 0 and that are read in half all the same. */
export function flushedConstants(
  nodes: ReadonlyMap<Node, NodePrecision>,
  slots: ReadonlyMap<Node, HalfSlots>,
  half: HalfType,
  fitOf: (tensor: Tensor) => ConstantFit,
): Diagnostic[] {
  const warned = new Map<Value, Diagnostic>();
  for (const [node, { type }] of nodes) {
    if (type === 'float') continue;
    for (const [index, value] of node.inputs.entries()) {
      const tensor = slots.get(node)?.inputs[index] ? constantTensor(value) : undefined;
      if (value === null || tensor?.dtype !== 'float' || warned.has(value)) continue;
      const { flushed } = fitOf(tensor);
      if (flushed <= silentlyFlushed) continue;
      warned.set(value, {
        code: 'cast/weights-underflow',
        severity: 'warning',
        message: `${(100 * flushed).toFixed(1)} % of the numbers other than 0 become 0 in ${half}`,
        where: `"${value.name}" of ${describeNode(node)}`,
      });
    }
  }
  return [...warned.values()];
}
