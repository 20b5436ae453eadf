import type { Attribute } from './attribute.js';
import type { SparseTensor, Tensor } from './tensor.js';
import type { ValueType } from './value_type.js';

/** What every part carries beside its meaning. */
export interface Described {
  readonly docString: string | undefined;
  readonly metadata: ReadonlyMap<string, string>;
  /** The message this was decoded from: its unknown fields and which fields it spelled out. Only `src/ir/onnx` reads it. */
  readonly wire: unknown;
}

/** A model as it is read. Everything here is read-only; every change goes through `Editor`. */
export interface Model extends Described {
  readonly irVersion: number;
  readonly opsetImports: ReadonlyMap<string, number>;
  readonly producerName: string;
  readonly producerVersion: string;
  readonly domain: string;
  readonly modelVersion: bigint;
  readonly graph: Graph;
  /** By `functionKey`. */
  readonly functions: ReadonlyMap<string, ModelFunction>;
}

/** A function: a graph of its own with its own opset imports. */
export interface ModelFunction extends Described {
  readonly name: string;
  readonly domain: string;
  readonly overload: string;
  readonly opsetImports: ReadonlyMap<string, number>;
  /** Attributes without a default, by name. */
  readonly attributeNames: readonly string[];
  readonly attributeDefaults: ReadonlyMap<string, Attribute>;
  readonly graph: Graph;
}

export interface Graph extends Described {
  readonly kind: 'graph';
  readonly name: string;
  readonly model: Model;
  /** The node whose attribute this graph is, or null for a model's or function's own graph. */
  readonly owner: Node | null;
  /** The function this is the body of, or null. */
  readonly ownerFunction: ModelFunction | null;
  readonly inputs: readonly Value[];
  readonly outputs: readonly OutputSlot[];
  /** Values with an initializer, overridable ones included. */
  readonly initializers: ReadonlySet<Value>;
  /** In topological order. Iteration stays valid while nodes are inserted and erased. */
  readonly nodes: NodeSequence;
  /** Every value defined in this graph itself, by name. */
  readonly values: ReadonlyMap<string, Value>;
  /** Values whose type the file declares in value_info. */
  readonly declared: ReadonlySet<Value>;
}

export interface NodeSequence extends Iterable<Node> {
  readonly size: number;
  readonly first: Node | null;
  readonly last: Node | null;
  reversed(): Iterable<Node>;
  /** The node behind this one, or null at the end. */
  after(node: Node): Node | null;
}

export interface Node extends Described {
  readonly kind: 'node';
  readonly name: string;
  readonly domain: string;
  readonly opType: string;
  readonly overload: string;
  readonly graph: Graph;
  /** null: an optional input that is left out. */
  readonly inputs: readonly (Value | null)[];
  /** null: an optional output that is left out. */
  readonly outputs: readonly (Value | null)[];
  readonly attributes: ReadonlyMap<string, Attribute>;
  /** Names of the rules that made this node, oldest first; empty for a node of the file. */
  readonly provenance: readonly string[];
  /** False while detached, and after it was erased. */
  readonly attached: boolean;
  /** Position in its graph: of two attached nodes of one graph, the earlier has the smaller. */
  readonly order: number;
}

export interface Value extends Described {
  readonly kind: 'value';
  readonly name: string;
  readonly type: ValueType | undefined;
  /** The graph that defines it. */
  readonly graph: Graph;
  /** null: a graph input or an initializer. */
  readonly producer: Node | null;
  /** Which output of its producer; for a graph input its position; else 0. */
  readonly index: number;
  readonly isInput: boolean;
  readonly initializer: Tensor | SparseTensor | null;
  /** Node inputs and graph outputs that read it, those in subgraphs included. */
  readonly uses: ReadonlySet<Use>;
  /** Named by a part of the file that we keep without understanding: never erased or renamed. */
  readonly pinned: boolean;
}

/** A graph output: a use of a value, and the owner of the output's name. */
export interface OutputSlot extends Described {
  readonly kind: 'output';
  readonly graph: Graph;
  readonly name: string;
  readonly type: ValueType | undefined;
  readonly value: Value;
}

export type Use =
  | { readonly kind: 'node'; readonly user: Node; readonly index: number }
  | { readonly kind: 'output'; readonly user: OutputSlot };

export const functionKey = (domain: string, name: string, overload: string): string =>
  `${domain === 'ai.onnx' ? '' : domain}\n${name}\n${overload}`;

/** The graph a use stands in. */
export const useGraph = (use: Use): Graph => use.user.graph;

/** The function body or main graph that encloses a graph. */
export function rootGraph(graph: Graph): Graph {
  let root = graph;
  while (root.owner !== null) root = root.owner.graph;
  return root;
}

/** The opset version that nodes of this graph are read with, or undefined where the domain is not imported. */
export function opsetVersion(graph: Graph, domain: string): number | undefined {
  const { ownerFunction, model } = rootGraph(graph);
  const imports = (ownerFunction ?? model).opsetImports;
  return domain === '' || domain === 'ai.onnx' ? (imports.get('') ?? imports.get('ai.onnx')) : imports.get(domain);
}

/** The function a node calls, or undefined. */
export const calledFunction = (node: Node): ModelFunction | undefined =>
  node.graph.model.functions.get(functionKey(node.domain, node.opType, node.overload));

/** Whether `value` can be read from inside `graph`: defined there or in a graph around it. */
export function isVisible(value: Value, graph: Graph): boolean {
  for (let scope: Graph | undefined = graph; scope !== undefined; scope = scope.owner?.graph) {
    if (scope === value.graph) return true;
  }
  return false;
}

/** The node of `graph` that is, or that encloses, `node`; null where there is none. */
export function ancestorIn(graph: Graph, node: Node): Node | null {
  let current: Node | null = node;
  while (current !== null && current.graph !== graph) current = current.graph.owner;
  return current;
}

/** A name for messages: `graph > node "name" (Op)`. */
export function describeNode(node: Node): string {
  const parts: string[] = [];
  for (let current: Node | null = node; current !== null; current = current.graph.owner) {
    const label = current.name || current.outputs.find((output) => output !== null)?.name || '';
    parts.unshift(`${current.opType} "${label}"`);
  }
  return [rootGraph(node.graph).name || 'graph', ...parts].join(' > ');
}
