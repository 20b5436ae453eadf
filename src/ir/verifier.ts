import { graphsOf } from './attribute.js';
import { packedByteLength } from './data_type.js';
import type { Diagnostic } from './diagnostic.js';
import {
  ancestorIn,
  calledFunction,
  describeNode,
  functionKey,
  type Graph,
  isVisible,
  type Model,
  type ModelFunction,
  type Node,
  type OutputSlot,
  opsetVersion,
  type Use,
  type Value,
} from './graph.js';
import { elementCount, type SparseTensor, type Tensor } from './tensor.js';
import { formatType } from './value_type.js';

/**
 * Holds every promise of the graph against what is there: uses on both sides, producers, order, scopes, names,
 * initializers, owners, opset imports. Structural: what operators mean is not looked at. Linear in the size of the
 * model, and without recursion. After decoding, an error is the file's fault; after a pass, the pass's.
 */
export function verifyModel(model: Model): Diagnostic[] {
  const found: Diagnostic[] = [];
  const report: Report = (code, message, where, severity = 'error') => {
    found.push({ code: `verify/${code}`, severity, message, where });
  };
  verifyFunctions(model, report);
  const survey = surveyModel(model, report);
  for (const [graph, nodes] of survey.graphs) {
    verifyValues(graph, survey);
    for (const value of graph.initializers) verifyInitializer(value, graph, report);
    for (const node of nodes) verifyNode(node, graph, survey);
    verifyOutputSlots(graph, survey);
    verifyOpsets(graph, nodes, survey);
  }
  verifyUses(survey);
  return found;
}

type Report = (code: string, message: string, where: string, severity?: Diagnostic['severity']) => void;

/** What hangs on the model: whatever is not in here is gone, whoever still mentions it. */
type Survey = {
  readonly model: Model;
  readonly report: Report;
  /** Parents before children, each with the nodes its list gives. */
  readonly graphs: ReadonlyMap<Graph, readonly Node[]>;
  readonly nodes: ReadonlySet<Node>;
  readonly slots: ReadonlySet<OutputSlot>;
  /** Domains of the model's own functions. */
  readonly functionDomains: ReadonlySet<string>;
  /** How many node inputs and graph outputs read a value. */
  readonly reads: Map<Value, number>;
};

const graphLabel = (graph: Graph): string => {
  const name = graph.name || 'graph';
  return graph.owner === null ? name : `${describeNode(graph.owner)} > ${name}`;
};

const valueLabel = ({ graph, name }: Value): string => `${graphLabel(graph)} > value "${name}"`;

/** The graph still knows the value under its name. */
const isListed = (value: Value): boolean => value.graph.values.get(value.name) === value;

// --- what is there ---

function verifyFunctions(model: Model, report: Report): void {
  for (const [key, fn] of model.functions) {
    if (key === functionKey(fn.domain, fn.name, fn.overload)) continue;
    report('function-key', `the function is listed as ${JSON.stringify(key)}`, `function ${fn.domain}:${fn.name}`);
  }
}

type Placed = { readonly graph: Graph; readonly owner: Node | null; readonly ownerFunction: ModelFunction | null };

function surveyModel(model: Model, report: Report): Survey {
  const graphs = new Map<Graph, readonly Node[]>();
  const nodes = new Set<Node>();
  const slots = new Set<OutputSlot>();
  const placed: Placed[] = [{ graph: model.graph, owner: null, ownerFunction: null }];
  for (const fn of model.functions.values()) placed.push({ graph: fn.graph, owner: null, ownerFunction: fn });
  for (const { graph, owner, ownerFunction } of placed) {
    if (graphs.has(graph)) {
      report('shared-graph', 'the graph stands in two places', graphLabel(graph));
      continue;
    }
    if (graph.model !== model) report('foreign-graph', 'the graph belongs to another model', graphLabel(graph));
    if (graph.owner !== owner || graph.ownerFunction !== ownerFunction) {
      const where = owner === null ? graphLabel(graph) : describeNode(owner);
      report('graph-owner', `graph "${graph.name}" says that it belongs elsewhere`, where);
    }
    const listed = listNodes(graph, nodes, report);
    graphs.set(graph, listed);
    for (const slot of graph.outputs) slots.add(slot);
    for (const node of listed) {
      for (const attribute of node.attributes.values()) {
        for (const body of graphsOf(attribute)) placed.push({ graph: body, owner: node, ownerFunction: null });
      }
    }
  }
  const functionDomains = new Set(Array.from(model.functions.values(), ({ domain }) => domain));
  return { model, report, graphs, nodes, slots, functionDomains, reads: new Map() };
}

