// a result of If or Loop that nobody reads => gone, from the branches or the body as well
// Needs: at least one result stays, and a value that a Loop carries feeds nothing but itself.
import { getGraph, subgraphs } from '../../ir/attribute.js';
import { calledFunction, type Graph, type Node, type Value } from '../../ir/graph.js';
import { containsOpaque } from '../../ir/ops/opaque.js';
import { captures } from '../../ir/topological_order.js';
import { definePass, type PassContext } from '../pass.js';
import { branchesOf, isIf } from './if_branches.js';

const name = 'eliminate-unused-subgraph-outputs';

export const eliminateUnusedSubgraphOutputs = definePass({
  name,
  summary: 'a result of If or Loop that nobody reads => gone, from the branches or the body as well',
  scope: 'graphs',
  run(graph, context) {
    for (const node of graph.nodes) {
      if (node.outputs.every((output) => output === null || isUnread(output))) continue;
      if (isIf(node)) trimIf(node, context);
      else if (isLoop(node)) trimLoop(node, context);
    }
  },
});

/** Whether a node is the Loop of the standard. */
export const isLoop = (node: Node): boolean =>
  node.opType === 'Loop' && (node.domain === '' || node.domain === 'ai.onnx') && calledFunction(node) === undefined;

const isUnread = (value: Value): boolean => value.uses.size === 0 && !value.pinned;

function trimIf(node: Node, { editor }: PassContext): void {
  const branches = branchesOf(node, true);
  if (branches === undefined) return;
  for (let index = node.outputs.length - 1; index >= 0; index -= 1) {
    const output = node.outputs[index];
    if (output == null || !isUnread(output)) continue;
    for (const branch of [branches.taken, branches.other]) editor.removeOutput(branch.outputs[index]!);
    editor.dropOutput(output);
  }
}

/** A body takes the iteration number and the condition before what is carried, and gives the condition first. */
const inputsBeforeCarried = 2;
const outputsBeforeCarried = 1;

function trimLoop(node: Node, context: PassContext): void {
  const { editor } = context;
  const body = getGraph(node, 'body');
  const carriedCount = node.inputs.length - inputsBeforeCarried;
  if (body === undefined || carriedCount < 0 || body.inputs.length !== carriedCount + inputsBeforeCarried) return;
  if (body.outputs.length !== node.outputs.length + outputsBeforeCarried || node.outputs.length < carriedCount) return;
  for (let index = node.outputs.length - 1; index >= carriedCount; index -= 1) {
    const output = node.outputs[index];
    if (output == null || !isUnread(output)) continue;
    editor.removeOutput(body.outputs[index + outputsBeforeCarried]!);
    editor.dropOutput(output);
  }
  const needed = neededCarried(node, body, carriedCount);
  for (let index = carriedCount - 1; index >= 0; index -= 1) {
    const output = node.outputs[index];
    if (output == null || !isUnread(output) || needed.has(index)) continue;
    dropCarried(node, body, index, context);
  }
}

/** Which carried values something depends on that is read, or that we do not know: read from the results backwards. */
function neededCarried(node: Node, body: Graph, carriedCount: number): ReadonlySet<number> {
  const needed = new Set<number>();
  const visited = new Set<Node>();
  const pending: Value[] = [];
  for (const [index, { value }] of body.outputs.entries()) {
    const output = index < outputsBeforeCarried ? null : node.outputs[index - outputsBeforeCarried];
    const isCarried = index >= outputsBeforeCarried && index - outputsBeforeCarried < carriedCount;
    if (!isCarried || (output != null && !isUnread(output))) pending.push(value);
  }
  const readBy = (inner: Node): Value[] => [
    ...inner.inputs.filter((input) => input !== null),
    ...(subgraphs(inner).length > 0 ? captures(inner) : []),
  ];
  for (const inner of body.nodes) if (containsOpaque(inner)) pending.push(...readBy(inner));
  for (let value = pending.pop(); value !== undefined; value = pending.pop()) {
    const carried = value.graph === body && value.isInput ? value.index - inputsBeforeCarried : -1;
    if (carried >= 0 && !needed.has(carried)) {
      needed.add(carried);
      pending.push(body.outputs[carried + outputsBeforeCarried]!.value);
    }
    const producer = value.graph === body ? value.producer : null;
    if (producer === null || visited.has(producer)) continue;
    visited.add(producer);
    pending.push(...readBy(producer));
  }
  return needed;
}

function dropCarried(node: Node, body: Graph, index: number, { editor }: PassContext): void {
  const input = body.inputs[index + inputsBeforeCarried]!;
  const slot = body.outputs[index + outputsBeforeCarried]!;
  if (input.pinned || [...body.nodes].some((inner) => inner.outputs.some((output) => output?.pinned))) return;
  editor.removeOutput(slot);
  for (const inner of body.nodes.reversed()) {
    const isDead = inner.outputs.every((output) => output === null || isUnread(output));
    if (isDead && !containsOpaque(inner)) editor.eraseNode(inner);
  }
  editor.removeInput(input);
  for (let at = index + inputsBeforeCarried; at + 1 < node.inputs.length; at += 1) {
    editor.setInput(node, at, node.inputs[at + 1]!);
  }
  editor.truncateInputs(node, node.inputs.length - 1);
  editor.dropOutput(node.outputs[index]!);
}
