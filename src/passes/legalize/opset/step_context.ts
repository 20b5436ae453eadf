import { type Attribute, saturated, subgraphs } from '../../../ir/attribute.js';
import { constantTensor } from '../../../ir/constant.js';
import type { DataType } from '../../../ir/data_type.js';
import type { Expr } from '../../../ir/dim.js';
import type { Editor } from '../../../ir/editor.js';
import { type Graph, type Node, rootGraph, type Value } from '../../../ir/graph.js';
import { knownNumbers } from '../../../ir/ops/inference/content.js';
import type { Inference } from '../../../ir/ops/inference/inference.js';
import { int64Tensor, type Tensor, tensorIntegers } from '../../../ir/tensor.js';
import { type Shape, staticShape } from '../../../ir/value_type.js';
import { elementType } from './element_type.js';

export const passName = 'convert-opset';

/** From this IR version on, initializers need not be graph inputs. */
const plainInitializersSince = 4;

/**
 * What an adapter may ask of a node's surroundings, and the ways it may change them. Nodes are visited readers first,
 * so that everything a node reads is still as the version the step comes from has it.
 */
export class StepContext {
  readonly editor: Editor;
  /** The opset that the whole conversion leads to. */
  readonly target: number;
  private readonly inference: Inference;
  /** Nodes made here, and the node each was made for. */
  private readonly origins = new Map<Node, Node>();
  private readonly constants = new Map<Graph, Map<string, Value>>();

  constructor(editor: Editor, inference: Inference, target: number) {
    this.editor = editor;
    this.inference = inference;
    this.target = target;
  }

  /** The node of the model as it was given that this one stands for. */
  origin(node: Node): Node {
    return this.origins.get(node) ?? node;
  }

  // --- what is known ---

  shape(value: Value | null | undefined): Shape | undefined {
    return value == null ? undefined : this.inference.shapeOf(value);
  }

  rank(value: Value | null | undefined): number | undefined {
    return this.shape(value)?.length;
  }

  dims(value: Value | null | undefined): number[] | undefined {
    return staticShape(this.shape(value));
  }

  dtype(value: Value | null | undefined): DataType | undefined {
    return value == null ? undefined : elementType(value, this.inference);
  }

  /** The type as the schemas spell it: `tensor(float)`, `seq(tensor(int64))`. */
  typeText(value: Value): string | undefined {
    const type = this.inference.typeOf(value);
    if (type !== undefined && type.kind !== 'tensor') return schemaType(type);
    const dtype = this.dtype(value);
    return dtype && `tensor(${dtype})`;
  }

  constant(value: Value | null | undefined): Tensor | undefined {
    return constantTensor(value);
  }

  /** All elements of an integer value, where they are known; past ±(2^53 − 1) saturated. */
  integers(value: Value | null | undefined): number[] | undefined {
    const tensor = constantTensor(value);
    if (tensor !== undefined) return tensorIntegers(tensor)?.map(saturated);
    return value == null ? undefined : knownNumbers(this.inference.contentOf(value));
  }

  /** Elements of a small integer value, as numbers or expressions; each undefined where it is not known. */
  elements(value: Value | null | undefined): readonly (Expr | undefined)[] | undefined {
    return value == null ? undefined : this.inference.contentOf(value)?.elements;
  }

  // --- changes ---

  /** A constant that `node` can read; equal ones of a graph are one. */
  addConstant(node: Node, tensor: Tensor, name: string): Value {
    const { graph } = node;
    const known = this.constants.get(graph) ?? new Map<string, Value>();
    this.constants.set(graph, known);
    const key = `${tensor.dtype}[${tensor.dims}]${Buffer.from(tensor.storage.bytes()).toString('base64')}`;
    const existing = known.get(key);
    if (existing !== undefined && isInPlace(existing)) return existing;
    const value = this.makeConstant(node, tensor, name);
    known.set(key, value);
    return value;
  }

  int64(node: Node, values: readonly (number | bigint)[], name: string): Value {
    return this.addConstant(node, int64Tensor(values), name);
  }

