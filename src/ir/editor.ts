import { type Attribute, graphsOf, subgraphs } from './attribute.js';
import { InvariantError } from './diagnostic.js';
import {
  ancestorIn,
  describeNode,
  functionKey,
  type Graph,
  isVisible,
  type Model,
  type ModelFunction,
  type Node,
  type OutputSlot,
  type Use,
  useGraph,
  type Value,
} from './graph.js';
import {
  FunctionData,
  functionData,
  GraphData,
  graphData,
  ModelData,
  modelData,
  NodeData,
  nodeData,
  OutputData,
  outputData,
  ValueData,
  valueData,
} from './graph_storage.js';
import type { SparseTensor, Tensor } from './tensor.js';
import { captures, nodesToMoveBehind } from './topological_order.js';
import { tensorType, type ValueType } from './value_type.js';

/** What a node is made from. An output is a name (made unique), a value's type, both, or null for one left out. */
export type NodeSpec = {
  readonly graph: Graph;
  readonly opType: string;
  readonly domain?: string;
  readonly overload?: string;
  readonly name?: string;
  readonly inputs: readonly (Value | null)[];
  readonly outputs: number | readonly (OutputSpec | null)[];
  readonly attributes?: readonly Attribute[];
  readonly provenance?: readonly string[];
};

export type OutputSpec = { readonly name?: string; readonly type?: ValueType | undefined };

/** Text, metadata and wire form of a part; what is left out stays as it is. */
export type Description = {
  readonly docString?: string | undefined;
  readonly metadata?: ReadonlyMap<string, string>;
  readonly wire?: unknown;
};

export type ModelProperties = Description & {
  readonly irVersion?: number;
  readonly producerName?: string;
  readonly producerVersion?: string;
  readonly domain?: string;
  readonly modelVersion?: bigint;
};

/**
 * The one way to change a model. Keeps use lists, names and topological order true, and counts every change in
 * `revision`. Misuse (a foreign part, an erased node, a value out of scope) throws InvariantError before anything
 * changed.
 */
export class Editor {
  readonly model: Model;
  /** Grows by one with every change; a pass changed the model exactly when this did. */
  revision = 0;

  /** Names are kept as given, unique only within their graph: for decoding and cloning, where branches may share one. */
  private readonly keepNames: boolean;

  constructor(model: Model = new ModelData(), options: { readonly keepNames?: boolean } = {}) {
    modelData(model);
    this.model = model;
    this.keepNames = options.keepNames ?? false;
  }

  // --- model ---

  setModelProperties(properties: ModelProperties): void {
    Object.assign(modelData(this.model), properties);
    this.revision += 1;
  }

  setOpsetImport(domain: string, version: number, fn: ModelFunction | null = null): void {
    const imports = fn === null ? modelData(this.model).opsetImports : functionData(fn).opsetImports;
    if (imports.get(domain) === version) return;
    imports.set(domain, version);
    this.revision += 1;
  }

  removeOpsetImport(domain: string, fn: ModelFunction | null = null): void {
    const imports = fn === null ? modelData(this.model).opsetImports : functionData(fn).opsetImports;
    if (imports.delete(domain)) this.revision += 1;
  }

  addFunction(
    spec: Pick<ModelFunction, 'name' | 'domain' | 'overload' | 'attributeNames' | 'attributeDefaults'>,
  ): ModelFunction {
    const model = modelData(this.model);
    const fn = new FunctionData(model);
    Object.assign(fn, {
      name: spec.name,
      domain: spec.domain,
      overload: spec.overload,
      attributeNames: spec.attributeNames,
      attributeDefaults: spec.attributeDefaults,
    });
    const key = functionKey(spec.domain, spec.name, spec.overload);
    if (model.functions.has(key)) throw new InvariantError(`function ${spec.domain}:${spec.name} exists already`);
    model.functions.set(key, fn);
    this.revision += 1;
    return fn;
  }

  /** Takes a function out of the model; nodes that call it must be gone. */
  removeFunction(fn: ModelFunction): void {
    const { functions } = modelData(this.model);
    if (functions.get(functionKey(fn.domain, fn.name, fn.overload)) !== fn) {
      throw new InvariantError(`function ${fn.domain}:${fn.name} is not in the model`);
    }
    functions.delete(functionKey(fn.domain, fn.name, fn.overload));
    this.releaseGraph(functionData(fn).graph);
    this.revision += 1;
  }

