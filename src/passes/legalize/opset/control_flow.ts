import { getInts, subgraphs } from '../../../ir/attribute.js';
import type { Graph } from '../../../ir/graph.js';
import { shapesEqual } from '../../../ir/value_type.js';
import type { Adapter, StepTable } from './step.js';
import type { StepContext } from './step_context.js';

const sameShapesOfBranches: Adapter = (node, context) => {
  const [left, right] = subgraphs(node).map((branch) => shapesOf(branch, context));
  return left?.every((shape, index) => shapesEqual(shape, right?.[index]))
    ? undefined
    : 'its branches are not known to give the same shapes';
};

const shapesOf = (branch: Graph, context: StepContext) => branch.outputs.map(({ value }) => context.shape(value));

const axesFromFront: Adapter = (node) =>
  [...getInts(node, 'scan_input_axes', []), ...getInts(node, 'scan_output_axes', [])].some((axis) => axis < 0)
    ? 'an axis counts from the back'
    : undefined;

const batched = { refuse: 'opset 8 scans every sequence of a batch, opset 9 has no batches' };

export const controlFlowSteps: StepTable = {
  If: { 11: { up: 'same', down: sameShapesOfBranches } },
  Scan: { 9: { up: batched, down: batched }, 11: { up: 'same', down: axesFromFront } },
};
