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
import { captures, nestedGraphs, nodesToMoveBehind } from './topological_order.js';
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
 * `revision`. Misuse (a foreign part, something erased, a value out of scope) throws InvariantError, and a circle
 * DiagnosticError `graph/cycle`, before anything changed.
 */
export class Editor {
  readonly model: Model;
  /** Grows by one with every change; a pass changed the model exactly when this did. */
  revision = 0;
  /** Nodes put into graphs and taken out of them so far. */
  nodesAdded = 0;
  nodesRemoved = 0;

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
    const data = this.ownNode(owner);
    const graph = new GraphData(data.graph.model, data, null);
    graph.name = name;
    return graph;
  }

  setGraphName(graph: Graph, name: string): void {
    const data = graphData(graph);
    if (data.name === name) return;
    data.name = name;
    this.revision += 1;
  }

  addInput(graph: Graph, name: string, type: ValueType | undefined): Value {
    const data = this.ownGraph(graph);
    const value = this.newValue(data, name, type);
    value.isInput = true;
    value.index = data.inputs.length;
    data.inputs.push(value);
    this.revision += 1;
    return value;
  }

  /** Takes an unread input away; where it has a default, that goes too. */
  removeInput(value: Value): void {
    const data = this.ownValue(value);
    if (!data.isInput) throw new InvariantError(`"${value.name}" is not an input`);
    this.requireUnused(data);
    this.unlistInput(data);
    this.forgetValue(data);
    data.initializer = null;
    this.revision += 1;
  }

  /** Makes a graph input with a default a plain initializer that no caller can override. */
  inputToInitializer(value: Value): void {
    const data = this.ownValue(value);
    if (!data.isInput || data.initializer === null) throw new InvariantError(`"${value.name}" has no default`);
    this.unlistInput(data);
    this.revision += 1;
  }

  addInitializer(graph: Graph, tensor: Tensor | SparseTensor, name: string, type?: ValueType): Value {
    const value = this.newValue(this.ownGraph(graph), name, type ?? tensorType(tensor.dtype, tensor.dims));
    value.initializer = tensor;
    value.graph.initializers.add(value);
    this.revision += 1;
    return value;
  }

  /** Gives a value of an input a default, or changes an initializer's tensor; null takes an input's default away. */
  setInitializer(value: Value, tensor: Tensor | SparseTensor | null): void {
    const data = this.ownValue(value);
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
    const data = this.ownValue(value);
    if (data.initializer === null || data.isInput) throw new InvariantError(`"${value.name}" is no plain initializer`);
    this.requireUnused(data);
    this.forgetValue(data);
    this.revision += 1;
  }

  /** A new output of a graph; its name is taken as it is and must be new among the graph's outputs. */
  addOutput(
    graph: Graph,
    value: Value,
    name: string = value.name,
    type: ValueType | undefined = value.type,
  ): OutputSlot {
    const data = this.ownGraph(graph);
    const source = valueData(value);
    this.requireReadable(source, data);
    const wanted = name || source.name;
    if (!this.keepNames && wanted !== '' && data.outputs.some((output) => output.name === wanted)) {
      throw new InvariantError(`graph "${graph.name}" has an output "${wanted}" already`);
    }
    this.orderBefore(source, [data.owner]);
    this.admitConstant(source);
    const slot = new OutputData(data, source);
    slot.name = name || source.name;
    slot.type = type;
    data.outputs.push(slot);
    this.claimName(data.model, slot.name);
    source.uses.add(slot.use);
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
    const source = valueData(value);
    const graph = this.ownGraph(data.graph);
    if (!graph.outputs.includes(data)) throw new InvariantError(`output "${slot.name}" is not in its graph`);
    this.requireReadable(source, graph);
    if (data.value === source) return;
    this.orderBefore(source, [graph.owner]);
    this.admitConstant(source);
    data.value.uses.delete(data.use);
    data.value = source;
    source.uses.add(data.use);
    this.revision += 1;
  }

  setOutputType(slot: OutputSlot, type: ValueType | undefined): void {
    const data = outputData(slot);
    if (data.type === type) return;
    data.type = type;
    this.revision += 1;
  }

  // --- nodes ---

  /**
   * A node that stands in no graph yet: it reads values without counting as a use, so dropping it needs no undoing
   * (`discard` where it was given subgraphs). `attach` puts it in place.
   */
  draft(spec: NodeSpec): Node {
    const node = new NodeData(this.ownGraph(spec.graph));
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

  /** A constant for drafts to read; it becomes an initializer of its graph with the first use that counts. */
  draftConstant(graph: Graph, tensor: Tensor, name = ''): Value {
    const value = new ValueData(this.ownGraph(graph));
    value.initializer = tensor;
    value.name = name;
    value.type = tensorType(tensor.dtype, tensor.dims);
    return value;
  }

  /**
   * Puts a draft into its graph before `before` (null: at the end), or further behind where it reads later values;
   * names its outputs and counts its uses. What it reads must be there: drafts are attached in the order they read
   * one another.
   */
  attach(node: Node, before: Node | null = null): void {
    const data = this.ownNode(node);
    const graph = this.ownGraph(data.graph);
    if (data.attached) throw new InvariantError(`node is attached already: ${describeNode(node)}`);
    if (before !== null && (before.graph !== graph || !before.attached)) {
      throw new InvariantError('the anchor is not in the graph of the node');
    }
    const captured = Array.from(captures(data), valueData);
    const read = [...data.inputs.filter((input) => input !== null), ...captured];
    for (const value of read) this.requireReadable(value, graph);
    for (const value of read) this.nodesBehind(value, [graph.owner]);
    data.attached = true;
    this.nodesAdded += 1;
    graph.nodes.insertBefore(data, before === null ? null : nodeData(before));
    for (const [index, output] of data.outputs.entries()) {
      if (output !== null) this.registerValue(output, output.name || `${node.name || node.opType}_${index}`);
    }
    this.revision += 1;
    for (const [index, input] of data.inputs.entries()) if (input !== null) this.link(data, index, input);
    for (const value of captured) this.orderBefore(value, [data]);
  }

  /** Gives a draft up: lets go of what its subgraphs captured. */
  discard(draft: Node): void {
    const data = nodeData(draft);
    if (data.attached) throw new InvariantError(`node is attached: ${describeNode(draft)}`);
    for (const graph of subgraphs(data)) this.releaseGraph(graphData(graph));
    data.erased = true;
  }

  insertNode(spec: NodeSpec, before: Node | null = null): Node {
    const node = this.draft(spec);
    this.attach(node, before);
    return node;
  }

  /** Takes a node whose outputs nobody reads out of its graph, with what its subgraphs captured. */
  eraseNode(node: Node): void {
    const data = this.ownNode(node);
    if (!data.attached) throw new InvariantError(`node is not attached: ${describeNode(node)}`);
    for (const output of data.outputs) if (output !== null) this.requireUnused(output);
    this.detach(data);
    this.revision += 1;
  }

  /** Reads `value` at an input, or nothing; positions between the last input and a new one are left out. */
  setInput(node: Node, index: number, value: Value | null): void {
    const data = this.ownNode(node);
    const source = value === null ? null : valueData(value);
    if (index < 0 || index > 1 << 20) throw new InvariantError(`no input ${index}`);
    if (source !== null && data.attached) this.requireReadable(source, data.graph);
    if ((data.inputs[index] ?? null) === source) return;
    if (source !== null && data.attached) this.orderBefore(source, [data]);
    while (data.inputs.length <= index) {
      data.inputs.push(null);
      data.inputUses.push(null);
    }
    this.unlink(data, index);
    data.inputs[index] = source;
    this.revision += 1;
    if (source !== null && data.attached) this.link(data, index, source);
  }

  /** Drops inputs from `length` on. */
  truncateInputs(node: Node, length: number): void {
    const data = this.ownNode(node);
    if (data.inputs.length <= length) return;
    for (let index = length; index < data.inputs.length; index += 1) this.unlink(data, index);
    data.inputs.length = length;
    data.inputUses.length = length;
    this.revision += 1;
  }

  /** Leaves an unread output out; the positions of the others stay. */
  omitOutput(value: Value): void {
    const data = valueData(value);
    const node = data.producer === null ? null : this.ownNode(data.producer);
    if (node?.outputs[data.index] !== data) throw new InvariantError(`"${value.name}" is no output of a node`);
    this.requireUnused(data);
    node.outputs[data.index] = null;
    while (node.outputs.at(-1) === null) node.outputs.pop();
    this.forgetValue(data);
    this.revision += 1;
  }

  /** Takes an unread output away and closes the gap: those behind it move up, as the results of If and Loop do. */
  dropOutput(value: Value): void {
    const data = valueData(value);
    const node = data.producer === null ? null : this.ownNode(data.producer);
    if (node?.outputs[data.index] !== data) throw new InvariantError(`"${value.name}" is no output of a node`);
    this.requireUnused(data);
    node.outputs.splice(data.index, 1);
    for (const [index, output] of node.outputs.entries()) if (output !== null) output.index = index;
    this.forgetValue(data);
    this.revision += 1;
  }

  /** Changes what a node computes, keeping its inputs and outputs. */
  setOperator(node: Node, operator: { domain: string; opType: string; overload?: string }): void {
    const data = this.ownNode(node);
    const { domain, opType, overload = '' } = operator;
    if (data.domain === domain && data.opType === opType && data.overload === overload) return;
    Object.assign(data, { domain, opType, overload });
    this.revision += 1;
  }

  setNodeName(node: Node, name: string): void {
    const data = this.ownNode(node);
    if (data.name === name) return;
    data.name = name;
    this.revision += 1;
  }

  /** Gives a node an attribute; subgraphs that the one of that name held and this one does not are gone. */
  setAttribute(node: Node, attribute: Attribute): void {
    const data = this.ownNode(node);
    const old = data.attributes.get(attribute.name);
    this.adopt(data, attribute);
    if (old !== undefined) this.dropSubgraphs(data, old);
    this.revision += 1;
  }

  removeAttribute(node: Node, name: string): void {
    const data = this.ownNode(node);
    const old = data.attributes.get(name);
    if (old === undefined) return;
    data.attributes.delete(name);
    this.dropSubgraphs(data, old);
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
    for (const use of uses) this.requireReadable(to, this.ownGraph(useGraph(use)));
    this.orderBefore(
      to,
      uses.map((use) => (use.kind === 'node' ? use.user : useGraph(use).owner)),
    );
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
    const data = this.ownValue(value);
    if (data.graph.declared.has(data) === declared) return;
    if (declared) data.graph.declared.add(data);
    else data.graph.declared.delete(data);
    this.revision += 1;
  }

  pin(value: Value): void {
    valueData(value).pinned = true;
  }

  /**
   * Renames a value, to a name made from `name` where that is taken. Returns the name it got; a draft's is settled
   * when it is attached.
   */
  renameValue(value: Value, name: string): string {
    const data = valueData(value);
    this.ownGraph(data.graph);
    if (data.pinned) throw new InvariantError(`"${value.name}" is pinned`);
    if (data.name === name) return name;
    if (!isRegistered(data)) {
      data.name = name;
      return name;
    }
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

  /**
   * A name for a constant that no file named: a plain word such as `axes` gets a prefix, since runtimes give such names
   * to constants of their own without looking whether there is one. What is made from a name of the model stays.
   */
  generatedName(base: string): string {
    return /^\w+$/.test(base) && !modelData(this.model).names.has(base) ? `onnxopt::${base}` : base;
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
    if (!isRegistered(value)) return;
    graph.values.delete(value.name);
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
    this.orderBefore(value, [node]);
    this.admitConstant(value);
    node.inputUses[index] = use;
    value.uses.add(use);
  }

  private unlink(node: NodeData, index: number): void {
    const use = node.inputUses[index];
    if (use != null) node.inputs[index]?.uses.delete(use);
    node.inputUses[index] = null;
  }

  /** Moves readers (nodes, or owners of graphs that read) behind the producer, where they stand before it. */
  private orderBefore(value: ValueData, readers: readonly (Node | null)[]): void {
    const { nodes } = value.graph;
    const moved = this.nodesBehind(value, readers);
    const anchor = value.producer?.next ?? null;
    for (const node of moved) {
      const data = nodeData(node);
      nodes.remove(data);
      nodes.insertBefore(data, anchor);
    }
  }

  /**
   * The nodes that have to move behind the producer of `value` for `readers` to read it.
   * @throws DiagnosticError `graph/cycle`, before anything has changed.
   */
  private nodesBehind(value: ValueData, readers: readonly (Node | null)[]): readonly Node[] {
    const { producer, graph } = value;
    if (producer === null || !producer.attached) return [];
    const early: Node[] = [];
    for (const reader of readers) {
      const user = reader === null ? null : ancestorIn(graph, reader);
      if (user?.attached && user.order <= producer.order) early.push(user);
    }
    return early.length === 0 ? [] : nodesToMoveBehind(producer, early);
  }

  private adopt(node: NodeData, attribute: Attribute): void {
    for (const graph of graphsOf(attribute)) {
      const data = this.ownGraph(graph);
      if (data.owner !== node) throw new InvariantError(`graph "${data.name}" was made for another node`);
    }
    node.attributes.set(attribute.name, attribute);
  }

  /** Releases the subgraphs of an attribute that the node no longer holds. */
  private dropSubgraphs(node: NodeData, old: Attribute): void {
    const kept = subgraphs(node);
    for (const graph of graphsOf(old)) if (!kept.includes(graph)) this.releaseGraph(graphData(graph));
  }

  private detach(node: NodeData): void {
    for (const graph of subgraphs(node)) this.releaseGraph(graphData(graph));
    this.takeOut(node);
  }

  /** Takes a node out whose subgraphs are released. */
  private takeOut(node: NodeData): void {
    for (const index of node.inputs.keys()) this.unlink(node, index);
    for (const output of node.outputs) if (output !== null) this.forgetValue(output);
    node.graph.nodes.remove(node);
    if (node.attached) this.nodesRemoved += 1;
    node.attached = false;
    node.erased = true;
  }

  /** Gives back every use and name that a graph that goes away held, with all below it; no recursion. */
  private releaseGraph(graph: GraphData): void {
    for (const inner of Array.from(nestedGraphs(graph), graphData).reverse()) {
      if (inner.erased) continue;
      for (const slot of inner.outputs) {
        slot.value.uses.delete(slot.use);
        this.releaseName(inner.model, slot.name);
      }
      for (const node of inner.nodes.reversed()) this.takeOut(nodeData(node));
      for (const value of [...inner.values.values()]) this.forgetValue(value);
      inner.erased = true;
    }
  }

  private unlistInput(value: ValueData): void {
    value.graph.inputs.splice(value.index, 1);
    for (const [index, input] of value.graph.inputs.entries()) input.index = index;
    value.isInput = false;
    value.index = 0;
  }

  /** Makes a draft's constant an initializer. */
  private admitConstant(value: ValueData): void {
    if (!isDraftConstant(value)) return;
    this.registerValue(value, this.generatedName(value.name || 'constant'));
    value.graph.initializers.add(value);
  }

  private ownGraph(graph: Graph): GraphData {
    const data = graphData(graph);
    if (data.model !== this.model) throw new InvariantError(`graph "${graph.name}" belongs to another model`);
    if (data.erased) throw new InvariantError(`graph "${graph.name}" is gone`);
    return data;
  }

  private ownNode(node: Node): NodeData {
    const data = nodeData(node);
    if (data.graph.model !== this.model) throw new InvariantError(`${describeNode(node)} belongs to another model`);
    if (data.erased) throw new InvariantError(`node is gone: ${describeNode(node)}`);
    return data;
  }

  private ownValue(value: Value): ValueData {
    const data = valueData(value);
    this.ownGraph(data.graph);
    if (!isRegistered(data)) throw new InvariantError(`"${value.name}" is not in the model`);
    return data;
  }

  private requireUnused(value: ValueData): void {
    if (value.pinned) throw new InvariantError(`"${value.name}" is pinned`);
    if (value.uses.size > 0) throw new InvariantError(`"${value.name}" is still read by ${value.uses.size} uses`);
  }

  /** In sight of `graph`, and there: or a draft's, where `graph` hangs below another draft. */
  private requireReadable(value: ValueData, graph: GraphData): void {
    if (!isVisible(value, graph)) throw new InvariantError(`"${value.name}" is not visible in graph "${graph.name}"`);
    if (isRegistered(value) || isDraftConstant(value)) return;
    const { producer } = value;
    const isDraft = producer !== null && !producer.attached && !producer.erased;
    const enclosing = graph.owner === null ? null : ancestorIn(value.graph, graph.owner);
    if (!isDraft || enclosing === null || enclosing.attached) {
      throw new InvariantError(`"${value.name}" is not in the model`);
    }
  }
}

const isRegistered = (value: ValueData): boolean => value.graph.values.get(value.name) === value;

const isDraftConstant = (value: ValueData): boolean =>
  value.initializer !== null && !value.isInput && !value.graph.initializers.has(value);
