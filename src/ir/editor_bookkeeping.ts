import { type Attribute, graphsOf, subgraphs } from './attribute.js';
import { InvariantError } from './diagnostic.js';
import {
  ancestorIn,
  describeNode,
  type Graph,
  isVisible,
  type Model,
  type Node,
  type Use,
  type Value,
} from './graph.js';
import {
  type GraphData,
  graphData,
  ModelData,
  modelData,
  type NodeData,
  nodeData,
  ValueData,
  valueData,
} from './graph_storage.js';
import { nestedGraphs, nodesToMoveBehind } from './topological_order.js';
import type { ValueType } from './value_type.js';

/**
 * What an editor keeps true whatever it is asked to change: names, use lists, the order of nodes, and that parts belong
 * to the model and are there.
 */
export class EditorBookkeeping {
  readonly model: Model;
  /** Grows by one with every change; a pass changed the model exactly when this did. */
  revision = 0;
  /** Nodes put into graphs and taken out of them so far. */
  nodesAdded = 0;
  nodesRemoved = 0;

  /** Names are kept as given, unique only within their graph: for decoding and cloning, where branches may share one. */
  protected readonly keepNames: boolean;

  constructor(model: Model = new ModelData(), options: { readonly keepNames?: boolean } = {}) {
    modelData(model);
    this.model = model;
    this.keepNames = options.keepNames ?? false;
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

  protected newValue(graph: GraphData, name: string, type: ValueType | undefined): ValueData {
    const value = new ValueData(graph);
    value.type = type;
    this.registerValue(value, name);
    return value;
  }

  protected registerValue(value: ValueData, name: string): void {
    const { graph } = value;
    const keep = this.keepNames && name !== '' && !graph.values.has(name);
    value.name = keep ? name : this.freshName(name);
    graph.values.set(value.name, value);
    this.claimName(graph.model, value.name);
  }

  protected forgetValue(value: ValueData): void {
    const { graph } = value;
    if (!isRegistered(value)) return;
    graph.values.delete(value.name);
    graph.initializers.delete(value);
    graph.declared.delete(value);
    this.releaseName(graph.model, value.name);
  }

  protected claimName(model: ModelData, name: string): void {
    model.names.set(name, (model.names.get(name) ?? 0) + 1);
  }

  protected releaseName(model: ModelData, name: string): void {
    const count = model.names.get(name) ?? 0;
    if (count > 1) model.names.set(name, count - 1);
    else model.names.delete(name);
  }

  protected link(node: NodeData, index: number, value: ValueData): void {
    const use: Use = { kind: 'node', user: node, index };
    this.orderBefore(value, [node]);
    this.admitConstant(value);
    node.inputUses[index] = use;
    value.uses.add(use);
  }

  protected unlink(node: NodeData, index: number): void {
    const use = node.inputUses[index];
    if (use != null) node.inputs[index]?.uses.delete(use);
    node.inputUses[index] = null;
  }

  /** Moves readers (nodes, or owners of graphs that read) behind the producer, where they stand before it. */
  protected orderBefore(value: ValueData, readers: readonly (Node | null)[]): void {
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
  protected nodesBehind(value: ValueData, readers: readonly (Node | null)[]): readonly Node[] {
    const { producer, graph } = value;
    if (producer === null || !producer.attached) return [];
    const early: Node[] = [];
    for (const reader of readers) {
      const user = reader === null ? null : ancestorIn(graph, reader);
      if (user?.attached && user.order <= producer.order) early.push(user);
    }
    return early.length === 0 ? [] : nodesToMoveBehind(producer, early);
  }

  protected adopt(node: NodeData, attribute: Attribute): void {
    for (const graph of graphsOf(attribute)) {
      const data = this.ownGraph(graph);
      if (data.owner !== node) throw new InvariantError(`graph "${data.name}" was made for another node`);
    }
    node.attributes.set(attribute.name, attribute);
  }

  /** Releases the subgraphs of an attribute that the node no longer holds. */
  protected dropSubgraphs(node: NodeData, old: Attribute): void {
    const kept = subgraphs(node);
    for (const graph of graphsOf(old)) if (!kept.includes(graph)) this.releaseGraph(graphData(graph));
  }

  protected detach(node: NodeData): void {
    for (const graph of subgraphs(node)) this.releaseGraph(graphData(graph));
    this.takeOut(node);
  }

  /** Takes a node out whose subgraphs are released. */
  protected takeOut(node: NodeData): void {
    for (const index of node.inputs.keys()) this.unlink(node, index);
    for (const output of node.outputs) if (output !== null) this.forgetValue(output);
    node.graph.nodes.remove(node);
    if (node.attached) this.nodesRemoved += 1;
    node.attached = false;
    node.erased = true;
  }

  /** Gives back every use and name that a graph that goes away held, with all below it; no recursion. */
  protected releaseGraph(graph: GraphData): void {
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

  protected unlistInput(value: ValueData): void {
    value.graph.inputs.splice(value.index, 1);
    for (const [index, input] of value.graph.inputs.entries()) input.index = index;
    value.isInput = false;
    value.index = 0;
  }

  /** Makes a draft's constant an initializer. */
  protected admitConstant(value: ValueData): void {
    if (!isDraftConstant(value)) return;
    this.registerValue(value, this.generatedName(value.name || 'constant'));
    value.graph.initializers.add(value);
  }

  protected ownGraph(graph: Graph): GraphData {
    const data = graphData(graph);
    if (data.model !== this.model) throw new InvariantError(`graph "${graph.name}" belongs to another model`);
    if (data.erased) throw new InvariantError(`graph "${graph.name}" is gone`);
    return data;
  }

  protected ownNode(node: Node): NodeData {
    const data = nodeData(node);
    if (data.graph.model !== this.model) throw new InvariantError(`${describeNode(node)} belongs to another model`);
    if (data.erased) throw new InvariantError(`node is gone: ${describeNode(node)}`);
    return data;
  }

  protected ownValue(value: Value): ValueData {
    const data = valueData(value);
    this.ownGraph(data.graph);
    if (!isRegistered(data)) throw new InvariantError(`"${value.name}" is not in the model`);
    return data;
  }

  protected requireUnused(value: ValueData): void {
    if (value.pinned) throw new InvariantError(`"${value.name}" is pinned`);
    if (value.uses.size > 0) throw new InvariantError(`"${value.name}" is still read by ${value.uses.size} uses`);
  }

  /** In sight of `graph`, and there: or a draft's, where `graph` hangs below another draft. */
  protected requireReadable(value: ValueData, graph: GraphData): void {
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

export const isRegistered = (value: ValueData): boolean => value.graph.values.get(value.name) === value;

const isDraftConstant = (value: ValueData): boolean =>
  value.initializer !== null && !value.isInput && !value.graph.initializers.has(value);
