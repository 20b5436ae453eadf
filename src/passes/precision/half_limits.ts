import type { HalfType } from '../../ir/half_float.js';

/** What a 16-bit float type can hold. */
export type HalfLimits = {
  /** The largest finite number. */
  readonly largest: number;
  /** Up to here every whole number is exact: 2 to the bits of the significand. */
  readonly wholeNumbers: number;
  /** The smallest number with all its digits. */
  readonly smallestNormal: number;
  /** The step between numbers below that; up to half of it rounds to 0. */
  readonly smallestStep: number;
  /** How far rounding takes a normal number at most, relative to it. */
  readonly rounding: number;
  /**
   * Terms that a sum may have. Rounded after each addition, n terms lose up to n · `rounding` of the sum of magnitudes:
   * 3 % here.
   */
  readonly longestSum: number;
  /** Entries that a softmax may run over: half of the sum is lost at worst, where it is rounded after each addition. */
  readonly longestSoftmax: number;
};

/** IEEE 754 binary16, and the upper half of binary32. */
export const halfLimits: Readonly<Record<HalfType, HalfLimits>> = {
  float16: {
    largest: 65504,
    wholeNumbers: 2 ** 11,
    smallestNormal: 2 ** -14,
    smallestStep: 2 ** -24,
    rounding: 2 ** -11,
    longestSum: 64,
    longestSoftmax: 1024,
  },
  bfloat16: {
    largest: (2 - 2 ** -7) * 2 ** 127,
    wholeNumbers: 2 ** 8,
    smallestNormal: 2 ** -126,
    smallestStep: 2 ** -133,
    rounding: 2 ** -8,
    longestSum: 8,
    longestSoftmax: 128,
  },
};
