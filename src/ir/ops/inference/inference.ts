import { type Attribute, subgraphs } from '../../attribute.js';
import { constantNodeTensor } from '../../constant.js';
import type { DataType } from '../../data_type.js';
import type { Diagnostic } from '../../diagnostic.js';
import {
  calledFunction,
  describeNode,
  type Graph,
  type Model,
  type ModelFunction,
  type Node,
  opsetVersion,
  rootGraph,
  type Value,
} from '../../graph.js';
import { isOverridable } from '../../overridable.js';
import type { Tensor } from '../../tensor.js';
import { captures } from '../../topological_order.js';
import { type Shape, staticShape, tensorType, type ValueType } from '../../value_type.js';
import { type AnyContent, type Content, contentOfTensor, integersOf } from './content.js';
import { InferenceContext, type InferenceHost, type InferredOutput } from './context.js';
import { type DimTrust, mergeTypes, typeOfSource } from './merge.js';
import { inferenceRule } from './rules.js';
import { fitsSchema } from './signature.js';

/** Calls of functions inside functions are followed this deep; a cycle of functions ends here. */
const maxCallDepth = 32;

/**
 * Subgraphs are followed this deep, calls of functions counted as well: the stack has room for a few times as much. A
 * file holds no more than 33 levels.
 */
const maxNesting = 64;

/** A model that contradicts itself everywhere is not listed to the end. */
const maxDiagnostics = 1000;

/** Nodes inferred inside function calls, all calls together; functions that call each other twice would double it. */
const maxCallNodes = 1_000_000;

/** What one function call runs in. */
type Frame = {
  /** Values of the attributes that the function's nodes refer to. */
  readonly attributes: ReadonlyMap<string, Attribute>;
  /** Calls around this one. */
  readonly depth: number;
  /** Subgraphs and calls around this one. */
  readonly nesting: number;
  /** Of the inference that all calls belong to. */
  readonly shared: Shared;
};

type Shared = {
  readonly diagnostics: Diagnostic[];
  /** One entry a diagnostic. */
  readonly reported: Set<string>;
  inferredNodes: number;
  callNodes: number;
};

const outermost = (): Frame => ({
  attributes: new Map(),
  depth: 0,
  nesting: 0,
  shared: { diagnostics: [], reported: new Set(), inferredNodes: 0, callNodes: 0 },
});

/**
 * Types, shapes and known contents of a model's values, inferred when asked for and kept. Rewriting needs no
 * invalidation as long as it keeps types, which the rewrite driver checks; new nodes are inferred when first asked.
 */
export class Inference {
  readonly model: Model;
  /** Nodes whose inputs are of a rank that their operator is not defined for. */
  readonly misfits = new Set<Node>();
  private readonly types = new Map<Value, ValueType | undefined>();
  private readonly contents = new Map<Value, AnyContent | undefined>();
  private readonly done = new Set<Node>();
  /** What values hold in this hypothesis, whatever would be inferred of them. */
  private readonly assumed = new Map<Value, Content>();
  private readonly frame: Frame;
  /** How far the declared types of intermediate values count. */
  private readonly trust: DimTrust;

  constructor(model: Model, frame: Frame = outermost()) {
    this.model = model;
    this.frame = frame;
    const isStatic = (input: Value) => input.type?.kind === 'tensor' && staticShape(input.type.shape) !== undefined;
    this.trust = frame.depth === 0 && model.graph.inputs.every(isStatic) ? 'numbers' : 'rank';
  }

  get diagnostics(): readonly Diagnostic[] {
    return this.frame.shared.diagnostics;
  }

  /** How many nodes were inferred so far, each as often as it was, those of called functions included. */
  get inferredNodes(): number {
    return this.frame.shared.inferredNodes;
  }

  /** The type of a value: inferred, completed by what the file declares; undefined where neither knows. */
  typeOf(value: Value): ValueType | undefined {
    this.demand(value);
    return this.types.get(value);
  }

  shapeOf(value: Value): Shape | undefined {
    const type = this.typeOf(value);
    return type?.kind === 'tensor' || type?.kind === 'sparse' ? type.shape : undefined;
  }

  /** The element type of a tensor. */
  dtypeOf(value: Value): DataType | undefined {
    const type = this.typeOf(value);
    return type?.kind === 'tensor' ? type.dtype : undefined;
  }

  /** What is known of the elements of a small integer or bool tensor. */
  contentOf(value: Value): Content | undefined {
    return integersOf(this.anyContentOf(value));
  }

  private anyContentOf(value: Value): AnyContent | undefined {
    this.demand(value);
    return this.contents.get(value);
  }

  /** What would be known if `value` held this, whatever computes it. This inference and its diagnostics stay as they are. */
  assuming(value: Value, content: Content): Inference {
    const hypothesis = new Inference(this.model, { ...this.frame, shared: outermost().shared });
    for (const [known, type] of this.types) hypothesis.types.set(known, type);
    for (const [known, elements] of this.contents) hypothesis.contents.set(known, elements);
    for (const node of this.done) hypothesis.done.add(node);
    for (const [known, elements] of this.assumed) hypothesis.assumed.set(known, elements);
    hypothesis.assumed.set(value, content);
    hypothesis.setAssumed(value, content);
    for (const use of value.uses) {
      const reader = use.kind === 'node' ? use.user : use.user.graph.owner;
      for (let node = reader; node !== null; node = node.graph.owner) hypothesis.invalidate(node);
    }
    return hypothesis;
  }

