// If(known condition) => the nodes of the branch it takes; If(Not(c)) => If(c) with its branches exchanged
// Needs: a condition that is constant, that shape inference knows, that an If around it has settled, or without which
// a node behind it would fail; or branches that are alike, and neither random nor unknown to us, so that either may
// run. No kept part of the file names a value inside.
import { type Attribute, getGraph } from '../../ir/attribute.js';
import { constantTensor } from '../../ir/constant.js';
import { calledFunction, type Graph, type Node, type Value } from '../../ir/graph.js';
import { containsOpaque } from '../../ir/ops/opaque.js';
import { isOpaque, isRandom } from '../../ir/ops/traits.js';
import { tensorIntegers } from '../../ir/tensor.js';
import { definePass, type PassContext } from '../pass.js';
import { equalGraphs, sameOrEqualConstant } from './equal_nodes.js';
import { GraphWriter } from './graph_writer.js';
import { branchesOf, isIf } from './if_branches.js';
import { holdsPinned, inlineGraph } from './inline_graph.js';
import { NodeNames } from './node_names.js';
import { conditionThatSucceeds } from './refuted_branch.js';
import { replaceValue } from './replace_value.js';

const name = 'inline-constant-if';

export const inlineConstantIf = definePass({
  name,
  summary: 'If(known condition) => the nodes of the branch it takes',
  scope: 'graphs',
  run(graph, context) {
    const names = new NodeNames();
    const pending = [...graph.nodes].filter(isIf).reverse();
    for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
      const branch = takenBranch(node, context);
      if (branch !== undefined) pending.push(...inline(node, branch, names, context).filter(isIf).reverse());
      else {
        replaceAgreedOutputs(node, context);
        exchangeBranches(node, context);
      }
    }
  },
});

function takenBranch(node: Node, context: PassContext): Graph | undefined {
  const condition = node.inputs[0];
  if (condition == null) return undefined;
  const known = knownCondition(condition, node.graph, context) ?? conditionThatSucceeds(node, context);
  const branches = branchesOf(node, known ?? true);
  if (branches === undefined) return undefined;
  if (known !== undefined) return branches.taken;
  if (!equalGraphs(branches.taken, branches.other)) return undefined;
  const isPlain = !containsOpaque(node) && !isRandom(node);
  if (isPlain) return branches.taken;
  context.decline({ rule: name, node, reason: 'the branches are alike, but random or unknown' });
  return undefined;
}

/** Chains of Not are followed this far. */
const maxNegations = 8;

/** What a condition read in `graph` certainly is. */
function knownCondition(condition: Value, graph: Graph, { inference }: PassContext): boolean | undefined {
  const { value, isNegated } = withoutNot(condition);
  const constant = constantTensor(value);
  const elements = (constant && tensorIntegers(constant)) ?? inference.contentOf(value)?.elements;
  const element = elements?.length === 1 ? elements[0] : undefined;
  if (typeof element === 'number' || typeof element === 'bigint') return (Number(element) !== 0) !== isNegated;
  for (let inner = graph; inner.owner !== null; inner = inner.owner.graph) {
    const owner = inner.owner;
    const settled = isIf(owner) && owner.inputs[0] != null ? withoutNot(owner.inputs[0]) : undefined;
    if (settled?.value !== value) continue;
    const isTrue = (getGraph(owner, 'then_branch') === inner) !== settled.isNegated;
    return isTrue !== isNegated;
  }
  return undefined;
}

function withoutNot(condition: Value): { value: Value; isNegated: boolean } {
  let value = condition;
  let isNegated = false;
  for (let step = 0; step < maxNegations; step += 1) {
    const inner = negated(value);
    if (inner === undefined) break;
    value = inner;
    isNegated = !isNegated;
  }
  return { value, isNegated };
}

function negated({ producer }: Value): Value | undefined {
  const isNot = producer?.opType === 'Not' && (producer.domain === '' || producer.domain === 'ai.onnx');
  return isNot && calledFunction(producer) === undefined ? (producer.inputs[0] ?? undefined) : undefined;
}

/** Puts the nodes of `branch` in the place of the If. Returns them. */
function inline(node: Node, branch: Graph, names: NodeNames, context: PassContext): readonly Node[] {
  const { editor } = context;
  if (holdsPinned(branch) || node.outputs.some((output) => output?.pinned)) {
    context.decline({ rule: name, node, reason: 'a kept part of the file names a value inside' });
    return [];
  }
  context.fired(name, node);
  const inlined = inlineGraph(editor, branch, new Map(), { before: node, names, rule: name });
  for (const [index, output] of node.outputs.entries()) {
    if (output !== null) replaceValue(output, inlined.valueOf(branch.outputs[index]!), context, name);
  }
  editor.eraseNode(node);
  inlined.takeNames();
  return inlined.nodes;
}

/** A result that both branches take from the same outer value, or from equal constants, is that value. */
function replaceAgreedOutputs(node: Node, context: PassContext): void {
  const branches = branchesOf(node, true);
  if (branches === undefined) return;
  for (const [index, output] of node.outputs.entries()) {
    if (output === null || output.pinned || output.uses.size === 0) continue;
    const one = behindIdentities(branches.taken.outputs[index]!.value);
    const other = behindIdentities(branches.other.outputs[index]!.value);
    if (one === other) replaceValue(output, one, context, name);
    else if (sameOrEqualConstant(one, other)) replaceByConstant(output, one, context);
  }
}

/** A branch gives back what it did not compute through an Identity. */
function behindIdentities(value: Value): Value {
  let source = value;
  for (;;) {
    const { producer } = source;
    if (producer?.opType !== 'Identity' || isOpaque(producer) || producer.inputs[0] == null) return source;
    source = producer.inputs[0];
  }
}

function replaceByConstant(output: Value, value: Value, context: PassContext): void {
  const tensor = constantTensor(value);
  if (tensor === undefined || output.producer === null) return;
  const writer = new GraphWriter(context.editor, output.producer, name);
  replaceValue(output, writer.constant(tensor, value.name), context, name);
}

function exchangeBranches(node: Node, { editor }: PassContext): void {
  const condition = node.inputs[0];
  const inner = condition == null ? undefined : negated(condition);
  const branches = branchesOf(node, true);
  if (inner === undefined || branches === undefined) return;
  const attribute = (slot: string, value: Graph): Attribute => ({ name: slot, kind: 'graph', value });
  // A graph that no attribute holds is gone: one of the two is kept aside meanwhile.
  editor.setAttribute(node, attribute('aside', branches.taken));
  editor.setAttribute(node, attribute('then_branch', branches.other));
  editor.setAttribute(node, attribute('else_branch', branches.taken));
  editor.removeAttribute(node, 'aside');
  editor.setInput(node, 0, inner);
}