  describe(part: Model | ModelFunction | Graph | Node | Value | OutputSlot, description: Description): void {
    Object.assign(part, description);
    this.revision += 1;
  }

  // --- graphs ---

  /**
   * An empty graph below a node, which may still be a draft. It becomes part of the model when `setAttribute` gives the
   * node an attribute that holds it.
   */
  createSubgraph(owner: Node, name: string): Graph {
    const data = nodeData(owner);
    const graph = new GraphData(data.graph.model, data, null);
    graph.name = name;
    return graph;
  }

  setGraphName(graph: Graph, name: string): void {
    graphData(graph).name = name;
    this.revision += 1;
  }

  addInput(graph: Graph, name: string, type: ValueType | undefined): Value {
    const data = graphData(graph);
    const value = this.newValue(data, name, type);
    value.isInput = true;
    value.index = data.inputs.length;
    data.inputs.push(value);
    this.revision += 1;
    return value;
  }

  /** Takes an unread input away; where it has a default, that goes too. */
  removeInput(value: Value): void {
    const data = valueData(value);
    if (!data.isInput) throw new InvariantError(`"${value.name}" is not an input`);
    this.requireUnused(data);
    data.graph.inputs.splice(data.index, 1);
    for (const [index, input] of data.graph.inputs.entries()) input.index = index;
    data.isInput = false;
    this.forgetValue(data);
    this.revision += 1;
  }

  /** Makes a graph input with a default a plain initializer that no caller can override. */
  inputToInitializer(value: Value): void {
    const data = valueData(value);
    if (!data.isInput || data.initializer === null) throw new InvariantError(`"${value.name}" has no default`);
    data.graph.inputs.splice(data.index, 1);
    for (const [index, input] of data.graph.inputs.entries()) input.index = index;
    data.isInput = false;
    data.index = 0;
    this.revision += 1;
  }

  addInitializer(graph: Graph, tensor: Tensor | SparseTensor, name: string, type?: ValueType): Value {
    const value = this.newValue(graphData(graph), name, type ?? tensorType(tensor.dtype, tensor.dims));
    value.initializer = tensor;
    value.graph.initializers.add(value);
    this.revision += 1;
    return value;
  }

  /** Gives a value of an input a default, or changes an initializer's tensor; null takes an input's default away. */
  setInitializer(value: Value, tensor: Tensor | SparseTensor | null): void {
    const data = valueData(value);
    if (data.producer !== null || (tensor === null && !data.isInput)) {
      throw new InvariantError(`"${value.name}" cannot take this initializer`);
    }
    data.initializer = tensor;
    if (tensor === null) data.graph.initializers.delete(data);
    else data.graph.initializers.add(data);
    if (tensor !== null && !data.isInput) data.type = tensorType(tensor.dtype, tensor.dims);
    this.revision += 1;
  }

  eraseInitializer(value: Value): void {
    const data = valueData(value);
    if (data.initializer === null || data.isInput) throw new InvariantError(`"${value.name}" is no plain initializer`);
    this.requireUnused(data);
    this.forgetValue(data);
    this.revision += 1;
  }

  addOutput(
    graph: Graph,
    value: Value,
    name: string = value.name,
    type: ValueType | undefined = value.type,
  ): OutputSlot {
    const data = graphData(graph);
    this.requireVisible(value, data);
    const slot = new OutputData(data, valueData(value));
    slot.name = name;
    slot.type = type;
    data.outputs.push(slot);
    this.claimName(data.model, name);
    valueData(value).uses.add(slot.use);
    this.revision += 1;
    return slot;
  }

  removeOutput(slot: OutputSlot): void {
    const data = outputData(slot);
    const at = data.graph.outputs.indexOf(data);
    if (at < 0) throw new InvariantError(`output "${slot.name}" is not in its graph`);
    data.graph.outputs.splice(at, 1);
    data.value.uses.delete(data.use);
    this.releaseName(data.graph.model, data.name);
    this.revision += 1;
  }