/** The nodes of a graph; a node that some list gave before ends the walk, so that a circle of links does too. */
function listNodes(graph: Graph, known: Set<Node>, report: Report): readonly Node[] {
  const nodes: Node[] = [];
  for (const node of graph.nodes) {
    if (known.has(node)) {
      report('node-list', 'the node is listed twice', describeNode(node));
      break;
    }
    known.add(node);
    nodes.push(node);
  }
  verifyNodeList(graph, nodes, report);
  return nodes;
}

function verifyNodeList(graph: Graph, nodes: readonly Node[], report: Report): void {
  const list = graph.nodes;
  if (list.size !== nodes.length) {
    report('node-list', `the list gives ${nodes.length} nodes and counts ${list.size}`, graphLabel(graph));
  }
  if (list.first !== (nodes[0] ?? null) || list.last !== (nodes.at(-1) ?? null)) {
    report('node-list', 'the ends of the list are not its first and last node', graphLabel(graph));
  }
  let at = nodes.length;
  for (const node of list.reversed()) {
    at -= 1;
    if (node === nodes[at]) continue;
    report('node-list', 'the list gives other nodes backwards than forwards', describeNode(node));
    break;
  }
  for (const [index, node] of nodes.entries()) {
    const next = nodes[index + 1];
    if (list.after(node) !== (next ?? null)) {
      report('node-list', 'the link to the next node is wrong', describeNode(node));
    }
    if (next !== undefined && node.order >= next.order) {
      report('node-order', `its order label is ${next.order}, the node before has ${node.order}`, describeNode(next));
    }
  }
}

// --- values ---

function verifyValues(graph: Graph, survey: Survey): void {
  const { report } = survey;
  for (const [index, input] of graph.inputs.entries()) {
    if (!input.isInput || input.index !== index || input.graph !== graph || !isListed(input)) {
      report('input', `input ${index} "${input.name}" is not listed as it should be`, graphLabel(graph));
    }
  }
  for (const [name, value] of graph.values) {
    if (name === '' || value.name !== name) {
      report('name', `"${value.name}" is listed as "${name}"`, graphLabel(graph));
    }
    if (value.graph !== graph) report('name', `"${name}" says that it belongs elsewhere`, graphLabel(graph));
    if (value.isInput && graph.inputs[value.index] !== value) {
      report('input', `"${name}" is no input of its graph`, graphLabel(graph));
    }
    if (value.initializer !== null && !graph.initializers.has(value)) {
      report('initializer', `"${name}" is not among the initializers`, graphLabel(graph));
    }
    verifySource(value, survey);
  }
  for (const value of graph.declared) {
    if (value.graph !== graph || !isListed(value)) report('declared', `"${value.name}" is gone`, graphLabel(graph));
  }
}

/** A value comes from a node, or else from a caller, an initializer or both. */
function verifySource(value: Value, { nodes, report }: Survey): void {
  const { producer, isInput, initializer } = value;
  if (producer === null) {
    if (!isInput && initializer === null) report('no-source', 'nothing gives this value', valueLabel(value));
    return;
  }
  if (isInput || initializer !== null) report('producer', 'a result is input or constant as well', valueLabel(value));
  if (!nodes.has(producer)) report('producer', 'the node that gave this value is gone', valueLabel(value));
  else if (producer.outputs[value.index] !== value) {
    report('producer', `output ${value.index} of ${describeNode(producer)} is another value`, valueLabel(value));
  }
}

