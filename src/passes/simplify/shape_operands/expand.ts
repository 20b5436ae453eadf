import { dimEquals } from '../../../ir/dim.js';
import type { PlanOperand } from './operand_plan.js';

/** 1 for the size that the input has along the same axis, counted from the last: 1 broadcasts to it. */
export const planExpand: PlanOperand = (node, elements, { inference }) => {
  const input = node.inputs[0];
  const shape = input == null ? undefined : inference.shapeOf(input);
  return elements.map((element, index) => {
    if (typeof element === 'number') return element;
    return dimEquals(element, shape?.at(index - elements.length)) ? 1 : undefined;
  });
};
