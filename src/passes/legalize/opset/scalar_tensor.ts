import { type DataType, dataTypeKind, packedByteLength } from '../../../ir/data_type.js';
import { decodeHalf, encodeHalf } from '../../../ir/half_float.js';
import { elementCount, type Tensor, tensorData, tensorFromBytes, tensorFromData } from '../../../ir/tensor.js';

/** A tensor of a floating-point type whose every element is `value` rounded to it; undefined for other types. */
export function floatsOf(dtype: DataType, dims: readonly number[], value: number): Tensor | undefined {
  const count = elementCount(dims);
  switch (dtype) {
    case 'float':
      return tensorFromData(dtype, dims, new Float32Array(count).fill(value));
    case 'double':
      return tensorFromData(dtype, dims, new Float64Array(count).fill(value));
    case 'float16':
    case 'bfloat16':
      return tensorFromData(dtype, dims, encodeHalf(dtype, new Float64Array(count).fill(value)));
    default:
      return undefined;
  }
}

export const floatScalar = (dtype: DataType, value: number): Tensor | undefined => floatsOf(dtype, [], value);

/** The one element of a floating-point tensor; undefined for other types and counts. */
export function floatElement(tensor: Tensor): number | undefined {
  if (elementCount(tensor.dims) !== 1) return undefined;
  switch (tensor.dtype) {
    case 'float':
    case 'double':
      return Number(tensorData(tensor)[0]);
    case 'float16':
    case 'bfloat16':
      return decodeHalf(tensor.dtype, Uint16Array.from(tensorData(tensor), Number))[0];
    default:
      return undefined;
  }
}

/** All zeros; undefined for strings. */
export function zeros(dtype: DataType, dims: readonly number[]): Tensor | undefined {
  if (dataTypeKind(dtype) === 'string') return undefined;
  return tensorFromBytes(dtype, dims, new Uint8Array(packedByteLength(dtype, elementCount(dims))));
}
