import type { DataType } from '../../ir/data_type.js';
import { decodeHalf, encodeHalf } from '../../ir/half_float.js';
import { type Tensor, tensorData, tensorFromData } from '../../ir/tensor.js';

/** Floating-point types whose numbers rewrites compute with: in double precision, rounded once on the way back. */
export type FloatType = 'float' | 'double' | 'float16' | 'bfloat16';

/** The smallest positive number of full precision. */
const smallestNormal: Readonly<Record<FloatType, number>> = {
  float: 2 ** -126,
  double: 2 ** -1022,
  float16: 2 ** -14,
  bfloat16: 2 ** -126,
};

export const isFloatType = (dtype: DataType | undefined): dtype is FloatType =>
  dtype !== undefined && Object.hasOwn(smallestNormal, dtype);

/** The numbers in a tensor of a `FloatType`; a view where it holds them as they are. */
export function numbersOf(tensor: Tensor): Float32Array | Float64Array {
  const { dtype } = tensor;
  const data = tensorData(tensor);
  if (dtype === 'float16' || dtype === 'bfloat16') return decodeHalf(dtype, data as Uint16Array);
  return data as Float32Array | Float64Array;
}

/** The nearest tensor of the type. */
export function numbersTensor(dtype: FloatType, values: Float64Array, dims: readonly number[]): Tensor {
  switch (dtype) {
    case 'float':
      return tensorFromData(dtype, dims, new Float32Array(values));
    case 'double':
      return tensorFromData(dtype, dims, values);
    default:
      return tensorFromData(dtype, dims, encodeHalf(dtype, values));
  }
}

/** Whether the type has room for the number: rounding gives no infinity. NaN and infinity have none. */
export function isInRange(dtype: FloatType, value: number): boolean {
  switch (dtype) {
    case 'float':
      return Number.isFinite(Math.fround(value));
    case 'double':
      return Number.isFinite(value);
    case 'float16':
      return Math.abs(value) < 65520;
    case 'bfloat16':
      return Number.isFinite(value) && Math.abs(value) < 2 ** 128 - 2 ** 119;
  }
}

/** Whether the number keeps the type's full precision. */
export const isNormal = (dtype: FloatType, value: number): boolean => Math.abs(value) >= smallestNormal[dtype];