  /** Feeds an output from another value; its name and type stay. */
  setOutputValue(slot: OutputSlot, value: Value): void {
    const data = outputData(slot);
    this.requireVisible(value, data.graph);
    if (data.value === value) return;
    if (data.graph.owner !== null) this.nodesBehind(valueData(value), data.graph.owner);
    data.value.uses.delete(data.use);
    data.value = valueData(value);
    data.value.uses.add(data.use);
    this.revision += 1;
    this.orderBefore(data.value, data.use);
  }

  setOutputType(slot: OutputSlot, type: ValueType | undefined): void {
    outputData(slot).type = type;
    this.revision += 1;
  }

  // --- nodes ---

  /**
   * A node that stands in no graph yet: it reads values without counting as a use, so dropping it needs no undoing
   * (`discard` where it was given subgraphs). `attach` puts it in place.
   */
  draft(spec: NodeSpec): Node {
    const node = new NodeData(graphData(spec.graph));
    node.opType = spec.opType;
    node.domain = spec.domain ?? '';
    node.overload = spec.overload ?? '';
    node.name = spec.name ?? '';
    node.provenance = spec.provenance ?? [];
    node.inputs = spec.inputs.map((input) => (input === null ? null : valueData(input)));
    node.inputUses = node.inputs.map(() => null);
    for (const attribute of spec.attributes ?? []) this.adopt(node, attribute);
    const outputs = typeof spec.outputs === 'number' ? Array.from({ length: spec.outputs }, () => ({})) : spec.outputs;
    node.outputs = outputs.map((output: OutputSpec | null, index) => {
      if (output === null) return null;
      const value = new ValueData(node.graph);
      value.producer = node;
      value.index = index;
      value.name = output.name ?? '';
      value.type = output.type;
      return value;
    });
    return node;
  }

  /** A constant for drafts to read; it becomes an initializer of its graph when a node that reads it is attached. */
  draftConstant(graph: Graph, tensor: Tensor, name = ''): Value {
    const value = new ValueData(graphData(graph));
    value.initializer = tensor;
    value.name = name;
    value.type = tensorType(tensor.dtype, tensor.dims);
    return value;
  }

  /** Puts a draft into its graph before `before` (null: at the end), names its outputs, counts its uses. */
  attach(node: Node, before: Node | null = null): void {
    const data = nodeData(node);
    const { graph } = data;
    if (data.attached) throw new InvariantError(`node is attached already: ${describeNode(node)}`);
    if (before !== null && (before.graph !== graph || !before.attached)) {
      throw new InvariantError('the anchor is not in the graph of the node');
    }
    for (const input of data.inputs) {
      if (input === null) continue;
      if (input.initializer !== null && !input.isInput && !input.graph.initializers.has(input)) {
        this.registerValue(input, input.name || 'constant');
        input.graph.initializers.add(input);
      }
      this.requireVisible(input, graph);
      if (graph.owner !== null) this.nodesBehind(input, graph.owner);
    }
    data.attached = true;
    graph.nodes.insertBefore(data, before === null ? null : nodeData(before));
    for (const [index, output] of data.outputs.entries()) {
      if (output !== null) this.registerValue(output, output.name || `${node.name || node.opType}_${index}`);
    }
    this.revision += 1;
    for (const [index, input] of data.inputs.entries()) if (input !== null) this.link(data, index, input);
    for (const captured of captures(data)) {
      for (const use of captured.uses) this.orderBefore(valueData(captured), use);
    }
  }

  /** Lets go of what the subgraphs of a draft that is not wanted captured. */
  discard(draft: Node): void {
    const data = nodeData(draft);
    if (data.attached) throw new InvariantError(`node is attached: ${describeNode(draft)}`);
    for (const graph of subgraphs(data)) this.releaseGraph(graphData(graph));
  }

  insertNode(spec: NodeSpec, before: Node | null = null): Node {
    const node = this.draft(spec);
    this.attach(node, before);
    return node;
  }

  /** Takes a node whose outputs nobody reads out of its graph, with what its subgraphs captured. */
  eraseNode(node: Node): void {
    const data = nodeData(node);
    if (!data.attached) throw new InvariantError(`node is not attached: ${describeNode(node)}`);
    for (const output of data.outputs) if (output !== null) this.requireUnused(output);
    this.detach(data);
    this.revision += 1;
  }

