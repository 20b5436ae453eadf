import { getInt } from '../../../ir/attribute.js';
import { targetOfElements } from '../reshape_target.js';
import type { PlanOperand } from './operand_plan.js';

/**
 * 0 for the size of the input along the same axis, −1 for what is left. Under allowzero=1, which the plan does away
 * with, a size of 0 stands for itself: that is what copying gives where the sizes are equal, but no other element may be
 * left as it is.
 */
export const planReshape: PlanOperand = (node, elements, { inference }) => {
  const input = node.inputs[0];
  if (input == null) return undefined;
  const plan = targetOfElements(inference.shapeOf(input), elements);
  if (getInt(node, 'allowzero', 0) === 0) return plan;
  return elements.includes(0) || plan.includes(undefined) ? undefined : plan;
};
