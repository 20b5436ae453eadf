import { graphsOf } from './attribute.js';
import { packedByteLength } from './data_type.js';
import type { Diagnostic } from './diagnostic.js';
import {
  ancestorIn,
  describeNode,
  functionKey,
  type Graph,
  isVisible,
  type Model,
  type Node,
  opsetVersion,
  type Use,
  type Value,
} from './graph.js';
import { elementCount } from './tensor.js';
import { modelGraphs } from './traversal.js';

/**
 * Holds every promise of the graph against what is there: uses on both sides, producers, order, scopes, names,
 * initializers, subgraph owners. Structural, linear in the size of the model; operators and types are not looked at.
 */
export function verifyModel(model: Model): Diagnostic[] {
  const found: Diagnostic[] = [];
  const report = (code: string, message: string, where: string, severity: Diagnostic['severity'] = 'error') =>
    found.push({ code: `verify/${code}`, severity, message, where });
  const uses = new Map<Value, Set<Use>>();
  const known = new Set<Value>();
  const listed = listedUses(model);
  for (const graph of modelGraphs(model)) verifyGraph(graph, model, uses, known, listed, report);
  for (const [value, read] of uses) {
    if (!known.has(value))
      report('erased-value', `"${value.name}" is read but no longer in its graph`, value.graph.name);
    for (const use of value.uses)
      if (!read.has(use)) report('stale-use', `"${value.name}" lists a reader that is gone`, value.graph.name);
  }
  for (const value of known) {
    if (value.uses.size > 0 && !uses.has(value)) {
      report('stale-use', `"${value.name}" lists readers that are gone`, value.graph.name);
    }
  }
  for (const [key, fn] of model.functions) {
    if (key !== functionKey(fn.domain, fn.name, fn.overload)) report('function-key', `listed as ${key}`, fn.name);
    if (fn.graph.ownerFunction !== fn) report('function-owner', 'its body belongs elsewhere', fn.name);
  }
  return found;
}

type ListedUse = { readonly value: Value; readonly use: Use };

/** What the values say of their readers, by reader: each is looked up once, however many share a value. */
function listedUses(model: Model): ReadonlyMap<Use['user'], readonly ListedUse[]> {
  const listed = new Map<Use['user'], ListedUse[]>();
  for (const graph of modelGraphs(model)) {
    for (const value of graph.values.values()) {
      for (const use of value.uses) {
        const list = listed.get(use.user);
        if (list === undefined) listed.set(use.user, [{ value, use }]);
        else list.push({ value, use });
      }
    }
  }
  return listed;
}

type Report = (code: string, message: string, where: string, severity?: Diagnostic['severity']) => void;

function verifyGraph(
  graph: Graph,
  model: Model,
  uses: Map<Value, Set<Use>>,
  known: Set<Value>,
  listed: ReadonlyMap<Use['user'], readonly ListedUse[]>,
  report: Report,
): void {
  const where = graph.name || 'graph';
  if (graph.model !== model) report('foreign-graph', 'the graph belongs to another model', where);
  for (const [index, input] of graph.inputs.entries()) {
    if (!input.isInput || input.index !== index || graph.values.get(input.name) !== input) {
      report('input', `input ${index} "${input.name}" is not listed as it should be`, where);
    }
  }
  for (const [name, value] of graph.values) {
    known.add(value);
    if (name === '' || value.name !== name || value.graph !== graph)
      report('name', `"${value.name}" is listed as "${name}"`, where);
    if (value.initializer !== null && !graph.initializers.has(value))
      report('initializer', `"${name}" is not listed`, where);
    if (value.producer === null && !value.isInput && value.initializer === null)
      report('no-source', `nothing gives "${name}"`, where);
  }
  for (const value of graph.initializers) verifyInitializer(value, graph, where, report);
  verifyNodes(graph, uses, known, listed, report);
  const outputNames = new Set<string>();
  for (const slot of graph.outputs) {
    if (outputNames.has(slot.name)) report('duplicate-output', `two outputs are named "${slot.name}"`, where);
    outputNames.add(slot.name);
    const use = listed.get(slot)?.find(({ value }) => value === slot.value)?.use;
    if (use === undefined)
      report('missing-use', `"${slot.value.name}" does not know that it feeds "${slot.name}"`, where);
    else note(uses, slot.value, use);
    if (!isVisible(slot.value, graph)) report('scope', `"${slot.value.name}" cannot be read here`, where);
  }
  for (const value of graph.declared)
    if (graph.values.get(value.name) !== value) report('declared', `"${value.name}" is gone`, where);
}

