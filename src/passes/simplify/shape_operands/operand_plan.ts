import type { Node } from '../../../ir/graph.js';
import type { Content } from '../../../ir/ops/inference/content.js';
import type { PassContext } from '../../pass.js';

/** What each element of an operand may be replaced by without changing the result; undefined where it stays. */
export type OperandPlan = readonly (number | bigint | undefined)[];

/** Plans the operand at `index` of a node; `elements` is what is known of it. */
export type PlanOperand = (
  node: Node,
  elements: Content['elements'],
  context: PassContext,
  index: number,
) => OperandPlan | undefined;
