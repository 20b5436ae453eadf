import { type DataType, dataTypeBits } from '../../data_type.js';
import type { Expr } from '../../dim.js';
import { integerRange, wrapped } from './integer_range.js';

type Element = Expr | undefined;

const isConstant = (element: Element): element is number | bigint =>
  typeof element === 'number' || typeof element === 'bigint';

const element = (value: bigint): number | bigint => {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
};

/** An operation on the bits of two known numbers. */
export const bitwise =
  (combine: (a: bigint, b: bigint) => bigint) =>
  ([a, b]: readonly Element[]): Element =>
    isConstant(a) && isConstant(b) ? element(combine(BigInt(a), BigInt(b))) : undefined;

export function bitwiseNot(a: Element, dtype: DataType): Element {
  const range = integerRange(dtype);
  return isConstant(a) && range !== undefined ? element(range[0] + range[1] - BigInt(a)) : undefined;
}

/**
 * Shifts a known number by as many bits as it has or fewer; bits past the width are lost, and to the right the sign
 * fills up (BitShift 28, which says it for signed types too).
 */
export function bitShift(a: Element, count: Element, direction: string, dtype: DataType): Element {
  if (!isConstant(a) || typeof count !== 'number' || count < 0 || count >= dataTypeBits(dtype)) return undefined;
  if (direction === 'RIGHT') return element(BigInt(a) >> BigInt(count));
  return direction === 'LEFT' ? element(wrapped(dtype, BigInt(a) << BigInt(count))) : undefined;
}