function note(uses: Map<Value, Set<Use>>, value: Value, use: Use): void {
  const read = uses.get(value);
  if (read === undefined) uses.set(value, new Set([use]));
  else read.add(use);
}

function verifyInitializer(value: Value, graph: Graph, where: string, report: Report): void {
  const { initializer } = value;
  if (initializer === null || graph.values.get(value.name) !== value) {
    report('initializer', `"${value.name}" is listed without a tensor`, where);
    return;
  }
  if (initializer.kind === 'dense' && initializer.dtype !== 'string') {
    const expected = packedByteLength(initializer.dtype, elementCount(initializer.dims));
    if (initializer.byteLength !== expected)
      report('tensor-size', `"${value.name}" has ${initializer.byteLength} bytes`, where);
  }
  const type = value.type?.kind === 'tensor' ? value.type : undefined;
  if (!value.isInput && type?.dtype !== undefined && type.dtype !== initializer.dtype) {
    report('initializer-type', `"${value.name}" is ${initializer.dtype}, declared ${type.dtype}`, where);
  }
}

function verifyNodes(
  graph: Graph,
  uses: Map<Value, Set<Use>>,
  known: Set<Value>,
  listed: ReadonlyMap<Use['user'], readonly ListedUse[]>,
  report: Report,
): void {
  const where = graph.name || 'graph';
  let previous: Node | null = null;
  let count = 0;
  const seen = new Set<Node>();
  for (const node of graph.nodes) {
    count += 1;
    seen.add(node);
    if (node.graph !== graph || !node.attached)
      report('foreign-node', 'the node is not in this graph', describeNode(node));
    if (previous !== null && previous.order >= node.order)
      report('order', 'its order label is wrong', describeNode(node));
    previous = node;
    verifyOpset(node, graph, report);
    for (const [index, output] of node.outputs.entries()) {
      if (output === null) continue;
      known.add(output);
      if (output.producer !== node || output.index !== index || graph.values.get(output.name) !== output) {
        report('output', `output ${index} "${output.name}" is not listed as it should be`, describeNode(node));
      }
    }
    verifyInputs(node, listed.get(node) ?? [], uses, report);
    for (const attribute of node.attributes.values()) {
      for (const body of graphsOf(attribute)) {
        if (body.owner !== node) report('owner', `subgraph "${attribute.name}" belongs elsewhere`, describeNode(node));
      }
    }
  }
  if (count !== graph.nodes.size) report('size', `${count} nodes, counted ${graph.nodes.size}`, where);
  for (const value of graph.values.values()) {
    if (value.producer !== null && !seen.has(value.producer))
      report('producer', `the producer of "${value.name}" is gone`, where);
  }
}

function verifyInputs(node: Node, listed: readonly ListedUse[], uses: Map<Value, Set<Use>>, report: Report): void {
  for (const [index, input] of node.inputs.entries()) {
    if (input === null) continue;
    const matching = listed.filter(({ value, use }) => value === input && use.kind === 'node' && use.index === index);
    if (matching.length !== 1) {
      report('missing-use', `"${input.name}" counts ${matching.length} uses at input ${index}`, describeNode(node));
    }
    for (const { use } of matching) note(uses, input, use);
    if (!isVisible(input, node.graph)) report('scope', `"${input.name}" cannot be read here`, describeNode(node));
    const reader = ancestorIn(input.graph, node);
    if (input.producer !== null && reader !== null && input.producer.order >= reader.order) {
      report('topological-order', `"${input.name}" is read before it is computed`, describeNode(node));
    }
  }
}

function verifyOpset(node: Node, graph: Graph, report: Report): void {
  if (opsetVersion(graph, node.domain) !== undefined) return;
  if (graph.model.functions.has(functionKey(node.domain, node.opType, node.overload))) return;
  const isDefault = node.domain === '' || node.domain === 'ai.onnx';
  report(
    'missing-opset',
    `no opset of "${node.domain}" is imported`,
    describeNode(node),
    isDefault ? 'error' : 'warning',
  );
}
