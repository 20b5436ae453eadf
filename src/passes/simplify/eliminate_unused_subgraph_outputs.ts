// a result of If, Loop or Scan that nobody reads => gone, from the branches or the body as well
// Needs: at least one result stays, and a value that a loop carries feeds nothing but itself.
import { getGraph, getInt, getInts, intsAttribute, subgraphs } from '../../ir/attribute.js';
import type { Editor } from '../../ir/editor.js';
import { calledFunction, type Graph, type Node, opsetVersion, type Value } from '../../ir/graph.js';
import { containsOpaque } from '../../ir/ops/opaque.js';
import { captures } from '../../ir/topological_order.js';
import { definePass, type PassContext } from '../pass.js';
import { branchesOf, isIf } from './if_branches.js';

const name = 'eliminate-unused-subgraph-outputs';

export const eliminateUnusedSubgraphOutputs = definePass({
  name,
  summary: 'a result of If, Loop or Scan that nobody reads => gone, from the branches or the body as well',
  scope: 'graphs',
  run(graph, context) {
    for (const node of graph.nodes) {
      if (node.outputs.every((output) => output === null || isUnread(output))) continue;
      if (isIf(node)) trimIf(node, context);
      const form = loopForm(node);
      if (form !== undefined) trimLoop(node, form, context);
    }
  },
});

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

/** How what a loop carries from one iteration to the next stands among the inputs and outputs of node and body. */
type Form = {
  readonly body: Graph;
  readonly carriedCount: number;
  /** The first carried value among the inputs of the node, and those of the body. */
  readonly firstInput: number;
  /** Outputs of the body before what is carried: those of the node begin with that. */
  readonly outputsBefore: number;
};

function loopForm(node: Node): Form | undefined {
  const body = getGraph(node, 'body');
  if (body === undefined || (node.domain !== '' && node.domain !== 'ai.onnx')) return undefined;
  if (calledFunction(node) !== undefined) return undefined;
  // The iteration number and the condition come first, and the condition comes out first.
  if (node.opType === 'Loop') return fitting(node, body, node.inputs.length - 2, 2, 1);
  if (node.opType !== 'Scan' || (opsetVersion(node.graph, '') ?? 1) < firstScanWithoutLengths) return undefined;
  return fitting(node, body, node.inputs.length - getInt(node, 'num_scan_inputs', 0), 0, 0);
}

/** Scan of opset 8 has an input of lengths in front. */
const firstScanWithoutLengths = 9;

function fitting(
  node: Node,
  body: Graph,
  carriedCount: number,
  firstInput: number,
  outputsBefore: number,
): Form | undefined {
  const fits =
    carriedCount >= 0 &&
    body.inputs.length === node.inputs.length &&
    body.outputs.length === node.outputs.length + outputsBefore &&
    node.outputs.length >= carriedCount;
  return fits ? { body, carriedCount, firstInput, outputsBefore } : undefined;
}

function trimLoop(node: Node, form: Form, context: PassContext): void {
  const { carriedCount } = form;
  for (let index = node.outputs.length - 1; index >= carriedCount; index -= 1) {
    const output = node.outputs[index];
    if (output != null && isUnread(output)) dropCollected(node, output, form, context);
  }
  const needed = neededCarried(node, form);
  const idle = node.outputs.slice(0, carriedCount).flatMap((output, index) => {
    return output !== null && isUnread(output) && !needed.has(index) ? [index] : [];
  });
  dropCarried(node, form, idle.reverse(), context);
}

/** A Scan says of each result that it collects where it goes. */
const attributesByCollected = ['scan_output_axes', 'scan_output_directions'] as const;

function dropCollected(node: Node, output: Value, form: Form, { editor }: PassContext): void {
  for (const attribute of attributesByCollected) {
    const values = getInts(node, attribute, undefined);
    const left = values?.toSpliced(output.index - form.carriedCount, 1);
    if (left === undefined) continue;
    if (left.length === 0) editor.removeAttribute(node, attribute);
    else editor.setAttribute(node, intsAttribute(attribute, left));
  }
  editor.removeOutput(form.body.outputs[output.index + form.outputsBefore]!);
  editor.dropOutput(output);
}

/** Which carried values something depends on that is read, or that we do not know: read from the results backwards. */
function neededCarried(node: Node, { body, carriedCount, firstInput, outputsBefore }: Form): ReadonlySet<number> {
  const needed = new Set<number>();
  const visited = new Set<Node>();
  const pending: Value[] = [];
  for (const [index, { value }] of body.outputs.entries()) {
    const output = index < outputsBefore ? null : node.outputs[index - outputsBefore];
    const isCarried = index >= outputsBefore && index - outputsBefore < carriedCount;
    if (!isCarried || (output != null && !isUnread(output))) pending.push(value);
  }
  const readBy = (inner: Node): Value[] => [
    ...inner.inputs.filter((input) => input !== null),
    ...(subgraphs(inner).length > 0 ? captures(inner) : []),
  ];
  for (const inner of body.nodes) if (containsOpaque(inner)) pending.push(...readBy(inner));
  for (let value = pending.pop(); value !== undefined; value = pending.pop()) {
    const carried = value.graph === body && value.isInput ? value.index - firstInput : -1;
    if (carried >= 0 && carried < carriedCount && !needed.has(carried)) {
      needed.add(carried);
      pending.push(body.outputs[carried + outputsBefore]!.value);
    }
    const producer = value.graph === body ? value.producer : null;
    if (producer === null || visited.has(producer)) continue;
    visited.add(producer);
    pending.push(...readBy(producer));
  }
  return needed;
}

/** `indices`: last first. What they feed in the body goes with them, each other included. */
function dropCarried(node: Node, form: Form, indices: readonly number[], { editor }: PassContext): void {
  const { body, firstInput, outputsBefore } = form;
  if ([...body.values.values()].some(({ pinned }) => pinned)) return;
  for (const index of indices) editor.removeOutput(body.outputs[index + outputsBefore]!);
  if (indices.length > 0) eraseDead(body, editor);
  for (const index of indices) {
    editor.removeInput(body.inputs[index + firstInput]!);
    for (let at = index + firstInput; at + 1 < node.inputs.length; at += 1) {
      editor.setInput(node, at, node.inputs[at + 1]!);
    }
    editor.truncateInputs(node, node.inputs.length - 1);
    editor.dropOutput(node.outputs[index]!);
  }
}

function eraseDead(body: Graph, editor: Editor): void {
  for (const node of body.nodes.reversed()) {
    const isDead = node.outputs.every((output) => output === null || isUnread(output));
    if (isDead && !containsOpaque(node)) editor.eraseNode(node);
  }
}
