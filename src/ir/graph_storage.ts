// The mutable form of the graph. Only the editor imports this file (a layering test holds that): everybody else sees
// the read-only interfaces of `graph.ts`.
import type { Attribute } from './attribute.js';
import { InvariantError } from './diagnostic.js';
import type { Graph, Model, ModelFunction, Node, NodeSequence, OutputSlot, Use, Value } from './graph.js';
import type { SparseTensor, Tensor } from './tensor.js';
import type { ValueType } from './value_type.js';

class Described {
  docString: string | undefined = undefined;
  metadata: ReadonlyMap<string, string> = new Map();
  wire: unknown = undefined;
}

export class ModelData extends Described implements Model {
  irVersion = 0;
  opsetImports = new Map<string, number>();
  producerName = '';
  producerVersion = '';
  domain = '';
  modelVersion = 0n;
  functions = new Map<string, FunctionData>();
  graph: GraphData = new GraphData(this, null, null);
  /** Value and output names in use anywhere in the model. */
  names = new Map<string, number>();
  /** Per base name, the next suffix to try. */
  suffixes = new Map<string, number>();
}

export class FunctionData extends Described implements ModelFunction {
  name = '';
  domain = '';
  overload = '';
  opsetImports = new Map<string, number>();
  attributeNames: readonly string[] = [];
  attributeDefaults: ReadonlyMap<string, Attribute> = new Map();
  graph: GraphData;

  constructor(model: ModelData) {
    super();
    this.graph = new GraphData(model, null, this);
  }
}

export class GraphData extends Described implements Graph {
  readonly kind = 'graph';
  name = '';
  model: ModelData;
  owner: NodeData | null;
  ownerFunction: FunctionData | null;
  inputs: ValueData[] = [];
  outputs: OutputData[] = [];
  initializers = new Set<ValueData>();
  nodes = new NodeList();
  values = new Map<string, ValueData>();
  declared = new Set<ValueData>();
  /** It went away with its node or function: nothing is added any more. */
  erased = false;

  constructor(model: ModelData, owner: NodeData | null, ownerFunction: FunctionData | null) {
    super();
    this.model = model;
    this.owner = owner;
    this.ownerFunction = ownerFunction;
  }
}

export class NodeData extends Described implements Node {
  readonly kind = 'node';
  name = '';
  domain = '';
  opType = '';
  overload = '';
  graph: GraphData;
  inputs: (ValueData | null)[] = [];
  /** Parallel to `inputs`: the use each input is, null while detached or left out. */
  inputUses: (Use | null)[] = [];
  outputs: (ValueData | null)[] = [];
  attributes = new Map<string, Attribute>();
  provenance: readonly string[] = [];
  attached = false;
  /** It was taken out or discarded, and stays out. */
  erased = false;
  order = 0;
  previous: NodeData | null = null;
  next: NodeData | null = null;

  constructor(graph: GraphData) {
    super();
    this.graph = graph;
  }
}

export class ValueData extends Described implements Value {
  readonly kind = 'value';
  name = '';
  type: ValueType | undefined = undefined;
  graph: GraphData;
  producer: NodeData | null = null;
  index = 0;
  isInput = false;
  initializer: Tensor | SparseTensor | null = null;
  uses = new Set<Use>();
  pinned = false;

  constructor(graph: GraphData) {
    super();
    this.graph = graph;
  }
}

export class OutputData extends Described implements OutputSlot {
  readonly kind = 'output';
  name = '';
  type: ValueType | undefined = undefined;
  graph: GraphData;
  value: ValueData;
  use: Use;

  constructor(graph: GraphData, value: ValueData) {
    super();
    this.graph = graph;
    this.value = value;
    this.use = { kind: 'output', user: this };
  }
}

const spacing = 2 ** 20;

/** A linked list whose order labels leave gaps, so that inserting and comparing positions take constant time. */
export class NodeList implements NodeSequence {
  size = 0;
  first: NodeData | null = null;
  last: NodeData | null = null;

  insertBefore(node: NodeData, anchor: NodeData | null): void {
    const previous = anchor === null ? this.last : anchor.previous;
    node.previous = previous;
    node.next = anchor;
    if (previous === null) this.first = node;
    else previous.next = node;
    if (anchor === null) this.last = node;
    else anchor.previous = node;
    this.size += 1;
    if (anchor === null) node.order = (previous?.order ?? 0) + spacing;
    else if (previous === null) node.order = anchor.order - spacing;
    else {
      node.order = (previous.order + anchor.order) / 2;
      if (node.order <= previous.order || node.order >= anchor.order) relabelAround(node);
    }
  }

  /** The node keeps its neighbours, so that an iteration standing on it goes on. */
  remove(node: NodeData): void {
    if (node.previous === null) this.first = node.next;
    else node.previous.next = node.next;
    if (node.next === null) this.last = node.previous;
    else node.next.previous = node.previous;
    this.size -= 1;
  }

  *[Symbol.iterator](): Iterator<NodeData> {
    yield* walk(this.first, (node) => node.next);
  }

  after(node: Node): NodeData | null {
    let next = nodeData(node).next;
    while (next !== null && !next.attached) next = next.next;
    return next;
  }

  reversed(): Iterable<NodeData> {
    return { [Symbol.iterator]: () => walk(this.last, (node) => node.previous) };
  }
}

/**
 * Spreads the labels around a node for which there was no room between its neighbours: over a window that grows until
 * they lie far enough apart, the farther the larger it is, so that the cost of an insertion stays logarithmic on
 * average wherever the insertions are (Bender et al., "Two simplified algorithms for maintaining order in a list").
 */
function relabelAround(node: NodeData): void {
  let first = node;
  let last = node;
  let count = 1;
  for (let wanted = 32, apart = 1; ; wanted *= 2, apart *= Math.SQRT2) {
    while (count < wanted && (first.previous !== null || last.next !== null)) {
      if (first.previous !== null) {
        first = first.previous;
        count += 1;
      }
      if (last.next !== null) {
        last = last.next;
        count += 1;
      }
    }
    const low = first.previous?.order ?? (last.next?.order ?? 0) - spacing * (count + 1);
    const high = last.next?.order ?? low + spacing * (count + 1);
    const step = (high - low) / (count + 1);
    if (step < apart) continue;
    for (let at: NodeData = first, order = low + step; ; at = at.next!, order += step) {
      at.order = order;
      if (at === last) return;
    }
  }
}

/**
 * Follows the list from `start`. A node erased meanwhile still points to where it stood: erased neighbours are passed
 * over until an attached one comes. Where the node it stands on is moved behind a later one, it goes on from there.
 */
function* walk(start: NodeData | null, step: (node: NodeData) => NodeData | null): Generator<NodeData> {
  let node = start;
  while (node !== null) {
    if (node.attached) yield node;
    node = step(node);
  }
}

function owned<T>(part: unknown, type: new (...args: never[]) => T): T {
  if (part instanceof type) return part;
  throw new InvariantError(`not a part of a graph that the editor made: ${String(part)}`);
}

export const modelData = (model: Model): ModelData => owned(model, ModelData);
export const functionData = (fn: ModelFunction): FunctionData => owned(fn, FunctionData);
export const graphData = (graph: Graph): GraphData => owned(graph, GraphData);
export const nodeData = (node: Node): NodeData => owned(node, NodeData);
export const valueData = (value: Value): ValueData => owned(value, ValueData);
export const outputData = (slot: OutputSlot): OutputData => owned(slot, OutputData);