  /** A new node in front of `node`; gives its output. */
  insert(
    node: Node,
    opType: string,
    inputs: readonly (Value | null)[],
    attributes: readonly Attribute[] = [],
    before: Node | null = node,
  ): Value {
    const base = node.outputs.find((output) => output !== null)?.name ?? node.opType;
    const made = this.editor.insertNode(
      {
        graph: node.graph,
        opType,
        inputs,
        attributes,
        outputs: [{ name: `${base}_${opType.toLowerCase()}` }],
        provenance: [...node.provenance, passName],
      },
      before,
    );
    this.origins.set(made, this.origin(node));
    return made.outputs[0]!;
  }

  /** Gives a node another operator, inputs and attributes; its outputs stay. */
  become(
    node: Node,
    opType: string,
    inputs: readonly (Value | null)[],
    attributes: readonly Attribute[] = [],
  ): undefined {
    const { editor } = this;
    editor.setOperator(node, { domain: '', opType });
    for (const name of [...node.attributes.keys()]) editor.removeAttribute(node, name);
    for (const attribute of attributes) editor.setAttribute(node, attribute);
    const before = [...node.inputs];
    for (const [index, input] of inputs.entries()) editor.setInput(node, index, input);
    editor.truncateInputs(node, inputs.length);
    for (const value of before) if (value !== null) this.eraseIfUnread(value);
    editor.addProvenance(node, passName);
    return undefined;
  }

  /** Leaves out the inputs from `length` on, and the constants that only they read. */
  truncateInputs(node: Node, length: number): void {
    const dropped = node.inputs.slice(length);
    this.editor.truncateInputs(node, length);
    for (const value of dropped) if (value !== null) this.eraseIfUnread(value);
  }

  setInput(node: Node, index: number, value: Value | null): void {
    const before = node.inputs[index];
    this.editor.setInput(node, index, value);
    if (before != null && before !== value) this.eraseIfUnread(before);
  }

  setAttribute(node: Node, attribute: Attribute): void {
    this.editor.setAttribute(node, attribute);
  }

  removeAttribute(node: Node, ...names: readonly string[]): void {
    for (const name of names) this.editor.removeAttribute(node, name);
  }

  private eraseIfUnread(value: Value): void {
    if (value.uses.size > 0 || value.pinned || constantTensor(value) === undefined) return;
    if (value.producer === null) this.editor.eraseInitializer(value);
    else if (value.producer.attached) this.editor.eraseNode(value.producer);
  }

  private makeConstant(node: Node, tensor: Tensor, name: string): Value {
    const { graph } = node;
    const inFunction = rootGraph(graph).ownerFunction !== null;
    if (!inFunction && graph.model.irVersion >= plainInitializersSince) {
      return this.editor.addInitializer(graph, tensor, this.editor.generatedName(name));
    }
    const made = this.insert(
      node,
      'Constant',
      [],
      [{ name: 'value', kind: 'tensor', value: tensor }],
      graph.nodes.first,
    );
    this.editor.renameValue(made, name);
    return made;
  }
}

/** Every node below `graph`: readers before producers, an owner before what its subgraphs hold. */
export function* nodesReadersFirst(graph: Graph): Generator<Node> {
  for (const node of graph.nodes.reversed()) {
    yield node;
    for (const body of subgraphs(node)) yield* nodesReadersFirst(body);
  }
}

const isInPlace = (value: Value): boolean =>
  value.producer === null ? value.graph.initializers.has(value) : value.producer.attached;

type NonTensorType = NonNullable<ReturnType<Inference['typeOf']>>;

function schemaType(type: NonTensorType | undefined): string | undefined {
  switch (type?.kind) {
    case 'tensor':
      return type.dtype && `tensor(${type.dtype})`;
    case 'sparse':
      return `sparse_tensor(${type.dtype})`;
    case 'sequence':
    case 'optional': {
      const element = schemaType(type.element);
      return element && `${type.kind === 'sequence' ? 'seq' : 'optional'}(${element})`;
    }
    case 'map': {
      const value = schemaType(type.value);
      return value && `map(${type.key}, ${value})`;
    }
    default:
      return undefined;
  }
}
