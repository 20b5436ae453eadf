// an operator on constants => its result
// Needs: a known, deterministic operator without subgraphs, a result that does not grow the model past the budget.

import { subgraphs, tensorAttribute } from '../../ir/attribute.js';
import { constantTensor } from '../../ir/constant.js';
import { packedByteLength } from '../../ir/data_type.js';
import { DiagnosticError } from '../../ir/diagnostic.js';
import { Editor } from '../../ir/editor.js';
import { calledFunction, type Graph, type Model, type Node, type Value } from '../../ir/graph.js';
import type { Content } from '../../ir/ops/inference/content.js';
import { isOpaque, isRandom } from '../../ir/ops/traits.js';
import { elementCount, type Tensor, tensorFromData } from '../../ir/tensor.js';
import { modelGraphs } from '../../ir/traversal.js';
import { staticShape } from '../../ir/value_type.js';
import { definePass, type PassContext } from '../pass.js';

const name = 'fold-constants';

export const foldConstants = definePass({
  name,
  summary: 'an operator on constants => its result',
  scope: 'model',
  async run(_graph, context) {
    for (const graph of modelGraphs(context.model)) {
      if (graph.owner === null && graph.ownerFunction !== null) continue;
      foldContents(graph, context);
    }
    await foldThroughRuntime(context);
  },
});

/** Shape arithmetic whose every element is a known number needs no runtime. */
function foldContents(graph: Graph, context: PassContext): void {
  for (const node of graph.nodes) {
    if (node.opType === 'Constant' || !isFoldable(node)) continue;
    for (const output of node.outputs) {
      if (output === null || output.uses.size === 0) continue;
      const tensor = contentTensor(context.inference.contentOf(output));
      if (tensor !== undefined) replaceByConstant(output, tensor, context);
    }
    eraseIfUnread(node, context);
  }
}

function contentTensor(content: Content | undefined): Tensor | undefined {
  if (content === undefined) return undefined;
  const { dtype, dims, elements } = content;
  if (!elements.every((element) => typeof element === 'number' || typeof element === 'bigint')) return undefined;
  if (dtype === 'int64') return tensorFromData(dtype, dims, BigInt64Array.from(elements, BigInt));
  if (dtype === 'int32') return tensorFromData(dtype, dims, Int32Array.from(elements, Number));
  return dtype === 'bool' ? tensorFromData(dtype, dims, Uint8Array.from(elements, Number)) : undefined;
}

/** Operators that may be computed ahead: the same result each time, nothing but its outputs, and known to us. */
function isFoldable(node: Node): boolean {
  if (isOpaque(node) || isRandom(node) || calledFunction(node) !== undefined) return false;
  return subgraphs(node).length === 0 && !keptForTheRuntime.has(node.opType);
}

/** Folding these would undo what makes the model small: integer weights behind their scale. */
const keptForTheRuntime: ReadonlySet<string> = new Set(['DequantizeLinear']);

/** Everything constant is computed in one run of the runtime; where that fails, halves are tried on their own. */
async function foldThroughRuntime(context: PassContext): Promise<void> {
  if (context.evaluate === undefined) return;
  const constantNodes = findConstantNodes(context.model);
  const roots = selectRoots(constantNodes, context);
  if (roots.length === 0) return;
  await foldRoots(roots, constantNodes, context);
}

function findConstantNodes(model: Model): Set<Node> {
  const found = new Set<Node>();
  for (const graph of modelGraphs(model)) {
    if (graph.ownerFunction !== null) continue;
    for (const node of graph.nodes) {
      if (node.opType === 'Constant' || !isFoldable(node) || node.inputs.length === 0) continue;
      const isConstant = (input: Value | null) =>
        input === null || constantTensor(input) !== undefined || (input.producer !== null && found.has(input.producer));
      if (node.inputs.every(isConstant)) found.add(node);
    }
  }
  return found;
}

/**
 * Values read by something that is not constant itself, whose size is known and fits the budget: the bytes it adds
 * less those of the constants that go away with it.
 */
function selectRoots(constantNodes: ReadonlySet<Node>, context: PassContext): Value[] {
  const candidates: { value: Value; growth: number }[] = [];
  for (const node of constantNodes) {
    for (const value of node.outputs) {
      if (value === null || value.pinned || ![...value.uses].some((use) => !isInside(use.user, constantNodes)))
        continue;
      const bytes = resultBytes(value, context);
      if (bytes === undefined) {
        context.decline({ rule: name, node, reason: 'the size of the result is not known' });
      } else candidates.push({ value, growth: bytes - freedBytes(node) });
    }
  }
  let budget = context.maxGrowthBytes;
  const chosen = new Set<Value>();
  for (const { value, growth } of candidates.sort((a, b) => a.growth - b.growth)) {
    if (growth > 0 && growth > budget) {
      context.decline({ rule: name, node: value.producer!, reason: `folding would add ${growth} bytes` });
      continue;
    }
    budget -= Math.max(0, growth);
    chosen.add(value);
  }
  return candidates.flatMap(({ value }) => (chosen.has(value) ? [value] : []));
}

const isInside = (user: { readonly kind: string }, nodes: ReadonlySet<Node>): boolean =>
  user.kind === 'node' && nodes.has(user as Node);

