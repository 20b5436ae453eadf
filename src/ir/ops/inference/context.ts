import {
  type Attribute,
  getFloat,
  getFloats,
  getGraph,
  getInt,
  getInts,
  getString,
  getTensor,
} from '../../attribute.js';
import type { DataType } from '../../data_type.js';
import type { Graph, Node } from '../../graph.js';
import type { Tensor } from '../../tensor.js';
import { type Shape, staticShape, tensorType, type ValueType } from '../../value_type.js';
import {
  type AnyContent,
  type Content,
  contentOfTensor,
  type FloatContent,
  floatsOf,
  integersOf,
  knownNumbers,
  maxContentElements,
} from './content.js';

/** What one node's inference needs from the engine around it. */
export type InferenceHost = {
  typeOfInput(index: number): ValueType | undefined;
  contentOfInput(index: number): AnyContent | undefined;
  constantOfInput(index: number): Tensor | undefined;
  /** Infers a subgraph whose inputs have these types and returns its outputs, in order. */
  inferGraph(
    graph: Graph,
    inputs: readonly (ValueType | undefined)[],
    contents?: readonly (AnyContent | undefined)[],
  ): readonly InferredOutput[];
  report(code: string, message: string): void;
};

export type InferredOutput = { readonly type: ValueType | undefined; readonly content: AnyContent | undefined };

/**
 * One node as its operator's rule sees it: attributes with function references resolved, what is known of its inputs,
 * and where the results go. A rule states only what is certain; what it leaves out stays unknown.
 */
export class InferenceContext {
  readonly node: Node;
  /** The opset version its domain is imported at. */
  readonly opset: number;
  readonly attributes: ReadonlyMap<string, Attribute>;
  readonly types: (ValueType | undefined)[];
  readonly contents: (AnyContent | undefined)[];
  private readonly host: InferenceHost;

  constructor(node: Node, opset: number, attributes: ReadonlyMap<string, Attribute>, host: InferenceHost) {
    this.node = node;
    this.opset = opset;
    this.attributes = attributes;
    this.host = host;
    this.types = node.outputs.map(() => undefined);
    this.contents = node.outputs.map(() => undefined);
  }

  get inputCount(): number {
    return this.node.inputs.length;
  }

  get outputCount(): number {
    return this.node.outputs.length;
  }

  /** Whether an optional input is given. */
  has(index: number): boolean {
    return this.node.inputs[index] != null;
  }

  type(index: number): ValueType | undefined {
    return this.has(index) ? this.host.typeOfInput(index) : undefined;
  }

  dtype(index: number): DataType | undefined {
    const type = this.type(index);
    return type?.kind === 'tensor' || type?.kind === 'sparse' ? type.dtype : undefined;
  }

  shape(index: number): Shape | undefined {
    const type = this.type(index);
    return type?.kind === 'tensor' || type?.kind === 'sparse' ? type.shape : undefined;
  }

  rank(index: number): number | undefined {
    return this.shape(index)?.length;
  }

  /** Known elements of a small integer or bool input, as numbers or expressions. */
  content(index: number): Content | undefined {
    return integersOf(this.anyContent(index));
  }

  /** Known elements of a small input, integers or floats: for what moves elements and does not look at them. */
  anyContent(index: number): AnyContent | undefined {
    return this.has(index) ? this.host.contentOfInput(index) : undefined;
  }

  /** Known elements of a small float input. */
  floatContent(index: number): FloatContent | undefined {
    return floatsOf(this.anyContent(index));
  }

  /** The elements of an input such as axes or pads, where all are known numbers. */
  numbers(index: number): number[] | undefined {
    return knownNumbers(this.content(index));
  }

  /** The input's tensor, where it is a constant. Reading its data may read from a file. */
  constant(index: number): Tensor | undefined {
    return this.has(index) ? this.host.constantOfInput(index) : undefined;
  }

  int<F>(name: string, fallback: F): number | F {
    return getInt(this, name, fallback);
  }

  ints<F>(name: string, fallback: F): number[] | F {
    return getInts(this, name, fallback);
  }

  float<F>(name: string, fallback: F): number | F {
    return getFloat(this, name, fallback);
  }

  floats<F>(name: string, fallback: F): readonly number[] | F {
    return getFloats(this, name, fallback);
  }

  string<F>(name: string, fallback: F): string | F {
    return getString(this, name, fallback);
  }

  tensorAttribute(name: string): Tensor | undefined {
    return getTensor(this, name);
  }

  graph(name: string): Graph | undefined {
    return getGraph(this, name);
  }

  inferGraph(
    graph: Graph,
    inputs: readonly (ValueType | undefined)[],
    contents?: readonly (AnyContent | undefined)[],
  ): readonly InferredOutput[] {
    return this.host.inferGraph(graph, inputs, contents);
  }

  setType(index: number, type: ValueType | undefined): void {
    if (index < this.types.length) this.types[index] = type;
  }

  /** Output `index` is a tensor; leave out what is not known. */
  setTensor(index: number, dtype: DataType | undefined, shape?: Shape | undefined): void {
    this.setType(index, tensorType(dtype, shape));
  }

  /** What is known of an output's elements; also fixes its type. Ignored where it is too long to be a shape. */
  setContent(index: number, content: AnyContent | undefined): void {
    if (content === undefined || index >= this.contents.length) return;
    if (content.elements.length > maxContentElements) return;
    this.contents[index] = content;
    const type = this.types[index];
    if (type?.kind !== 'tensor' || staticShape(type.shape) === undefined) {
      this.setTensor(index, content.dtype, content.dims);
    }
  }

  setConstant(index: number, tensor: Tensor): void {
    this.setTensor(index, tensor.dtype, tensor.dims);
    this.setContent(index, contentOfTensor(tensor));
  }

  /** The node contradicts itself or its inputs: reported once, its outputs stay unknown. */
  fail(code: string, message: string): void {
    this.host.report(code, message);
  }
}

/** Infers one operator. Must not throw for anything a model can hold. */
export type InferenceRule = (context: InferenceContext) => void;

/** Rules of a family, by operator type; those of other domains as `domain:Operator`. */
export type InferenceRules = Readonly<Record<string, InferenceRule>>;
