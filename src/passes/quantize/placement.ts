import { getFloat, getInt } from '../../ir/attribute.js';
import { constantTensor } from '../../ir/constant.js';
import type { Graph, Node, Value } from '../../ir/graph.js';
import type { Inference } from '../../ir/ops/inference/inference.js';
import { elementCount, tensorData } from '../../ir/tensor.js';
import type { QuantizationScheme, QuantizedRole } from '../target_profile.js';

/** A node with constant weights that runs on 8 bits. */
export type ComputeNode = {
  readonly node: Node;
  readonly input: Value;
  readonly weight: Value;
  /** The axis of the weights along which each output channel has its scale; null: one scale for all. */
  readonly axis: number | null;
  readonly bias: Value | null;
};

/** Where 8 bits begin and end in a graph, decided before any range is known. */
export type Placement = {
  readonly computes: readonly ComputeNode[];
  /** Nodes between them that run on 8 bits as well. */
  readonly carries: readonly Node[];
  /** Values that get a Q/DQ pair, in topological order, each with the value whose scale it shares (itself, mostly). */
  readonly values: ReadonlyMap<Value, Value>;
  /** Activations that the saturation of the value before them may replace, by their output. */
  readonly absorbed: ReadonlyMap<Value, Node>;
  /** Nodes that could run on 8 bits and stay in float, with the reason. */
  readonly floats: readonly { readonly node: Node; readonly reason: string }[];
};

/** What a user may say about single nodes. */
export type PlacementOptions = {
  /** Nodes to leave in float, by node name or output name; `*` stands for any characters. */
  readonly exclude?: readonly string[];
};

/** Decides where Q/DQ pairs go in the main graph, from a scheme's table of operator roles. */
export function placeQuantization(
  graph: Graph,
  inference: Inference,
  scheme: QuantizationScheme,
  options: PlacementOptions = {},
): Placement {
  const careful = new Placing(graph, inference, scheme, options).run();
  if (careful.computes.length > 0) return careful;
  // Who asks for 8 bits and has sensitive layers only gets those.
  const leaves = { depthwise: false, first: false, shorterSums: 0, fewerOutputs: 0 };
  return new Placing(graph, inference, { ...scheme, leaves }, options).run();
}

class Placing {
  private readonly graph: Graph;
  private readonly inference: Inference;
  private readonly scheme: QuantizationScheme;
  private readonly excluded: (node: Node) => boolean;
  private readonly computes = new Map<Node, ComputeNode>();
  private readonly absorbed = new Map<Value, Node>();
  /** Values that come out of an 8-bit node. */
  private readonly available = new Set<Value>();
  private readonly candidates = new Set<Node>();
  private readonly wanted = new Set<Value>();
  private readonly floats: { node: Node; reason: string }[] = [];

  constructor(graph: Graph, inference: Inference, scheme: QuantizationScheme, options: PlacementOptions) {
    this.graph = graph;
    this.inference = inference;
    this.scheme = scheme;
    this.excluded = nameMatcher(options.exclude ?? []);
  }

  run(): Placement {
    for (const node of this.graph.nodes) this.forward(node);
    for (const node of this.graph.nodes.reversed()) this.backward(node);
    const carries = [...this.candidates].filter((node) => this.isWanted(node));
    return {
      computes: [...this.computes.values()],
      carries,
      values: this.values(new Set(carries)),
      absorbed: this.absorbed,
      floats: this.floats,
    };
  }

  private role(node: Node): QuantizedRole | undefined {
    return node.domain === '' || node.domain === 'ai.onnx' ? this.scheme.roles[node.opType] : undefined;
  }

  /** What each node could do, given what comes in. */
  private forward(node: Node): void {
    const role = this.role(node);
    if (role === undefined || role === 'absorb') return;
    if (role === 'compute' || role === 'compute-float-output') this.forwardCompute(node);
    else if (dataInputs(node).every((input) => this.isAvailable(input))) {
      const reason = this.excluded(node) ? 'excluded by name' : carryReason(node, this.inference);
      if (reason !== undefined) this.floats.push({ node, reason });
      else if (dataInputs(node).some((input) => this.available.has(input))) {
        this.candidates.add(node);
        this.available.add(this.resultOf(node, role !== 'move'));
      }
    }
  }

  private forwardCompute(node: Node): void {
    const found = this.excluded(node) ? 'excluded by name' : computeNode(node, this.inference, this.scheme);
    const reason = typeof found === 'string' ? found : this.sensitivity(found);
    if (typeof found === 'string' || reason !== undefined) {
      this.floats.push({ node, reason: reason ?? '' });
      return;
    }
    this.computes.set(node, found);
    this.available.add(this.resultOf(node, true));
  }

