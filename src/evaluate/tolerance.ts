import type { OutputError } from './output_error.js';

/** What an output may differ by; a bound that is left out does not count. */
export type Tolerance = {
  /** |error| ≤ absolute + relative · peak, peak being the largest |reference| of the output. */
  readonly absolute: number;
  readonly relative: number;
  readonly minSqnr?: number;
  readonly minCosine?: number;
  /** Share of integer, bool or string elements that may differ. */
  readonly discrete: number;
  /** The same of outputs whose peak is below a size; what differs by a few steps is not counted at all. */
  readonly small?:
    | { readonly below: number; readonly step: number; readonly minSqnr: number; readonly minCosine: number }
    | undefined;
};

/**
 * What follows from a precision. fp32: sums regrouped over deep networks, 1e-4 of the output's peak. int8: 8-bit
 * networks keep 10 to 40 dB; under 8 dB an answer is no longer the same answer. Integer outputs such as a class index
 * may flip where two scores are close. fp8: with three bits of mantissa no truer than int8, but no range ends it. int4:
 * weights in 4 bits, each about 20 dB true, of which deep networks keep less. int8-weights: weights in 8 bits, about
 * 45 dB true, beside float activations. fp16: a rounding to 11 bits is 72 dB true on average and a network makes some
 * hundred, of which sums average most: 30 dB is an error of 3 % of the signal. bf16: 8 bits, 54 dB a rounding, 20 dB after
 * as many. Both hold numbers only where the original does.
 * Below its smallest normal number float16 has fewer bits, in steps of 2^-24: small outputs are held to the bar of bf16.
 */
export const tolerances = {
  fp32: { absolute: 1e-5, relative: 1e-3, minSqnr: 50, discrete: 0.001 },
  int8: { absolute: Number.POSITIVE_INFINITY, relative: 0, minSqnr: 8, minCosine: 0.9, discrete: 0.2 },
  fp8: { absolute: Number.POSITIVE_INFINITY, relative: 0, minSqnr: 8, minCosine: 0.9, discrete: 0.2 },
  int4: { absolute: Number.POSITIVE_INFINITY, relative: 0, minSqnr: 6, minCosine: 0.87, discrete: 0.3 },
  'int8-weights': { absolute: Number.POSITIVE_INFINITY, relative: 0, minSqnr: 20, minCosine: 0.99, discrete: 0.1 },
  fp16: {
    absolute: Number.POSITIVE_INFINITY,
    relative: 0,
    minSqnr: 30,
    minCosine: 0.999,
    discrete: 0.02,
    small: { below: 2 ** -14, step: 2 ** -24, minSqnr: 20, minCosine: 0.99 },
  },
  bf16: { absolute: Number.POSITIVE_INFINITY, relative: 0, minSqnr: 20, minCosine: 0.99, discrete: 0.1 },
} as const satisfies Record<string, Tolerance>;

const fewSteps = 4;

/** Why an output is out of tolerance, or undefined. */
export function toleranceViolation(error: OutputError, tolerance: Tolerance): string | undefined {
  const bound = tolerance.absolute + tolerance.relative * error.peak;
  if (error.nonFiniteMismatches > 0)
    return `${error.nonFiniteMismatches} elements are NaN or infinite on one side only`;
  if (error.maxAbsolute > bound) return `largest error ${format(error.maxAbsolute)} is over ${format(bound)}`;
  const small = tolerance.small !== undefined && error.peak < tolerance.small.below ? tolerance.small : undefined;
  const { minSqnr, minCosine } = small ?? tolerance;
  const significant = isSignificant(error) && error.maxAbsolute > fewSteps * (small?.step ?? 0);
  if (minSqnr !== undefined && significant && error.sqnr < minSqnr) {
    return `SQNR ${error.sqnr.toFixed(1)} dB is under ${minSqnr} dB`;
  }
  if (minCosine !== undefined && significant && error.cosine < minCosine) {
    return `cosine ${error.cosine.toFixed(4)} is under ${minCosine}`;
  }
  const share = error.elements === 0 ? 0 : error.discreteMismatches / error.elements;
  return share > tolerance.discrete ? `${error.discreteMismatches} of ${error.elements} elements differ` : undefined;
}

/** Ratios mean nothing where reference and error are both rounding noise. */
export const isSignificant = ({ maxAbsolute, peak }: OutputError): boolean => maxAbsolute > Math.max(1e-6, peak * 1e-6);

const format = (value: number): string => value.toPrecision(3);