function resultBytes(value: Value, { inference }: PassContext): number | undefined {
  const type = inference.typeOf(value);
  if (type?.kind !== 'tensor' || type.dtype === undefined) return undefined;
  const dims = staticShape(type.shape);
  if (dims === undefined) return undefined;
  return type.dtype === 'string' ? elementCount(dims) * 8 : packedByteLength(type.dtype, elementCount(dims));
}

/** Bytes of the constants that only this node reads, directly. */
function freedBytes(node: Node): number {
  let bytes = 0;
  for (const input of node.inputs) {
    if (input !== null && input.uses.size === 1) bytes += constantTensor(input)?.byteLength ?? 0;
  }
  return bytes;
}

async function foldRoots(
  roots: readonly Value[],
  constantNodes: ReadonlySet<Node>,
  context: PassContext,
): Promise<void> {
  let results: ReadonlyMap<string, Tensor>;
  const { model, outputs } = extract(roots, constantNodes, context.model);
  try {
    results = await context.evaluate!(model);
  } catch (error) {
    if (!(error instanceof DiagnosticError)) throw error;
    if (roots.length === 1) {
      context.decline({ rule: name, node: roots[0]!.producer!, reason: 'the runtime cannot compute it' });
      return;
    }
    const middle = Math.ceil(roots.length / 2);
    await foldRoots(roots.slice(0, middle), constantNodes, context);
    await foldRoots(roots.slice(middle), constantNodes, context);
    return;
  }
  for (const [index, root] of roots.entries()) {
    const tensor = results.get(outputs[index]!);
    if (tensor !== undefined) replaceByConstant(root, tensor, context);
  }
  for (const node of neededNodes(roots, constantNodes).reverse()) eraseIfUnread(node, context);
}

/** A model of its own that computes `roots` from constants. */
function extract(
  roots: readonly Value[],
  constantNodes: ReadonlySet<Node>,
  source: Model,
): { model: Model; outputs: string[] } {
  const editor = new Editor();
  editor.setModelProperties({ irVersion: Math.max(source.irVersion, 4) });
  for (const [domain, version] of source.opsetImports) editor.setOpsetImport(domain, version);
  const { graph } = editor.model;
  editor.setGraphName(graph, name);
  const copies = new Map<Value, Value>();
  const copyOf = (value: Value): Value => {
    const known = copies.get(value);
    if (known !== undefined) return known;
    const tensor = constantTensor(value)!;
    const copy = editor.addInitializer(graph, tensor, value.name);
    copies.set(value, copy);
    return copy;
  };
  for (const node of neededNodes(roots, constantNodes)) {
    const copy = editor.insertNode({
      graph,
      domain: node.domain,
      opType: node.opType,
      inputs: node.inputs.map((input) => (input === null ? null : copyOf(input))),
      outputs: node.outputs.map((output) => (output === null ? null : { name: output.name })),
      attributes: [...node.attributes.values()],
    });
    for (const [index, output] of node.outputs.entries()) {
      if (output !== null) copies.set(output, copy.outputs[index]!);
    }
  }
  const outputs = roots.map((root) => editor.addOutput(graph, copies.get(root)!, undefined, undefined).name);
  return { model: editor.model, outputs };
}

/** The constant nodes that `roots` depend on, producers first. */
function neededNodes(roots: readonly Value[], constantNodes: ReadonlySet<Node>): Node[] {
  const needed = new Set<Node>();
  const pending = roots.map((root) => root.producer!);
  for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
    if (needed.has(node)) continue;
    needed.add(node);
    for (const input of node.inputs) {
      if (input?.producer != null && constantNodes.has(input.producer)) pending.push(input.producer);
    }
  }
  // Set order of `constantNodes` is graph by graph, outer graphs first, each in topological order.
  return [...constantNodes].filter((node) => needed.has(node));
}

function replaceByConstant(output: Value, tensor: Tensor, context: PassContext): void {
  const { editor, inference } = context;
  const { graph, producer } = output;
  if (output.pinned || producer === null) return;
  const readers = [...output.uses].flatMap((use) => (use.kind === 'node' ? [use.user] : []));
  const isSubgraphOutput = [...output.uses].some((use) => use.kind === 'output' && use.user.graph.owner !== null);
  // A subgraph's output must be produced inside it, which an initializer is not for every runtime.
  const constant = isSubgraphOutput
    ? editor.insertNode(
        {
          graph,
          opType: 'Constant',
          inputs: [],
          outputs: [{ name: `${output.name}_folded` }],
          attributes: [tensorAttribute('value', tensor)],
          provenance: [name],
        },
        producer,
      ).outputs[0]!
    : editor.addInitializer(graph, tensor, `${output.name}_folded`);
  editor.replaceAllUses(output, constant);
  // A shape that came out of the runtime tells their readers more than was known before.
  if (inference.contentOf(output) === undefined) for (const reader of readers) inference.invalidate(reader);
}

function eraseIfUnread(node: Node, { editor }: PassContext): void {
  const unread = node.outputs.every((output) => output === null || (output.uses.size === 0 && !output.pinned));
  if (unread && node.attached) editor.eraseNode(node);
}