  private setAssumed(value: Value, content: Content): void {
    this.types.set(value, tensorType(content.dtype, content.dims));
    this.contents.set(value, content);
  }

  /** Infers every node of the main graph and what it reaches. */
  inferAll(): void {
    for (const node of this.model.graph.nodes) this.inferNode(node);
  }

  /** Forgets a node's results and those of everything that depends on them. Returns how many nodes that were. */
  invalidate(node: Node): number {
    const pending = [node];
    let count = 0;
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      if (!this.done.delete(next)) continue;
      count += 1;
      for (const output of next.outputs) {
        if (output === null) continue;
        this.types.delete(output);
        this.contents.delete(output);
        for (const use of output.uses) {
          const reader = use.kind === 'node' ? use.user : use.user.graph.owner;
          for (let outer = reader; outer !== null; outer = outer.graph.owner) pending.push(outer);
        }
      }
    }
    return count;
  }

  /** Forgets all results: for a pass that changes types, those of inputs among them. Diagnostics stay. */
  invalidateAll(): void {
    this.types.clear();
    this.contents.clear();
    this.done.clear();
    this.misfits.clear();
    for (const [value, content] of this.assumed) this.setAssumed(value, content);
  }

  /** A node as its operator's rule sees it, to be asked only: what is set there goes nowhere. */
  contextOf(node: Node): InferenceContext {
    this.inferNode(node);
    const opset = opsetVersion(node.graph, node.domain) ?? 1;
    return new InferenceContext(node, opset, this.resolveAttributes(node), this.hostFor(node));
  }

  /**
   * The inference of the body of the function that a node calls, as this call sees it; undefined where the node calls
   * none, or where calls nest too deep or are too many to be followed.
   */
  bodyOf(node: Node): Inference | undefined {
    const fn = calledFunction(node);
    return fn && this.callBody(this.contextOf(node), fn)?.body;
  }

  /** Infers what `value` depends on, producers first, without recursion over the length of the graph. */
  private demand(value: Value): void {
    if (this.types.has(value)) return;
    if (value.producer === null && (value.initializer !== null || value.graph.owner === null)) {
      this.setSource(value);
      return;
    }
    // From the outside in: what is around a subgraph decides its inputs.
    for (const owner of ownersOf(value.graph)) if (!this.done.has(owner)) this.inferNode(owner);
    if (value.producer !== null && !this.types.has(value)) this.inferNode(value.producer);
    if (!this.types.has(value)) this.types.set(value, value.type);
  }

  private setSource(value: Value): void {
    const { initializer } = value;
    const dense = initializer?.kind === 'dense' ? initializer : undefined;
    const overridable = isOverridable(value);
    const type = dense !== undefined && !overridable ? tensorType(dense.dtype, dense.dims) : typeOfSource(value.type);
    this.types.set(value, type);
    if (dense !== undefined && !overridable) this.contents.set(value, contentOfTensor(dense));
  }

  private inferNode(root: Node): void {
    const stack = [root];
    while (stack.length > 0) {
      const node = stack[stack.length - 1]!;
      if (this.done.has(node)) {
        stack.pop();
        continue;
      }
      const before = stack.length;
      for (const input of [...node.inputs, ...(subgraphs(node).length > 0 ? captures(node) : [])]) {
        const producer = input?.producer;
        if (producer != null && !this.done.has(producer) && !this.types.has(input!)) stack.push(producer);
      }
      if (stack.length > before) continue;
      stack.pop();
      this.done.add(node);
      this.inferOne(node);
    }
  }

  private inferOne(node: Node): void {
    const { shared, depth } = this.frame;
    shared.inferredNodes += 1;
    if (depth > 0) shared.callNodes += 1;
    const context = new InferenceContext(
      node,
      opsetVersion(node.graph, node.domain) ?? 1,
      this.resolveAttributes(node),
      this.hostFor(node),
    );
    const fn = calledFunction(node);
    if (!this.isOpen(node)) {
      if (fn !== undefined) this.inferCall(context, fn);
      else if (subgraphs(node).length > 0 && this.nestingOf(node) >= maxNesting) this.tooDeep(context);
      else if (fitsSchema(context)) inferenceRule(node.domain, node.opType)?.(context);
    }
    for (const [index, output] of node.outputs.entries()) {
      if (output === null) continue;
      const assumed = this.assumed.get(output);
      if (assumed !== undefined) {
        this.setAssumed(output, assumed);
        continue;
      }
      const { type, conflict } = mergeTypes(context.types[index], output.type, this.trust);
      if (conflict !== undefined) this.report(node, 'infer/contradiction', `output "${output.name}": ${conflict}`);
      this.types.set(output, type);
      this.contents.set(output, context.contents[index]);
    }
  }

  /** Whether a function's node depends on attributes that only a call of the function would tell. */
  private isOpen(node: Node): boolean {
    if (this.frame.depth > 0 || rootGraph(node.graph).ownerFunction === null) return false;
    return [...node.attributes.values()].some(({ kind }) => kind === 'reference');
  }

  private resolveAttributes(node: Node): ReadonlyMap<string, Attribute> {
    if (rootGraph(node.graph).ownerFunction === null) return node.attributes;
    const resolved = new Map<string, Attribute>();
    for (const [name, attribute] of node.attributes) {
      if (attribute.kind !== 'reference') resolved.set(name, attribute);
      else {
        const bound = this.frame.attributes.get(attribute.value);
        if (bound !== undefined) resolved.set(name, { ...bound, name });
      }
    }
    return resolved;
  }

  private hostFor(node: Node): InferenceHost {
    const input = (index: number): Value | null => node.inputs[index] ?? null;
    return {
      typeOfInput: (index) => {
        const value = input(index);
        return value === null ? undefined : this.typeOf(value);
      },
      contentOfInput: (index) => {
        const value = input(index);
        return value === null ? undefined : this.anyContentOf(value);
      },
      constantOfInput: (index) => {
        const value = input(index);
        return value === null ? undefined : this.constant(value);
      },
      inferGraph: (graph, inputs, contents) => this.inferSubgraph(graph, inputs, contents),
      report: (code, message) => this.report(node, code, message),
    };
  }

  private constant(value: Value): Tensor | undefined {
    if (value.initializer !== null) {
      return value.initializer.kind === 'dense' && !isOverridable(value) ? value.initializer : undefined;
    }
    return value.producer === null ? undefined : constantNodeTensor(value.producer);
  }

  /** Runs a subgraph with these input types; asking again with others replaces what was inferred inside. */
  private inferSubgraph(
    graph: Graph,
    inputs: readonly (ValueType | undefined)[],
    contents: readonly (AnyContent | undefined)[] = [],
  ): InferredOutput[] {
    this.forgetGraph(graph);
    for (const [index, input] of graph.inputs.entries()) {
      this.types.set(input, mergeTypes(inputs[index], input.type, this.trust).type);
      this.contents.set(input, contents[index]);
    }
    for (const node of graph.nodes) this.inferNode(node);
    return graph.outputs.map(({ value, type }) => ({
      type: mergeTypes(this.typeOf(value), type, this.trust).type,
      content: this.anyContentOf(value),
    }));
  }

  private forgetGraph(graph: Graph): void {
    for (const node of graph.nodes) {
      if (!this.done.delete(node)) continue;
      for (const output of node.outputs) {
        if (output === null) continue;
        this.types.delete(output);
        this.contents.delete(output);
      }
    }
  }

  private nestingOf(node: Node): number {
    let nesting = this.frame.nesting;
    for (let owner = node.graph.owner; owner !== null; owner = owner.graph.owner) nesting += 1;
    return nesting;
  }

  /** Said once, of the outermost node that is not followed. */
  private tooDeep(context: InferenceContext): void {
    if (this.nestingOf(context.node) > maxNesting) return;
    context.fail('infer/too-deep', `graphs nested more than ${maxNesting} deep are not followed`);
  }

  private inferCall(context: InferenceContext, fn: ModelFunction): void {
    const call = this.callBody(context, fn);
    if (call === undefined) {
      context.fail('infer/recursive-function', 'functions call each other too deep or too often to be followed');
      return;
    }
    for (const [index, output] of call.outputs.entries()) {
      context.setType(index, output.type);
      context.setContent(index, output.content);
    }
  }

  private callBody(
    context: InferenceContext,
    fn: ModelFunction,
  ): { readonly body: Inference; readonly outputs: readonly InferredOutput[] } | undefined {
    const { depth, shared } = this.frame;
    const nesting = this.nestingOf(context.node);
    if (depth >= maxCallDepth || nesting >= maxNesting || shared.callNodes >= maxCallNodes) return undefined;
    const attributes = new Map([...fn.attributeDefaults, ...context.attributes]);
    const body = new Inference(this.model, { attributes, depth: depth + 1, nesting: nesting + 1, shared });
    const inputs = fn.graph.inputs.map((_, index) => context.type(index));
    const contents = fn.graph.inputs.map((_, index) => context.anyContent(index));
    return { body, outputs: body.inferSubgraph(fn.graph, inputs, contents) };
  }

  private report(node: Node, code: string, message: string): void {
    if (code === 'infer/rank') this.misfits.add(node);
    const { diagnostics, reported } = this.frame.shared;
    if (diagnostics.length >= maxDiagnostics) return;
    const where = describeNode(node);
    const key = JSON.stringify([code, message, where]);
    if (reported.has(key)) return;
    reported.add(key);
    diagnostics.push({ code, severity: 'warning', message, where });
  }
}

/** The nodes around a graph, outermost first. */
function ownersOf(graph: Graph): Node[] {
  const owners: Node[] = [];
  for (let { owner } = graph; owner !== null; owner = owner.graph.owner) owners.push(owner);
  return owners.reverse();
}
