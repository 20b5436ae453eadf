import { getFloat, getInt, getInts, getString } from '../../ir/attribute.js';
import { constantTensor } from '../../ir/constant.js';
import type { Node, Value } from '../../ir/graph.js';
import type { Inference } from '../../ir/ops/inference/inference.js';
import { movesData } from '../../ir/ops/traits.js';
import { elementCount, tensorData } from '../../ir/tensor.js';
import { staticShape } from '../../ir/value_type.js';
import type { QuantizationScheme } from '../target_profile.js';
import { isDequantize, quantizedConstant } from './existing_pairs.js';

/** A node with constant weights that runs on 8 bits. */
export type ComputeNode = {
  readonly node: Node;
  /** What is read in 8 bits: its input, or that of the operator that becomes part of it. */
  readonly input: Value;
  readonly weight: Value;
  readonly weightDims: readonly number[];
  /** The weights are integers already, and stay as they are. */
  readonly isQuantized: boolean;
  /** The axis of the weights along which each output channel has its scale; null: one scale for all. */
  readonly axis: number | null;
  /** null: none, or one that is stored as integers already. */
  readonly bias: Value | null;
};

/** The parts of a node that can run on 8 bits, or why it cannot. */
export function computeNode(node: Node, inference: Inference, scheme: QuantizationScheme): ComputeNode | string {
  const [input, weight, givenBias = null] = node.inputs;
  if (input == null || weight == null || node.outputs[0] == null) return 'an input is missing';
  if (!isFloat(input, inference)) return 'its input is not float32';
  const tensor = constantTensor(weight) ?? quantizedConstant(weight);
  if (tensor === undefined) return isProduct(node) ? 'both operands are activations' : 'its weights are not constant';
  const isQuantized = constantTensor(weight) === undefined;
  if (!isQuantized && tensor.dtype !== 'float') return 'its weights are not float32';
  if (isQuantized && !isFloat(weight, inference)) return 'its weights are not float32';
  if (elementCount(tensor.dims) === 0) return 'its weights have no elements';
  if (constantTensor(input) !== undefined) return 'it reads constants only';
  const bias = isDequantize(givenBias?.producer) && quantizedConstant(givenBias) !== undefined ? null : givenBias;
  const biasTensor = constantTensor(bias);
  if (bias !== null && biasTensor?.dtype !== 'float') return 'its bias is not constant';
  if (bias !== null && biasTensor!.dims.length !== 1) return 'its bias is not one value per channel';
  const axis = weightAxis(node, tensor.dims);
  if (typeof axis === 'string') return axis;
  if (bias !== null && axis !== null && biasTensor!.dims[0] !== tensor.dims[axis]) return 'its bias is broadcast';
  return {
    node,
    input: leadOf(input, scheme)?.inputs[0] ?? input,
    weight,
    weightDims: tensor.dims,
    isQuantized,
    axis: scheme.weight.perChannel ? axis : null,
    bias,
  };
}

export const isFloat = (value: Value, inference: Inference): boolean => {
  const type = inference.typeOf(value);
  return type?.kind === 'tensor' && type.dtype === 'float';
};

/** An operator whose second operand may be an activation. */
const isProduct = (node: Node): boolean => node.opType === 'MatMul' || node.opType === 'Gemm';

/** The padding with zeros that becomes part of the only layer that reads it. */
export function leadOf(input: Value, { roles }: QuantizationScheme): Node | undefined {
  const { producer } = input;
  if (producer === null || (producer.domain !== '' && producer.domain !== 'ai.onnx')) return undefined;
  if (roles[producer.opType] !== 'lead' || input.uses.size !== 1 || input.pinned) return undefined;
  return padsWithZeros(producer) ? producer : undefined;
}

function padsWithZeros(pad: Node): boolean {
  if (getString(pad, 'mode', 'constant') !== 'constant' || pad.inputs[0] == null) return false;
  const fill = constantTensor(pad.inputs[2]);
  const value = pad.inputs[2] == null ? getFloat(pad, 'value', 0) : fill && Number(tensorData(fill)[0]);
  const sizes = constantTensor(pad.inputs[1]);
  const pads = sizes === undefined ? getInts(pad, 'pads', undefined) : Array.from(tensorData(sizes), Number);
  return value === 0 && pads?.every((size) => size >= 0) === true;
}

