import type { DataType } from '../../ir/data_type.js';
import { decodeHalf, encodeHalf } from '../../ir/half_float.js';
import type { TypedData } from '../../ir/tensor.js';

/** The typed array of the wanted element type, or why the values have none. */
export type Encoded =
  | { readonly data: TypedData; readonly reason?: undefined }
  | { readonly data?: undefined; readonly reason: string };

export type ElementValue = number | bigint | boolean;

export type ElementValues = ArrayLike<ElementValue> & Iterable<ElementValue>;

/** The least and greatest value of each integer type. */
const integerRanges: Partial<Record<DataType, readonly [bigint, bigint]>> = {
  bool: [0n, 1n],
  uint8: [0n, 2n ** 8n - 1n],
  int8: [-(2n ** 7n), 2n ** 7n - 1n],
  uint16: [0n, 2n ** 16n - 1n],
  int16: [-(2n ** 15n), 2n ** 15n - 1n],
  uint32: [0n, 2n ** 32n - 1n],
  int32: [-(2n ** 31n), 2n ** 31n - 1n],
  uint64: [0n, 2n ** 64n - 1n],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
};

/**
 * Numbers as elements of a type. Integer types take integers in their range and nothing else. Float types round to
 * nearest, but never a finite number to infinity; with `exact` (and for bigints always) they do not round at all.
 */
export function encodeElements(dtype: DataType, values: ElementValues, exact = false): Encoded {
  const range = integerRanges[dtype];
  if (range !== undefined) return encodeIntegers(dtype, values, range);
  switch (dtype) {
    case 'float':
      return encodeFloats(dtype, values, exact, Float32Array.from(values, Number));
    case 'double':
      return encodeFloats(dtype, values, exact, Float64Array.from(values, Number));
    case 'float16':
    case 'bfloat16': {
      const bits = encodeHalf(dtype, Float64Array.from(values, Number));
      const { reason } = encodeFloats(dtype, values, exact, decodeHalf(dtype, bits));
      return reason === undefined ? { data: bits } : { reason };
    }
    default:
      return { reason: `values cannot be written as ${dtype}` };
  }
}

function encodeFloats(
  dtype: DataType,
  values: ElementValues,
  exact: boolean,
  rounded: Float32Array | Float64Array,
): Encoded {
  for (let index = 0; index < values.length; index++) {
    const value = values[index]!;
    const number = rounded[index]!;
    const lost =
      typeof value === 'bigint'
        ? !Number.isFinite(number) || BigInt(number) !== value
        : exact
          ? !Object.is(number, Number(value))
          : !Number.isFinite(number) && Number.isFinite(value);
    if (lost) return { reason: `${value} is not a value of ${dtype}` };
  }
  return { data: rounded };
}

function encodeIntegers(dtype: DataType, values: ElementValues, [least, greatest]: readonly [bigint, bigint]): Encoded {
  const low = Number(least);
  const high = Number(greatest);
  for (const value of values) {
    const fits =
      typeof value === 'bigint'
        ? value >= least && value <= greatest
        : typeof value === 'boolean' || (Number.isSafeInteger(value) && value >= low && value <= high);
    if (!fits) return { reason: `${value} is not a value of ${dtype}` };
  }
  return { data: integerArray(dtype, values) };
}

function integerArray(dtype: DataType, values: ElementValues): TypedData {
  switch (dtype) {
    case 'int8':
      return Int8Array.from(values, Number);
    case 'int16':
      return Int16Array.from(values, Number);
    case 'uint16':
      return Uint16Array.from(values, Number);
    case 'int32':
      return Int32Array.from(values, Number);
    case 'uint32':
      return Uint32Array.from(values, Number);
    case 'int64':
      return BigInt64Array.from(values, BigInt);
    case 'uint64':
      return BigUint64Array.from(values, BigInt);
    default:
      return Uint8Array.from(values, Number);
  }
}