function verifyInitializer(value: Value, graph: Graph, report: Report): void {
  const { initializer, type } = value;
  if (initializer === null || value.graph !== graph || !isListed(value)) {
    report('initializer', `"${value.name}" is listed without a tensor or a place`, graphLabel(graph));
    return;
  }
  const problem = initializer.kind === 'sparse' ? sparseProblem(initializer) : denseProblem(initializer);
  if (problem !== undefined) report('tensor-size', problem, valueLabel(value));
  if (type === undefined) return;
  const agrees =
    (type.kind === 'tensor' || type.kind === 'sparse') &&
    (type.dtype === undefined || type.dtype === initializer.dtype) &&
    (type.shape === undefined ||
      (type.shape.length === initializer.dims.length &&
        type.shape.every((dim, axis) => typeof dim !== 'number' || dim === initializer.dims[axis])));
  if (agrees) return;
  const given = `${initializer.dtype}[${initializer.dims.join(', ')}]`;
  // The default of an input can be wrong in the file without anything of ours being broken.
  const severity = value.isInput ? 'warning' : 'error';
  report('initializer-type', `the tensor is ${given}, the value ${formatType(type)}`, valueLabel(value), severity);
}

function denseProblem({ dtype, dims, byteLength, strings }: Tensor): string | undefined {
  if (!dims.every((dim) => Number.isSafeInteger(dim) && dim >= 0)) return `[${dims.join(', ')}] is no shape`;
  const count = elementCount(dims);
  if (dtype === 'string') {
    return strings?.length === count ? undefined : `${strings?.length ?? 0} strings for [${dims.join(', ')}]`;
  }
  const expected = packedByteLength(dtype, count);
  return byteLength === expected ? undefined : `${byteLength} bytes, ${dtype}[${dims.join(', ')}] takes ${expected}`;
}

function sparseProblem({ dtype, values, indices }: SparseTensor): string | undefined {
  if (values.dtype !== dtype) return `a sparse ${dtype} tensor of ${values.dtype} values`;
  return denseProblem(values) ?? denseProblem(indices);
}

// --- readers ---

function verifyNode(node: Node, graph: Graph, survey: Survey): void {
  const { report } = survey;
  if (node.graph !== graph || !node.attached) report('foreign-node', 'it is not of this graph', describeNode(node));
  for (const [name, attribute] of node.attributes) {
    if (attribute.name === name) continue;
    report('attribute', `"${attribute.name}" is listed as "${name}"`, describeNode(node));
  }
  for (const [index, output] of node.outputs.entries()) {
    if (output === null) continue;
    if (output.producer !== node || output.index !== index || output.graph !== graph || !isListed(output)) {
      report('output', `output ${index} "${output.name}" is not listed as it should be`, describeNode(node));
    }
  }
  for (const input of node.inputs) if (input !== null) verifyRead(input, node, survey);
}

function verifyOutputSlots(graph: Graph, survey: Survey): void {
  const { report } = survey;
  const names = new Set<string>();
  for (const slot of graph.outputs) {
    if (slot.name === '') report('name', 'an output has no name', graphLabel(graph));
    if (names.has(slot.name)) report('duplicate-output', `two outputs are named "${slot.name}"`, graphLabel(graph));
    names.add(slot.name);
    if (slot.graph !== graph) report('output-slot', `output "${slot.name}" belongs elsewhere`, graphLabel(graph));
    verifyRead(slot.value, slot, survey);
  }
}

const readerLabel = (reader: Use['user']): string =>
  reader.kind === 'node' ? describeNode(reader) : `${graphLabel(reader.graph)} > output "${reader.name}"`;

