/** floor(a/b); `b` is not 0. */
export function floorDivide(a: bigint, b: bigint): bigint {
  const remainder = a % b;
  return remainder !== 0n && remainder < 0n !== b < 0n ? a / b - 1n : a / b;
}

/** ceil(a/b); `b` is not 0. */
export const ceilDivide = (a: bigint, b: bigint): bigint => -floorDivide(-a, b);

export const greatestCommonDivisor = (a: bigint, b: bigint): bigint =>
  b === 0n ? (a < 0n ? -a : a) : greatestCommonDivisor(b, a % b);

/** Of one or more values. */
export function smallest(values: readonly bigint[]): bigint {
  let result = values[0]!;
  for (const value of values) {
    if (value < result) result = value;
  }
  return result;
}

/** Of one or more values. */
export const largest = (values: readonly bigint[]): bigint => -smallest(values.map((value) => -value));
