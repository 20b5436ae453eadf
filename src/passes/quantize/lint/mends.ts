import { getInt } from '../../../ir/attribute.js';
import { constantTensor } from '../../../ir/constant.js';
import type { Editor } from '../../../ir/editor.js';
import type { Node, Value } from '../../../ir/graph.js';
import { elementCount, floatTensor, type Tensor, tensorData, tensorFromData } from '../../../ir/tensor.js';
import { isDequantize, isQuantize, onlyRounds, pairOf, scalesOf, zeroPoints } from '../existing_pairs.js';
import { roundHalfEven } from '../ranges.js';
import type { Fix } from './lint_rule.js';

/** The mend that lets an input read the float value before its pair; none where the pair does more than round. */
export function readingFloat(node: Node, ...indices: readonly number[]): { readonly fix?: Fix } {
  const pairs = indices.map((index) => node.inputs[index]?.producer).map((producer) => producer && pairOf(producer));
  if (!pairs.every((pair) => pair != null && onlyRounds(pair))) return {};
  return {
    fix: {
      kind: 'harmless',
      apply(editor) {
        for (const index of indices) readFloat(node, index, editor);
      },
    },
  };
}

/** Lets an input read the float value before the pair it reads, and takes the pair away where nobody else reads it. */
export function readFloat(node: Node, index: number, editor: Editor): void {
  const dequantize = node.inputs[index]?.producer;
  const quantize = isDequantize(dequantize) ? dequantize.inputs[0]?.producer : undefined;
  if (!isDequantize(dequantize) || !isQuantize(quantize)) return;
  editor.setInput(node, index, quantize.inputs[0]!);
  eraseUnread(dequantize, editor);
}

/** Erases a node that nobody reads, and the Q or DQ before it that then nobody reads. */
export function eraseUnread(node: Node, editor: Editor): void {
  let current: Node | null | undefined = node;
  while (current?.attached) {
    if (current.outputs.some((output) => output !== null && (output.uses.size > 0 || output.pinned))) return;
    const before: Node | null | undefined = current.inputs[0]?.producer;
    editor.eraseNode(current);
    current = isQuantize(before) || isDequantize(before) ? before : null;
  }
}

/** Stores a constant behind DequantizeLinear as floats again. */
export function storeFloat(node: Node, index: number, editor: Editor): void {
  const value = node.inputs[index];
  const tensor = value?.producer == null ? undefined : dequantizedTensor(value.producer);
  if (value?.producer == null || tensor === undefined) return;
  const { producer } = value;
  editor.setInput(node, index, editor.addInitializer(node.graph, tensor, value.name));
  eraseUnread(producer, editor);
}

/**
 * What DequantizeLinear makes of a constant: (q − zeroPoint) · scale in float32, as runtimes compute it. Where a
 * QuantizeLinear stands before it, the constant before that.
 */
export function dequantizedTensor(dequantize: Node): Tensor | undefined {
  const source = dequantize.inputs[0];
  if (isQuantize(source?.producer)) return constantTensor(source.producer.inputs[0]);
  const stored = constantTensor(source);
  const scales = scalesOf(dequantize);
  const zeros = zeroPoints(dequantize);
  if (stored === undefined || scales === undefined || zeros === undefined) return undefined;
  if (!['int8', 'uint8', 'int16', 'uint16', 'int32'].includes(stored.dtype)) return undefined;
  const channelOf = channels(dequantize, stored, scales.length);
  if (channelOf === undefined) return undefined;
  const data = tensorData(stored);
  const result = Float32Array.from(data as Int32Array, (value, at) => {
    const channel = channelOf(at);
    return Math.fround(value - zeros[zeros.length === 1 ? 0 : channel]!) * scales[channel]!;
  });
  return floatTensor(result, stored.dims);
}

/** What QuantizeLinear makes of a float32 constant: round half to even of x / scale, plus the zero point, saturated. */
export function quantizedTensor(quantize: Node): Tensor | undefined {
  const given = constantTensor(quantize.inputs[0]);
  const scales = scalesOf(quantize);
  const zeros = zeroPoints(quantize);
  const dtype = quantize.inputs[2] == null ? 'uint8' : constantTensor(quantize.inputs[2])?.dtype;
  if (given?.dtype !== 'float' || scales === undefined || zeros === undefined) return undefined;
  if (dtype !== 'int8' && dtype !== 'uint8') return undefined;
  if (quantize.attributes.has('output_dtype')) return undefined;
  const channelOf = channels(quantize, given, scales.length);
  if (channelOf === undefined) return undefined;
  const data = tensorData(given) as Float32Array;
  if (data.some((value) => Number.isNaN(value)) || scales.some((scale) => !(scale > 0))) return undefined;
  const [low, high] = dtype === 'int8' ? [-128, 127] : [0, 255];
  const result = dtype === 'int8' ? new Int8Array(data.length) : new Uint8Array(data.length);
  for (const [at, value] of data.entries()) {
    const channel = channelOf(at);
    const zero = zeros[zeros.length === 1 ? 0 : channel]!;
    const rounded = roundHalfEven(Math.fround(value / scales[channel]!)) + zero;
    result[at] = Math.max(low, Math.min(high, rounded));
  }
  return tensorFromData(dtype, given.dims, result);
}

/** Which scale an element has; undefined for scales in blocks and for counts that do not fit. */
function channels(node: Node, tensor: Tensor, count: number): ((at: number) => number) | undefined {
  if (getInt(node, 'block_size', 0) !== 0) return undefined;
  if (count === 1) return () => 0;
  const given = getInt(node, 'axis', 1);
  const axis = given < 0 ? given + tensor.dims.length : given;
  if (tensor.dims[axis] !== count) return undefined;
  const inner = elementCount(tensor.dims.slice(axis + 1));
  return (at) => Math.floor(at / inner) % count;
}

/** Reads another value at an input, and gives up the constant that nobody reads any more. */
export function replaceConstant(node: Node, index: number, tensor: Tensor, editor: Editor): void {
  const old: Value | null | undefined = node.inputs[index];
  editor.setInput(node, index, editor.addInitializer(node.graph, tensor, old?.name ?? 'constant'));
  if (old != null && old.initializer !== null && old.uses.size === 0 && !old.pinned && !old.isInput) {
    editor.eraseInitializer(old);
  }
}
