// Concat(x, empty, y) => Concat(x, y)
// Needs: size 0 along the axis that is joined, in a tensor of the rank of the result; one input stays.
import { getInt } from '../../ir/attribute.js';
import type { Node } from '../../ir/graph.js';
import { normalAxis } from '../../ir/ops/inference/axes.js';
import { definePass, type PassContext } from '../pass.js';
import { defaultOpset, plainOperator } from './plain_operator.js';

export const dropEmptyConcatInputs = definePass({
  name: 'drop-empty-concat-inputs',
  summary: 'Concat(x, empty, y) => Concat(x, y)',
  scope: 'graphs',
  run(graph, context) {
    for (const node of graph.nodes) if (plainOperator(node) === 'Concat') dropEmpty(node, context);
  },
});

function dropEmpty(node: Node, { editor, inference }: PassContext): void {
  const rank = inference.shapeOf(node.outputs[0]!)?.length;
  const given = getInt(node, 'axis', defaultOpset(node) < 4 ? 1 : undefined);
  const axis = rank === undefined || given === undefined ? undefined : normalAxis(given, rank);
  if (axis === undefined) return;
  const kept = node.inputs.filter((input) => {
    const shape = input === null ? undefined : inference.shapeOf(input);
    return !(shape?.length === rank && shape?.[axis] === 0);
  });
  const inputs = kept.length === 0 ? node.inputs.slice(0, 1) : kept;
  if (inputs.length === node.inputs.length) return;
  for (const [index, input] of inputs.entries()) editor.setInput(node, index, input);
  editor.truncateInputs(node, inputs.length);
}