  /** Why a layer that could run on 8 bits had better not, or undefined. */
  private sensitivity({ node, input, weight }: ComputeNode): string | undefined {
    const { depthwise, first, shorterSums, fewerOutputs } = this.scheme.leaves;
    const { outputs, products } = layerSize(node, constantTensor(weight)!.dims);
    if (depthwise && node.opType.startsWith('Conv') && isDepthwise(node, constantTensor(weight)!.dims))
      return 'depthwise';
    if (first && readsModelInput(input)) return 'it reads the input of the model';
    if (products < shorterSums) return `sums of fewer than ${shorterSums} products`;
    return outputs < fewerOutputs ? `fewer than ${fewerOutputs} outputs` : undefined;
  }

  private isAvailable(value: Value): boolean {
    return this.available.has(value) || constantTensor(value)?.dtype === 'float';
  }

  /** The value that leaves a node as 8 bits: behind the activation that its saturation replaces, where there is one. */
  private resultOf(node: Node, mayAbsorb: boolean): Value {
    const output = node.outputs[0]!;
    const [use] = output.uses;
    if (!mayAbsorb || output.uses.size !== 1 || use?.kind !== 'node' || output.pinned) return output;
    const activation = use.user;
    const result = activation.outputs[0];
    if (activation.graph !== this.graph || this.role(activation) !== 'absorb' || use.index !== 0) return output;
    if (result == null || !saturatesLike(activation)) return output;
    this.absorbed.set(result, activation);
    return result;
  }

  private backward(node: Node): void {
    if (this.computes.has(node)) this.wanted.add(this.computes.get(node)!.input);
    else if (this.candidates.has(node) && this.isWanted(node)) {
      for (const input of dataInputs(node)) this.wanted.add(input);
    }
  }

  private isWanted(node: Node): boolean {
    return this.wanted.has(this.peekResult(node));
  }

  private peekResult(node: Node): Value {
    const output = node.outputs[0]!;
    const [use] = output.uses;
    const behind = output.uses.size === 1 && use?.kind === 'node' ? use.user.outputs[0] : undefined;
    return behind != null && this.absorbed.get(behind) === use?.user ? behind : output;
  }

  /** Pairs go on what 8-bit nodes read and write; a node that can give float does so where nobody reads 8 bits. */
  private values(carries: ReadonlySet<Node>): Map<Value, Value> {
    const quantized = new Set<Value>();
    for (const { node, input } of this.computes.values()) {
      quantized.add(input);
      const result = this.peekResult(node);
      if (this.role(node) === 'compute' || this.wanted.has(result)) quantized.add(result);
    }
    const shared = new Map<Value, Value>();
    for (const node of carries) {
      const result = this.peekResult(node);
      for (const input of dataInputs(node)) quantized.add(input);
      quantized.add(result);
      if (this.role(node) === 'move') shared.set(result, dataInputs(node)[0]!);
    }
    const ordered = [...quantized].sort((a, b) => (a.producer?.order ?? -1) - (b.producer?.order ?? -1));
    const sources = new Map<Value, Value>();
    for (const value of ordered) {
      const from = shared.get(value);
      sources.set(value, from === undefined ? value : (sources.get(from) ?? from));
    }
    return sources;
  }
}

function nameMatcher(patterns: readonly string[]): (node: Node) => boolean {
  const quote = (text: string) => text.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*');
  const expressions = patterns.map((pattern) => new RegExp(`^${quote(pattern)}$`));
  return (node) =>
    expressions.some(
      (each) => each.test(node.name) || node.outputs.some((value) => value !== null && each.test(value.name)),
    );
}

/** Inputs that carry activations; the rest are shapes, axes and the like. */
export const dataInputs = (node: Node): Value[] => {
  const count = node.opType === 'Concat' ? node.inputs.length : node.opType === 'Add' || node.opType === 'Mul' ? 2 : 1;
  return node.inputs.slice(0, count).filter((input) => input !== null);
};

const isFloat = (value: Value, inference: Inference): boolean => {
  const type = inference.typeOf(value);
  return type?.kind === 'tensor' && type.dtype === 'float';
};

function carryReason(node: Node, inference: Inference): string | undefined {
  if (node.outputs.slice(1).some((output) => output !== null && output.uses.size > 0)) return 'a second output is read';
  if (!dataInputs(node).every((input) => isFloat(input, inference))) return 'its inputs are not float32';
  return undefined;
}

