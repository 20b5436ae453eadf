import { constantTensor } from '../../ir/constant.js';
import type { Node, Value } from '../../ir/graph.js';
import { decodeHalf } from '../../ir/half_float.js';
import type { Inference } from '../../ir/ops/inference/inference.js';
import { elementCount, type Tensor, tensorData } from '../../ir/tensor.js';

/** The number in a tensor of one element; undefined for others, strings and complex numbers. */
export function scalarValue(tensor: Tensor): number | undefined {
  if (elementCount(tensor.dims) !== 1) return undefined;
  switch (tensor.dtype) {
    case 'float16':
    case 'bfloat16':
      return decodeHalf(tensor.dtype, tensorData(tensor) as Uint16Array)[0];
    case 'float':
    case 'double':
    case 'int64':
    case 'int32':
    case 'int16':
    case 'int8':
    case 'uint64':
    case 'uint32':
    case 'uint16':
    case 'uint8':
    case 'bool':
      return Number(tensorData(tensor)[0]);
    default:
      return undefined;
  }
}

/** Half a step of a type, relative: how far the nearest number it has may lie from the one that was meant. */
const halfSteps: Readonly<Record<string, number>> = { float16: 2 ** -11, bfloat16: 2 ** -8 };

/** Whether the number in a tensor of one element is `expected`, as exactly as its type can say. */
export const holdsNumber = (tensor: Tensor, found: number, expected: number, tolerance: number): boolean =>
  isClose(found, expected, Math.max(tolerance, halfSteps[tensor.dtype] ?? 0));

/** Whether two numbers agree to `tolerance`, relative to the second. */
export const isClose = (found: number, expected: number, tolerance: number): boolean =>
  found === expected || Math.abs(found - expected) <= tolerance * Math.abs(expected);

/**
 * The number in a constant operand of one element, as long as its rank cannot become the rank of what `reader` computes:
 * it has none, or another operand is known to have as many axes.
 */
export function scalarOperand(value: Value | null, reader: Node | undefined, inference: Inference): number | undefined {
  const tensor = constantTensor(value);
  if (tensor === undefined || elementCount(tensor.dims) !== 1) return undefined;
  const rank = tensor.dims.length;
  const others = reader?.inputs.filter((input) => input !== null && input !== value) ?? [];
  const fits = rank === 0 || others.some((other) => (inference.shapeOf(other!)?.length ?? -1) >= rank);
  return fits ? scalarValue(tensor) : undefined;
}
