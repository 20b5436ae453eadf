// a node of a Loop's or Scan's body that reads outer values only => before the loop
// Needs: an operator that cannot fail, since the loop might not run at all: one whose traits call it total, its shapes
// known to broadcast where it takes two; Unsqueeze by constant axes within a known rank; Cast between numbers.
import { getInt } from '../../ir/attribute.js';
import { constantNodeTensor, constantTensor } from '../../ir/constant.js';
import { dataTypeKind, dataTypeOfCode } from '../../ir/data_type.js';
import { type Graph, isVisible, type Node, opsetVersion, type Value } from '../../ir/graph.js';
import { hasControlFlow, isOpaque, isRandom, nodeTraits } from '../../ir/ops/traits.js';
import { tensorIntegers } from '../../ir/tensor.js';
import { type Shape, shapesEqual } from '../../ir/value_type.js';
import { definePass, type PassContext } from '../pass.js';
import { GraphWriter } from './graph_writer.js';
import { NodeNames } from './node_names.js';

const name = 'hoist-loop-invariants';

export const hoistLoopInvariants = definePass({
  name,
  summary: "a node of a Loop's or Scan's body that reads outer values only => before the loop",
  scope: 'graphs',
  run(body, context) {
    const { owner } = body;
    const isLoop = owner?.opType === 'Loop' || owner?.opType === 'Scan';
    if (owner === null || !isLoop || (owner.domain !== '' && owner.domain !== 'ai.onnx')) return;
    const names = new NodeNames();
    for (const node of body.nodes) {
      if (!canMove(node, body) || !cannotFail(node, context)) continue;
      hoist(node, owner, names, context);
    }
  },
});

/** Constants stay where they are: a runtime computes them once. */
function canMove(node: Node, body: Graph): boolean {
  if (constantNodeTensor(node) !== undefined || isOpaque(node) || isRandom(node) || hasControlFlow(node)) return false;
  const reads = node.inputs.filter((input) => input !== null);
  if (!reads.every((input) => input.graph !== body || constantTensor(input) !== undefined)) return false;
  // A subgraph's output must be produced inside it.
  const isGivenBack = (value: Value | null) =>
    value !== null && (value.pinned || [...value.uses].some((use) => use.kind === 'output' && use.user.graph === body));
  return reads.some((input) => input.graph !== body) && !node.outputs.some(isGivenBack);
}

function cannotFail(node: Node, { inference }: PassContext): boolean {
  const [first, second] = node.inputs;
  if (first == null) return false;
  const traits = nodeTraits(node);
  const shape = inference.shapeOf(first);
  if (traits?.total === true) {
    if (traits.elementwise !== 'binary') return true;
    return second != null && node.attributes.size === 0 && surelyBroadcast(shape, inference.shapeOf(second));
  }
  if (node.domain !== '' && node.domain !== 'ai.onnx') return false;
  if (node.opType === 'Cast') return isNumber(first, node, inference);
  if (node.opType !== 'Unsqueeze' || shape === undefined) return false;
  const constant = second == null ? undefined : constantTensor(second);
  const axes = constant === undefined ? undefined : tensorIntegers(constant)?.map(Number);
  if (axes === undefined) return false;
  const rank = shape.length + axes.length;
  const counted = axes.map((axis) => (axis < 0 ? axis + rank : axis));
  return counted.every((axis) => axis >= 0 && axis < rank) && new Set(counted).size === axes.length;
}

function surelyBroadcast(a: Shape | undefined, b: Shape | undefined): boolean {
  if (a === undefined || b === undefined) return false;
  const count = Math.min(a.length, b.length);
  return Array.from({ length: count }, (_, index) => index + 1).every((back) => {
    const x = a[a.length - back];
    const y = b[b.length - back];
    return x === 1 || y === 1 || shapesEqual([x], [y]);
  });
}

function isNumber(value: Value, node: Node, inference: PassContext['inference']): boolean {
  const type = inference.typeOf(value);
  const from = type?.kind === 'tensor' ? type.dtype : undefined;
  const to = dataTypeOfCode(getInt(node, 'to', 0));
  if (from === undefined || to === undefined || (opsetVersion(node.graph, '') ?? 1) < 6) return false;
  return [from, to].every((dtype) => dataTypeKind(dtype) !== 'string' && dataTypeKind(dtype) !== 'complex');
}

function hoist(node: Node, owner: Node, names: NodeNames, { editor, fired }: PassContext): void {
  fired(name, node);
  const writer = new GraphWriter(editor, owner, name);
  const outer = (input: Value | null): Value | null => {
    if (input === null || isVisible(input, owner.graph)) return input;
    return writer.constant(constantTensor(input)!, input.name);
  };
  const moved = editor.insertNode(
    {
      graph: owner.graph,
      opType: node.opType,
      domain: node.domain,
      overload: node.overload,
      name: names.claim(owner.graph, node.name),
      inputs: node.inputs.map(outer),
      outputs: node.outputs.map((output) => (output === null ? null : { name: output.name, type: output.type })),
      attributes: [...node.attributes.values()],
      provenance: [...node.provenance, name],
    },
    owner,
  );
  const valueNames = node.outputs.map((output) => output?.name);
  for (const [index, output] of node.outputs.entries()) {
    if (output !== null) editor.replaceAllUses(output, moved.outputs[index]!);
  }
  editor.eraseNode(node);
  for (const [index, output] of moved.outputs.entries()) {
    if (output !== null && valueNames[index] !== undefined) editor.renameValue(output, valueNames[index]!);
  }
}