/** How many channels or columns a layer gives, and how many products are summed for each of their elements. */
function layerSize(node: Node, dims: readonly number[]): { outputs: number; products: number } {
  const group = getInt(node, 'group', 1);
  switch (node.opType) {
    case 'Conv':
      return { outputs: dims[0]!, products: elementCount(dims.slice(1)) };
    case 'ConvTranspose':
      return { outputs: dims[1]! * group, products: (dims[0]! / group) * elementCount(dims.slice(2)) };
    case 'Gemm': {
      const [rows, columns] = getInt(node, 'transB', 0) === 0 ? dims : [dims[1], dims[0]];
      return { outputs: columns!, products: rows! };
    }
    default:
      return { outputs: dims.at(-1)!, products: dims.at(-2)! };
  }
}

/** One channel a group. */
function isDepthwise(node: Node, dims: readonly number[]): boolean {
  const group = getInt(node, 'group', 1);
  return group > 1 && (node.opType === 'Conv' ? dims[1] : dims[0]! / group) === 1;
}

/** Whether a value is a graph input, or one that only elementwise and moving operators lie before. */
function readsModelInput(value: Value): boolean {
  let current = value;
  for (let steps = 0; steps < 16; steps += 1) {
    if (current.producer === null) return current.isInput;
    const { opType, inputs } = current.producer;
    if (!betweenInputAndLayer.has(opType)) return false;
    const next = inputs.find((input) => input !== null && constantTensor(input) === undefined);
    if (next == null) return false;
    current = next;
  }
  return false;
}

/** What preprocessing inside a model is made of. */
const betweenInputAndLayer: ReadonlySet<string> = new Set(
  'Add Sub Mul Div Cast Transpose Reshape Pad Concat Split Slice Identity Clip QuantizeLinear DequantizeLinear'.split(
    ' ',
  ),
);

/** Relu, and Clip from 0: what saturation at a zero point at the low end does as well. */
function saturatesLike(activation: Node): boolean {
  if (activation.opType === 'Relu') return true;
  const low = activation.attributes.has('min')
    ? getFloat(activation, 'min', undefined)
    : scalarOf(activation.inputs[1]);
  const high = activation.attributes.has('max')
    ? getFloat(activation, 'max', undefined)
    : scalarOf(activation.inputs[2]);
  return low === 0 && (high === undefined ? activation.inputs[2] == null : high > 0);
}

function scalarOf(value: Value | null | undefined): number | undefined {
  const tensor = constantTensor(value);
  if (tensor?.dtype !== 'float' || tensor.byteLength !== 4) return undefined;
  return Number(tensorData(tensor)[0]);
}

/** The parts of a node that can run on 8 bits, or why it cannot. */
function computeNode(node: Node, inference: Inference, scheme: QuantizationScheme): ComputeNode | string {
  const [input, weight, bias = null] = node.inputs;
  if (input == null || weight == null || node.outputs[0] == null) return 'an input is missing';
  if (!isFloat(input, inference)) return 'its input is not float32';
  const tensor = constantTensor(weight);
  if (tensor === undefined)
    return node.opType === 'MatMul' ? 'both operands are activations' : 'its weights are not constant';
  if (tensor.dtype !== 'float') return 'its weights are not float32';
  if (constantTensor(input) !== undefined) return 'it reads constants only';
  const biasTensor = constantTensor(bias);
  if (bias !== null && biasTensor?.dtype !== 'float') return 'its bias is not constant';
  if (bias !== null && biasTensor!.dims.length !== 1) return 'its bias is not one value per channel';
  const axis = weightAxis(node, tensor.dims);
  if (typeof axis === 'string') return axis;
  if (bias !== null && axis !== null && biasTensor!.dims[0] !== tensor.dims[axis]) return 'its bias is broadcast';
  return { node, input, weight, axis: scheme.weight.perChannel ? axis : null, bias };
}

/** Conv: axis 0. ConvTranspose: axis 1 without groups. Gemm, MatMul: the output columns. */
function weightAxis(node: Node, dims: readonly number[]): number | null | string {
  switch (node.opType) {
    case 'Conv':
      return 0;
    case 'ConvTranspose':
      return getInt(node, 'group', 1) === 1 ? 1 : 'a grouped transposed convolution shares scales between groups';
    case 'Gemm':
      if (getFloat(node, 'alpha', 1) !== 1 || getFloat(node, 'beta', 1) !== 1) return 'alpha or beta is not 1';
      if (getInt(node, 'transA', 0) !== 0) return 'its input is transposed';
      return getInt(node, 'transB', 0) === 0 ? 1 : 0;
    case 'MatMul':
      return dims.length === 2 ? 1 : 'its weights are not a matrix';
    default:
      return 'no rule says how its weights are laid out';
  }
}
