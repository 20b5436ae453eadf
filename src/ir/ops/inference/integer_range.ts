import { type DataType, dataTypeBits, dataTypeKind } from '../../data_type.js';
import { type Expr, lowerBound, upperBound } from '../../dim.js';

/** The least and the greatest value of an integer type, bool included; undefined for other types. */
export function integerRange(dtype: DataType): readonly [low: bigint, high: bigint] | undefined {
  const bits = BigInt(dataTypeBits(dtype));
  switch (dataTypeKind(dtype)) {
    case 'signed':
      return [-(2n ** (bits - 1n)), 2n ** (bits - 1n) - 1n];
    case 'unsigned':
      return [0n, 2n ** bits - 1n];
    case 'bool':
      return [0n, 1n];
    default:
      return undefined;
  }
}

/**
 * The element where it fits the type, undefined where it would wrap around. Sizes that are not numbers count as
 * fitting 32 bits and more, as models take them to that compute shapes in int32; anything below 0 does not fit an
 * unsigned type.
 */
export function within(dtype: DataType, element: Expr | undefined): Expr | undefined {
  const range = integerRange(dtype);
  if (range === undefined || element === undefined) return undefined;
  const [low, high] = range;
  if (typeof element !== 'object') return element >= low && element <= high ? element : undefined;
  if (dtype === 'int64') return element;
  const least = lowerBound(element);
  const greatest = upperBound(element);
  if (least !== undefined && greatest !== undefined && least >= low && greatest <= high) return element;
  if (dataTypeBits(dtype) < 32 || (least !== undefined && least > high)) return undefined;
  if (dataTypeKind(dtype) === 'unsigned' && (least === undefined || least < 0)) return undefined;
  return element.terms.every(({ coefficient }) => coefficient >= -high && coefficient <= high) ? element : undefined;
}

/** A known number brought into the type as two's complement does. */
export function wrapped(dtype: DataType, value: bigint): bigint {
  const bits = dataTypeBits(dtype);
  return dataTypeKind(dtype) === 'signed' ? BigInt.asIntN(bits, value) : BigInt.asUintN(bits, value);
}