/** Counts a read; the value must be there, in sight, and computed before. */
function verifyRead(value: Value, reader: Use['user'], { graphs, reads, report }: Survey): void {
  reads.set(value, (reads.get(value) ?? 0) + 1);
  if (!isListed(value) || !graphs.has(value.graph)) {
    report('erased-value', `"${value.name}" is read but no longer in the model`, readerLabel(reader));
    return;
  }
  if (!isVisible(value, reader.graph)) {
    report('scope', `"${value.name}" cannot be read here`, readerLabel(reader));
    return;
  }
  const inner = reader.kind === 'node' ? reader : reader.graph.owner;
  const enclosing = inner === null ? null : ancestorIn(value.graph, inner);
  if (value.producer !== null && enclosing !== null && value.producer.order >= enclosing.order) {
    report('topological-order', `"${value.name}" is read before it is computed`, readerLabel(reader));
  }
}

/** Every use a value lists is a read, and every read is listed, once. */
function verifyUses({ graphs, nodes, slots, reads, report }: Survey): void {
  const incomplete = new Map<Value, ReadonlyMap<Use['user'], ReadonlySet<number>>>();
  for (const graph of graphs.keys()) {
    for (const value of graph.values.values()) {
      const real: Use[] = [];
      for (const use of value.uses) {
        const isReal =
          use.kind === 'node'
            ? use.user.inputs[use.index] === value && nodes.has(use.user)
            : use.user.value === value && slots.has(use.user);
        if (isReal) real.push(use);
        else report('stale-use', `it lists ${readerLabel(use.user)} as a reader, which it is not`, valueLabel(value));
      }
      const expected = reads.get(value) ?? 0;
      if (real.length === 1 && expected === 1) continue;
      const distinct = distinctUses(value, real, report);
      const count = Array.from(distinct.values()).reduce((sum, { size }) => sum + size, 0);
      if (count < expected) incomplete.set(value, distinct);
    }
  }
  if (incomplete.size > 0) verifyListed(graphs, incomplete, report);
}

/** The inputs at which each reader reads the value; 0 for an output. */
function distinctUses(value: Value, uses: readonly Use[], report: Report): Map<Use['user'], Set<number>> {
  const distinct = new Map<Use['user'], Set<number>>();
  for (const use of uses) {
    const index = use.kind === 'node' ? use.index : 0;
    const indices = distinct.get(use.user);
    if (indices === undefined) distinct.set(use.user, new Set([index]));
    else if (indices.has(index)) report('duplicate-use', `it lists ${readerLabel(use.user)} twice`, valueLabel(value));
    else indices.add(index);
  }
  return distinct;
}

/** Names the readers that the values do not list. */
function verifyListed(
  graphs: Survey['graphs'],
  incomplete: ReadonlyMap<Value, ReadonlyMap<Use['user'], ReadonlySet<number>>>,
  report: Report,
): void {
  const verify = (value: Value | null, reader: Use['user'], index: number) => {
    const listed = value === null ? undefined : incomplete.get(value);
    if (listed === undefined || listed.get(reader)?.has(index)) return;
    report('missing-use', `"${value?.name}" does not list this reader`, readerLabel(reader));
  };
  for (const [graph, nodes] of graphs) {
    for (const node of nodes) for (const [index, input] of node.inputs.entries()) verify(input, node, index);
    for (const slot of graph.outputs) verify(slot.value, slot, 0);
  }
}

// --- opsets ---

/** Says once a graph and domain that no opset is imported; the domain of a function of the model needs none. */
function verifyOpsets(graph: Graph, nodes: readonly Node[], { functionDomains, report }: Survey): void {
  const settled = new Set<string>();
  for (const node of nodes) {
    const { domain } = node;
    if (settled.has(domain)) continue;
    if (opsetVersion(graph, domain) !== undefined) {
      settled.add(domain);
      continue;
    }
    const isDefault = domain === '' || domain === 'ai.onnx';
    if (isDefault ? calledFunction(node) !== undefined : functionDomains.has(domain)) continue;
    settled.add(domain);
    const name = isDefault ? 'ai.onnx' : domain;
    report('missing-opset', `no opset of ${name} is imported`, describeNode(node), isDefault ? 'error' : 'warning');
  }
}