  setInput(node: Node, index: number, value: Value | null): void {
    const data = nodeData(node);
    if (index < 0 || index > 1 << 20) throw new InvariantError(`no input ${index}`);
    if (value !== null) this.requireVisible(value, data.graph);
    while (data.inputs.length <= index) {
      data.inputs.push(null);
      data.inputUses.push(null);
    }
    if (data.inputs[index] === value) return;
    if (value !== null && data.attached) this.nodesBehind(valueData(value), data);
    this.unlink(data, index);
    data.inputs[index] = value === null ? null : valueData(value);
    this.revision += 1;
    if (value !== null && data.attached) this.link(data, index, valueData(value));
  }

  /** Drops inputs from `length` on. */
  truncateInputs(node: Node, length: number): void {
    const data = nodeData(node);
    if (data.inputs.length <= length) return;
    for (let index = length; index < data.inputs.length; index += 1) this.unlink(data, index);
    data.inputs.length = length;
    data.inputUses.length = length;
    this.revision += 1;
  }

  /** Leaves an unread output out; the positions of the others stay. */
  omitOutput(value: Value): void {
    const data = valueData(value);
    const node = data.producer;
    if (node === null) throw new InvariantError(`"${value.name}" has no producer`);
    this.requireUnused(data);
    node.outputs[data.index] = null;
    while (node.outputs.at(-1) === null) node.outputs.pop();
    this.forgetValue(data);
    this.revision += 1;
  }

  /** Changes what a node computes, keeping its inputs and outputs. */
  setOperator(node: Node, operator: { domain: string; opType: string; overload?: string }): void {
    Object.assign(nodeData(node), { overload: '', ...operator });
    this.revision += 1;
  }

  setNodeName(node: Node, name: string): void {
    nodeData(node).name = name;
    this.revision += 1;
  }

  setAttribute(node: Node, attribute: Attribute): void {
    const data = nodeData(node);
    this.dropSubgraphs(data, attribute.name, graphsOf(attribute));
    this.adopt(data, attribute);
    this.revision += 1;
  }

  removeAttribute(node: Node, name: string): void {
    const data = nodeData(node);
    if (!data.attributes.has(name)) return;
    this.dropSubgraphs(data, name, []);
    data.attributes.delete(name);
    this.revision += 1;
  }

  addProvenance(node: Node, rule: string): void {
    const data = nodeData(node);
    data.provenance = [...data.provenance, rule];
  }

  // --- values ---

  /** Every reader of `value`, graph outputs included, reads `replacement` from now on. */
  replaceAllUses(value: Value, replacement: Value): void {
    if (value === replacement) return;
    const to = valueData(replacement);
    const uses = [...valueData(value).uses];
    for (const use of uses) {
      this.requireVisible(to, useGraph(use));
      const reader = use.kind === 'node' ? use.user : useGraph(use).owner;
      if (reader !== null) this.nodesBehind(to, reader);
    }
    for (const use of uses) {
      if (use.kind === 'node') this.setInput(use.user, use.index, to);
      else this.setOutputValue(use.user, to);
    }
  }

  setType(value: Value, type: ValueType | undefined): void {
    const data = valueData(value);
    if (data.type === type) return;
    data.type = type;
    this.revision += 1;
  }

  /** Whether the file's value_info lists this value. */
  setDeclared(value: Value, declared: boolean): void {
    const data = valueData(value);
    if (declared) data.graph.declared.add(data);
    else data.graph.declared.delete(data);
    this.revision += 1;
  }

  pin(value: Value): void {
    valueData(value).pinned = true;
  }

  /** Renames a value, to a name made from `name` where that is taken. Returns the name it got. */
  renameValue(value: Value, name: string): string {
    const data = valueData(value);
    if (data.pinned) throw new InvariantError(`"${value.name}" is pinned`);
    if (data.name === name) return name;
    data.graph.values.delete(data.name);
    this.releaseName(data.graph.model, data.name);
    this.registerValue(data, name);
    this.revision += 1;
    return data.name;
  }

  /** A name that no value or output of the model has: `base`, or `base` with a number. */
  freshName(base: string): string {
    const model = modelData(this.model);
    if (base !== '' && !model.names.has(base)) return base;
    for (let suffix = model.suffixes.get(base) ?? 1; ; suffix += 1) {
      const name = `${base}_${suffix}`;
      if (!model.names.has(name)) {
        model.suffixes.set(base, suffix + 1);
        return name;
      }
    }
  }

