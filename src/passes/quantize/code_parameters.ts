import { roundHalfEven } from './ranges.js';

/** weight ≈ (code − zeroPoint) · scale, codes from 0 to `highest`. */
export type CodeParameters = { readonly scale: number; readonly zeroPoint: number };

/** How a group of weights is brought to codes. */
export type CodeOptions = {
  /** The largest code: 15 for 4 bits, 255 for 8, 2 · limit for integers of at most ±limit. */
  readonly highest: number;
  /** Zero point in the middle; else where the range of the group puts it. */
  readonly symmetric: boolean;
  /** Whether a symmetric scale may be negative, which puts an end on either side at the code that lies further out. */
  readonly negativeScales?: boolean;
  /** `range`: nothing is cut off; `mse`: the scale of the least squared error among fractions of it. */
  readonly scales: 'range' | 'mse';
};

/** The smallest positive normal float32: a scale below loses bits. */
const smallestScale = 2 ** -126;

/**
 * Scale and zero point of a group of weights. Symmetric: the zero point is the middle code, and the scale the smallest
 * that reaches both ends, −8 and 7 steps away for 4 bits; or, where it may be negative, the one that puts the larger end
 * at −8 steps, which cuts off at most a step of the other. Asymmetric: scale = (max − min) / highest over the range widened
 * to hold 0, zeroPoint = round(−min / scale). Groups of zeros have scale 1.
 */
export function codeParameters(group: Float32Array, options: CodeOptions): CodeParameters {
  const widest = widestParameters(group, options);
  return options.scales === 'range' ? widest : leastSquares(group, widest, options);
}

function widestParameters(
  group: Float32Array,
  { highest, symmetric, negativeScales = false }: CodeOptions,
): CodeParameters {
  let min = 0;
  let max = 0;
  for (const weight of group) {
    if (weight < min) min = weight;
    else if (weight > max) max = weight;
  }
  const middle = Math.ceil(highest / 2);
  if (symmetric && negativeScales) return { scale: toScale((-min > max ? min : max) / -middle), zeroPoint: middle };
  if (symmetric) return { scale: toScale(Math.max(-min / middle, max / (highest - middle))), zeroPoint: middle };
  const scale = toScale((max - min) / highest);
  return { scale, zeroPoint: Math.min(highest, Math.max(0, roundHalfEven(-min / scale))) };
}

function toScale(width: number): number {
  const scale = Math.fround(width);
  return Math.abs(scale) < smallestScale ? 1 : scale;
}

/** Fractions of the widest scale that are tried. Under a third of it, more is cut off than rounding can win back. */
const fractions = Float64Array.from({ length: 32 }, (_, index) => 1 - index / 48);

function leastSquares(group: Float32Array, widest: CodeParameters, { highest, symmetric }: CodeOptions) {
  let best = widest;
  let least = Number.POSITIVE_INFINITY;
  for (const fraction of fractions) {
    const scale = toScale(widest.scale * fraction);
    const shifted = Math.min(highest, Math.max(0, roundHalfEven(widest.zeroPoint / fraction)));
    // Cutting off both ends leaves the zero point where it is; cutting off the upper one alone moves it.
    for (const zeroPoint of symmetric || shifted === widest.zeroPoint
      ? [widest.zeroPoint]
      : [widest.zeroPoint, shifted]) {
      const error = squaredError(group, { scale, zeroPoint }, highest, least);
      if (error < least) {
        least = error;
        best = { scale, zeroPoint };
      }
    }
  }
  return best;
}

/** Stops counting past `enough`. */
function squaredError(group: Float32Array, parameters: CodeParameters, highest: number, enough: number): number {
  const { scale, zeroPoint } = parameters;
  let sum = 0;
  for (const weight of group) {
    const error = (saturated(nearest(weight / scale, zeroPoint), highest) - zeroPoint) * scale - weight;
    sum += error * error;
    if (sum >= enough) return sum;
  }
  return sum;
}

/** Rounds half to even and saturates. The zero point need not be whole. */
export function codeOf(weight: number, { scale, zeroPoint }: CodeParameters, highest: number): number {
  return saturated(nearest(weight / scale, zeroPoint), highest);
}

/** For |steps| < 2^50: the sum has no bits left behind the point, and the processor rounds it half to even. */
const noFraction = 1.5 * 2 ** 52;

/** Rounds half to even, for |steps| < 2^50. */
export const nearestStep = (steps: number): number => steps + noFraction - noFraction;

/** A whole zero point is added behind the rounding, as QuantizeLinear does. */
export const nearest = (steps: number, zeroPoint: number): number =>
  Number.isInteger(zeroPoint)
    ? steps + noFraction - noFraction + zeroPoint
    : steps + zeroPoint + noFraction - noFraction;

export const saturated = (code: number, highest: number): number => Math.min(highest, Math.max(0, code));
