import { getInt } from '../../ir/attribute.js';
import { constantTensor } from '../../ir/constant.js';
import { decodeE4m3 } from '../../ir/float8.js';
import type { Graph, Node, Value } from '../../ir/graph.js';
import { knownBounds } from '../../ir/ops/known_ranges.js';
import { type Tensor, tensorData } from '../../ir/tensor.js';
import type { ActivationParameters } from './ranges.js';

/** A Q/DQ pair that a model brought along: `result` is `value` rounded to 8 bits. */
export type ExistingPair = {
  readonly value: Value;
  readonly quantize: Node;
  readonly dequantize: Node;
  readonly result: Value;
  /** undefined where a scale a channel, or another integer type, has no place among ours. */
  readonly parameters: ActivationParameters | undefined;
};

export type QuantizeNode = Node & { readonly opType: 'QuantizeLinear' };
export type DequantizeNode = Node & { readonly opType: 'DequantizeLinear' };

const isQdqDomain = ({ domain }: Node): boolean => domain === '' || domain === 'ai.onnx' || domain === 'com.microsoft';

export const isQuantize = (node: Node | null | undefined): node is QuantizeNode =>
  node != null && node.opType === 'QuantizeLinear' && isQdqDomain(node);

export const isDequantize = (node: Node | null | undefined): node is DequantizeNode =>
  node != null && node.opType === 'DequantizeLinear' && isQdqDomain(node);

/** Pairs of the graph whose two halves agree, in order. One value may have several. */
export function existingPairs(graph: Graph): ExistingPair[] {
  return Array.from(graph.nodes, pairOf).filter(
    (pair) => pair !== undefined && constantTensor(pair.value) === undefined,
  ) as ExistingPair[];
}

/** The pair that a DequantizeLinear ends, where its Q says the same. */
export function pairOf(dequantize: Node): ExistingPair | undefined {
  if (!isDequantize(dequantize)) return undefined;
  const quantize = dequantize.inputs[0]?.producer;
  const value = quantize?.inputs[0];
  const result = dequantize.outputs[0];
  if (!isQuantize(quantize) || value == null || result == null) return undefined;
  if (!sameParameters(quantize, dequantize)) return undefined;
  return { value, quantize, dequantize, result, parameters: scalarParameters(quantize) };
}

/** Scale and zero point (an omitted one is 0) of two nodes, and the axis where it matters. */
export function sameParameters(a: Node, b: Node): boolean {
  const [scaleA, scaleB] = [constantTensor(a.inputs[1]), constantTensor(b.inputs[1])];
  if (scaleA === undefined || scaleB === undefined) return a.inputs[1] === b.inputs[1] && a.inputs[2] === b.inputs[2];
  const [dataA, dataB] = [tensorData(scaleA), tensorData(scaleB)];
  if (dataA.length !== dataB.length || dataA.some((scale, index) => scale !== dataB[index])) return false;
  if (dataA.length > 1 && getInt(a, 'axis', 1) !== getInt(b, 'axis', 1)) return false;
  const [zeroA, zeroB] = [zeroPoints(a), zeroPoints(b)];
  if (zeroA === undefined || zeroB === undefined) return a.inputs[2] === b.inputs[2];
  return Array.from({ length: dataA.length }, (_, index) => index).every(
    (index) => (zeroA[index] ?? zeroA[0]) === (zeroB[index] ?? zeroB[0]),
  );
}

/** The zero points of a Q or DQ node, `[0]` where they are omitted; undefined where they are no constants. */
export function zeroPoints(node: Node): number[] | undefined {
  if (node.inputs[2] == null) return [0];
  const tensor = constantTensor(node.inputs[2]);
  if (tensor?.dtype === 'float8e4m3fn') return Array.from(tensor.storage.bytes(), decodeE4m3);
  return tensor === undefined || tensor.dtype === 'string' || tensor.dtype.startsWith('float8')
    ? undefined
    : Array.from(tensorData(tensor), Number);
}

/** The scales of a Q or DQ node; undefined where they are no float32 constants. */
export function scalesOf(node: Node): Float32Array | undefined {
  const tensor = constantTensor(node.inputs[1]);
  return tensor?.dtype === 'float' ? (tensorData(tensor) as Float32Array) : undefined;
}

/** What a Q or DQ node does with one scale for the whole tensor, int8 or uint8. */
export function scalarParameters(node: Node): ActivationParameters | undefined {
  const scales = scalesOf(node);
  const zeros = zeroPoints(node);
  const given = node.inputs[0]?.type;
  const omitted = isQuantize(node) ? 'uint8' : given?.kind === 'tensor' ? given.dtype : undefined;
  const dtype = node.inputs[2] == null ? omitted : constantTensor(node.inputs[2])?.dtype;
  if (scales?.length !== 1 || zeros?.length !== 1 || (dtype !== 'int8' && dtype !== 'uint8')) return undefined;
  if (node.attributes.has('output_dtype')) return undefined;
  const [low, high] = dtype === 'uint8' ? [0, 255] : [-128, 127];
  return { dtype, scale: scales[0]!, zeroPoint: zeros[0]!, low, high };
}

/** A constant that is stored as integers, or becomes so by folding: the tensor behind DQ, or behind Q and DQ. */
export function quantizedConstant(value: Value | null | undefined): Tensor | undefined {
  const dequantize = value?.producer;
  if (!isDequantize(dequantize)) return undefined;
  const stored = dequantize.inputs[0];
  return (
    constantTensor(stored) ?? (isQuantize(stored?.producer) ? constantTensor(stored.producer.inputs[0]) : undefined)
  );
}

/**
 * Whether a pair only rounds: one whose range begins or ends at 0 also cuts off there, which may be all that is left of
 * an activation, unless what it rounds is positive by itself.
 */
export function onlyRounds({ value, quantize }: ExistingPair): boolean {
  const parameters = scalarParameters(quantize);
  if (parameters === undefined) return false;
  const { zeroPoint, low, high } = parameters;
  return zeroPoint === low ? isPositive(value) : zeroPoint !== high;
}

/** Whether no element of a value is below 0, by the operator that computes it. */
export function isPositive({ producer }: Value): boolean {
  const { min } = producer === null ? { min: undefined } : knownBounds(producer.domain, producer.opType);
  return min !== undefined && min >= 0;
}
