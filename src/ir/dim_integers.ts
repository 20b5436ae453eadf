/** floor(a/b); `b` is not 0. */
export function floorDivide(a: bigint, b: bigint): bigint {
  const remainder = a % b;
  return remainder !== 0n && remainder < 0n !== b < 0n ? a / b - 1n : a / b;
}

/** ceil(a/b); `b` is not 0. */
export const ceilDivide = (a: bigint, b: bigint): bigint => -floorDivide(-a, b);

export const greatestCommonDivisor = (a: bigint, b: bigint): bigint =>
  b === 0n ? (a < 0n ? -a : a) : greatestCommonDivisor(b, a % b);
