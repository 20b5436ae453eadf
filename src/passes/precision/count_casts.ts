import { constantTensor } from '../../ir/constant.js';
import type { Model, Node } from '../../ir/graph.js';
import type { Inference } from '../../ir/ops/inference/inference.js';
import { type CastSite, castSites, castsAt, isHalfIn } from './cast_sites.js';
import { type HalfSlots, halfSlots } from './half_slots.js';
import type { PrecisionPlan } from './precision_plan.js';

/** The values of a model where a plan may need casts. */
export function sitesOf(plan: PrecisionPlan, model: Model, inference: Inference): CastSite[] {
  const known = new Map<Node, HalfSlots | undefined>();
  const slotsOf = (node: Node): HalfSlots | undefined => {
    const slots = known.get(node) ?? halfSlots(node, plan.half, inference);
    known.set(node, slots);
    return slots;
  };
  return castSites(model, inference, slotsOf, () => true);
}

/** How many casts a plan puts into a model: one a value and direction, however many read it. */
export function countCasts(plan: PrecisionPlan, model: Model, inference: Inference): number {
  const isHalf = isHalfIn(plan);
  return sitesOf(plan, model, inference).reduce((sum, site) => sum + castsAt(site, isHalf), 0);
}

/**
 * How many casts a converter puts in that knows what to keep and nothing of its surroundings: one before each float32
 * input, constants apart, and one behind each float32 output of each node kept, and one at each input and output of the
 * model that keeps its type.
 */
export function naiveCastCount(
  { kept, inputs, outputs }: PrecisionPlan & { readonly kept: ReadonlySet<Node> },
  { graph }: Model,
  inference: Inference,
): number {
  let count = 0;
  for (const node of kept) {
    for (const value of node.inputs) {
      if (value !== null && constantTensor(value) === undefined && inference.dtypeOf(value) === 'float') count += 1;
    }
    for (const value of node.outputs) if (value !== null && inference.dtypeOf(value) === 'float') count += 1;
  }
  for (const input of graph.inputs) if (inference.dtypeOf(input) === 'float' && !inputs.has(input)) count += 1;
  for (const output of graph.outputs) {
    if (inference.dtypeOf(output.value) === 'float' && !outputs.has(output)) count += 1;
  }
  return count;
}