  // --- bookkeeping ---

  private newValue(graph: GraphData, name: string, type: ValueType | undefined): ValueData {
    const value = new ValueData(graph);
    value.type = type;
    this.registerValue(value, name);
    return value;
  }

  private registerValue(value: ValueData, name: string): void {
    const { graph } = value;
    const keep = this.keepNames && name !== '' && !graph.values.has(name);
    value.name = keep ? name : this.freshName(name);
    graph.values.set(value.name, value);
    this.claimName(graph.model, value.name);
  }

  private forgetValue(value: ValueData): void {
    const { graph } = value;
    if (graph.values.get(value.name) === value) graph.values.delete(value.name);
    graph.initializers.delete(value);
    graph.declared.delete(value);
    this.releaseName(graph.model, value.name);
  }

  private claimName(model: ModelData, name: string): void {
    model.names.set(name, (model.names.get(name) ?? 0) + 1);
  }

  private releaseName(model: ModelData, name: string): void {
    const count = model.names.get(name) ?? 0;
    if (count > 1) model.names.set(name, count - 1);
    else model.names.delete(name);
  }

  private link(node: NodeData, index: number, value: ValueData): void {
    const use: Use = { kind: 'node', user: node, index };
    node.inputUses[index] = use;
    value.uses.add(use);
    this.orderBefore(value, use);
  }

  private unlink(node: NodeData, index: number): void {
    const use = node.inputUses[index];
    if (use != null) node.inputs[index]?.uses.delete(use);
    node.inputUses[index] = null;
  }

  /** Moves readers behind the producer where a new use would break topological order. */
  private orderBefore(value: ValueData, use: Use): void {
    const reader = use.kind === 'node' ? use.user : useGraph(use).owner;
    const { producer } = value;
    if (producer === null || reader === null) return;
    const { nodes } = value.graph;
    const anchor = producer.next;
    for (const node of this.nodesBehind(value, reader)) {
      const data = nodeData(node);
      nodes.remove(data);
      nodes.insertBefore(data, anchor);
    }
  }

  /**
   * The nodes that have to move behind the producer of `value` for `reader` to read it.
   * @throws DiagnosticError `graph/cycle`, before anything has changed.
   */
  private nodesBehind(value: ValueData, reader: Node): readonly Node[] {
    const { producer } = value;
    const user = ancestorIn(value.graph, reader);
    if (producer === null || user === null || !user.attached) return [];
    if (user.order > producer.order) return [];
    return nodesToMoveBehind(producer, user);
  }

  private adopt(node: NodeData, attribute: Attribute): void {
    for (const graph of graphsOf(attribute)) {
      const data = graphData(graph);
      if (data.owner !== node) throw new InvariantError(`graph "${data.name}" was made for another node`);
    }
    node.attributes.set(attribute.name, attribute);
  }

  private dropSubgraphs(node: NodeData, attributeName: string, kept: readonly Graph[]): void {
    const old = node.attributes.get(attributeName);
    if (old === undefined) return;
    for (const graph of graphsOf(old)) if (!kept.includes(graph)) this.releaseGraph(graphData(graph));
  }

  private detach(node: NodeData): void {
    for (const index of node.inputs.keys()) this.unlink(node, index);
    for (const graph of subgraphs(node)) this.releaseGraph(graphData(graph));
    for (const output of node.outputs) if (output !== null) this.forgetValue(output);
    node.graph.nodes.remove(node);
    node.attached = false;
  }

  /** Gives back every use and name a graph that goes away held. */
  private releaseGraph(graph: GraphData): void {
    for (const slot of graph.outputs) {
      slot.value.uses.delete(slot.use);
      this.releaseName(graph.model, slot.name);
    }
    for (const node of graph.nodes.reversed()) this.detach(nodeData(node));
    for (const value of [...graph.values.values()]) this.forgetValue(value);
  }

  private requireUnused(value: ValueData): void {
    if (value.pinned) throw new InvariantError(`"${value.name}" is pinned`);
    if (value.uses.size > 0) throw new InvariantError(`"${value.name}" is still read by ${value.uses.size} uses`);
  }

  private requireVisible(value: Value, graph: Graph): void {
    if (!isVisible(value, graph)) throw new InvariantError(`"${value.name}" is not visible in graph "${graph.name}"`);
  }
}
