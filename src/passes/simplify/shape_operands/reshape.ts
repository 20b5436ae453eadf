import { getInt } from '../../../ir/attribute.js';
import { targetOfElements } from '../reshape_target.js';
import type { PlanOperand } from './operand_plan.js';

/** 0 for the size of the input along the same axis, −1 for what is left. */
export const planReshape: PlanOperand = (node, elements, { inference }) => {
  const input = node.inputs[0];
  if (input == null || getInt(node, 'allowzero', 0) !== 0) return undefined;
  return targetOfElements(inference.shapeOf(input), elements);
};
