import { type Attribute, subgraphs } from './attribute.js';
import { InvariantError } from './diagnostic.js';
import { isRegistered } from './editor_bookkeeping.js';
import { describeNode, type Graph, type Node, useGraph, type Value } from './graph.js';
import { GraphEditor } from './graph_editor.js';
import { graphData, NodeData, nodeData, ValueData, valueData } from './graph_storage.js';
import type { Tensor } from './tensor.js';
import { captures } from './topological_order.js';
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

/**
 * The one way to change a model. Keeps use lists, names and topological order true, and counts every change in
 * `revision`. Misuse (a foreign part, something erased, a value out of scope) throws InvariantError, and a circle
 * DiagnosticError `graph/cycle`, before anything changed.
 */
export class Editor extends GraphEditor {
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
}