/** Conv: axis 0. ConvTranspose: axis 1 without groups. Gemm, MatMul: the output columns. Else why there is none. */
export function weightAxis(node: Node, dims: readonly number[]): number | string {
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

/** Why a layer is too small for the target's 8-bit kernels, or undefined. Unknown sizes are large enough. */
export function tooSmall(
  node: Node,
  weightDims: readonly number[],
  inference: Inference,
  { smallest }: QuantizationScheme,
): string | undefined {
  if (smallest === undefined) return undefined;
  if (node.opType === 'Conv' || node.opType === 'ConvTranspose') {
    const { channels, multiple, alignment = 1, places: mostPlaces } = smallest.conv;
    const group = getInt(node, 'group', 1);
    const sides = [weightDims[0]!, weightDims[1]! * group];
    const fits = sides.every((side) => side >= channels) || sides.every((side) => side % multiple === 0);
    if (!fits) return `fewer than ${channels} channels in or out`;
    if (sides[0]! % alignment !== sides[1]! % alignment) {
      return `${sides[1]} channels in and ${sides[0]} out do not line up by ${alignment}`;
    }
    if (mostPlaces !== undefined && elementCount(weightDims.slice(2)) > mostPlaces) {
      return `a filter of more than ${mostPlaces} places`;
    }
    const places = staticShape(inference.shapeOf(node.outputs[0]!))?.toSpliced(1, 1);
    return places !== undefined && elementCount(places) < smallest.matrix.rows ? 'a product with a vector' : undefined;
  }
  const { rows, columns, sums } = smallest.matrix;
  const { outputs, products } = layerSize(node, weightDims);
  if (products < sums) return `sums of fewer than ${sums} products`;
  if (outputs < columns) return `fewer than ${columns} outputs`;
  const type = inference.typeOf(node.inputs[0]!);
  const leading = type?.kind === 'tensor' ? staticShape(type.shape?.slice(0, -1)) : undefined;
  return leading !== undefined && elementCount(leading) < rows ? 'a product with a vector' : undefined;
}

/** Why the product of two activations stays in float, or undefined. */
export function productObstacle(node: Node, inference: Inference, scheme: QuantizationScheme): string | undefined {
  const { longestProduct, smallest } = scheme;
  if (longestProduct === undefined) return 'both operands are activations';
  if (node.opType === 'Gemm') {
    const axis = weightAxis(node, []);
    if (typeof axis === 'string') return axis;
  }
  const shapes = node.inputs.slice(0, 2).map((input) => {
    const type = input == null ? undefined : inference.typeOf(input);
    return type?.kind === 'tensor' && type.dtype === 'float' ? staticShape(type.shape?.slice(-2)) : undefined;
  });
  const [left, right] = shapes;
  if (left?.length !== 2 || right?.length !== 2) return 'both operands are activations, of sizes that are not known';
  const columns = right[node.opType === 'Gemm' && getInt(node, 'transB', 0) !== 0 ? 0 : 1]!;
  const [rows, sums] = [left[0]!, left[1]!];
  const longest = Math.max(rows, sums, columns);
  if (longest > longestProduct) return `both operands are activations, and ${longest} is longer than ${longestProduct}`;
  if (smallest === undefined) return undefined;
  if (sums < smallest.matrix.sums) return `sums of fewer than ${smallest.matrix.sums} products`;
  if (columns < smallest.matrix.columns) return `fewer than ${smallest.matrix.columns} outputs`;
  return rows < smallest.matrix.rows ? 'a product with a vector' : undefined;
}

/** How many channels or columns a layer gives, and how many products are summed for each of their elements. */
export function layerSize(node: Node, dims: readonly number[]): { outputs: number; products: number } {
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
export function isDepthwise(node: Node, dims: readonly number[]): boolean {
  const group = getInt(node, 'group', 1);
  return group > 1 && (node.opType === 'Conv' ? dims[1] : dims[0]! / group) === 1;
}

/** Whether a value is a graph input, or one that only elementwise and moving operators lie before. */
export function readsModelInput(value: Value): boolean {
  let current = value;
  for (let steps = 0; steps < 16; steps += 1) {
    if (current.producer === null) return current.isInput;
    const { opType, inputs } = current.producer;
    if (!movesData(current.producer) && !preprocessing.has(opType)) return false;
    const next = inputs.find((input) => input !== null && constantTensor(input) === undefined);
    if (next == null) return false;
    current = next;
  }
  return false;
}

/** What preprocessing inside a model is made of, beside what moves data. */
const preprocessing: ReadonlySet<string> = new Set(
  'Add Sub Mul Div Cast Pad Clip QuantizeLinear DequantizeLinear'.split(' '),
);
