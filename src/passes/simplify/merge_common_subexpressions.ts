// two nodes that compute the same from the same inputs => one
// Needs: a known operator that is not random and runs no graphs; equal attributes, inputs (which of them are left out
// included) and outputs given. The first may stand in a graph around the second. Of two graph outputs each keeps its
// own node. DequantizeLinear stays: 8-bit kernels take up the one in front of each of their inputs.
import { constantTensor } from '../../ir/constant.js';
import { dataTypeKind } from '../../ir/data_type.js';
import { ancestorIn, type Graph, type Node, type Value } from '../../ir/graph.js';
import { hasControlFlow, isOpaque, isRandom, nodeTraits } from '../../ir/ops/traits.js';
import { modelGraphs } from '../../ir/traversal.js';
import { definePass, type PassContext } from '../pass.js';
import { operationSignature, sameInputs, sameOperation, sameOrEqualConstant } from './equal_nodes.js';
import { tensorSignature } from './equal_tensors.js';
import { canFeed, replaceValue } from './replace_value.js';

const name = 'merge-common-subexpressions';

export const mergeCommonSubexpressions = definePass({
  name,
  summary: 'two nodes that compute the same from the same inputs => one',
  scope: 'model',
  run(_graph, context) {
    const seen = new Map<Graph, Map<string, Node[]>>();
    const identities = new Map<Value, number>();
    // Parents come first, so that what stands around a subgraph is settled when its turn comes.
    for (const graph of modelGraphs(context.model)) {
      const own = new Map<string, Node[]>();
      seen.set(graph, own);
      for (const node of graph.nodes) {
        if (!isMergeable(node)) continue;
        const signature = nodeSignature(node, identities, context);
        if (signature === undefined) continue;
        const first = findEqual(node, signature, seen, context);
        if (first !== undefined && merge(node, first, context)) continue;
        const others = own.get(signature);
        if (others === undefined) own.set(signature, [node]);
        else others.push(node);
      }
    }
  },
});

const keptForTheRuntime: ReadonlySet<string> = new Set(['DequantizeLinear']);

function isMergeable(node: Node): boolean {
  if (keptForTheRuntime.has(node.opType) || node.outputs.some((output) => output?.pinned)) return false;
  return !isOpaque(node) && !hasControlFlow(node) && !isRandom(node);
}

function nodeSignature(node: Node, identities: Map<Value, number>, context: PassContext): string | undefined {
  const operation = operationSignature(node);
  if (operation === undefined) return undefined;
  const inputs = node.inputs.map((input) => (input === null ? '_' : valueSignature(input, identities)));
  if (commutes(node, context)) inputs.sort();
  return `${operation}(${inputs.join()})`;
}

function valueSignature(value: Value, identities: Map<Value, number>): string {
  const tensor = constantTensor(value);
  const signature = tensor === undefined ? undefined : tensorSignature(tensor);
  if (signature !== undefined) return signature;
  const known = identities.get(value) ?? identities.size;
  identities.set(value, known);
  return `#${known}`;
}

/** Not with attributes: those of old opsets say how the second input is broadcast to the first. */
function commutes(node: Node, { inference }: PassContext): boolean {
  const commutative = nodeTraits(node)?.commutative;
  if (commutative === undefined || node.inputs.length !== 2 || node.attributes.size > 0) return false;
  if (commutative === 'always') return true;
  const type = node.inputs[0] == null ? undefined : inference.typeOf(node.inputs[0]);
  const kind = type?.kind === 'tensor' && type.dtype !== undefined ? dataTypeKind(type.dtype) : undefined;
  return kind === 'signed' || kind === 'unsigned';
}

/** An equal node that is computed before `node`, in its graph or in one around it. */
function findEqual(
  node: Node,
  signature: string,
  seen: ReadonlyMap<Graph, ReadonlyMap<string, readonly Node[]>>,
  context: PassContext,
): Node | undefined {
  for (let graph: Graph | undefined = node.graph; graph !== undefined; graph = graph.owner?.graph) {
    const place = ancestorIn(graph, node)!;
    for (const other of seen.get(graph)?.get(signature) ?? []) {
      if (other.order < place.order && areEqual(node, other, context)) return other;
    }
  }
  return undefined;
}

function areEqual(node: Node, other: Node, context: PassContext): boolean {
  if (!sameOperation(node, other)) return false;
  if (sameInputs(node.inputs, other.inputs, sameOrEqualConstant)) return true;
  return commutes(node, context) && sameInputs([...node.inputs].reverse(), other.inputs, sameOrEqualConstant);
}

function merge(node: Node, first: Node, context: PassContext): boolean {
  for (const [index, output] of node.outputs.entries()) {
    const slots = [...(output?.uses ?? [])].flatMap((use) => (use.kind === 'output' ? [use.user] : []));
    if (slots.length === 0) continue;
    const [slot] = slots;
    if (slots.length === 1 && canFeed(first.outputs[index]!, slot!)) continue;
    context.decline({ rule: name, node, reason: 'each feeds a graph output of its own' });
    return false;
  }
  context.fired(name, node);
  for (const [index, output] of node.outputs.entries()) {
    if (output !== null) replaceValue(output, first.outputs[index]!, context, name);
  }
  context.editor.eraseNode(node);
  return true;
}
