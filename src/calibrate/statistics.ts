import { type Histogram, mergeHistograms } from './histogram.js';

/** All that calibrators need to know of what a tensor held; the same for any order of samples and any split of them. */
export type TensorStatistics = {
  readonly histogram: Histogram;
  /** Exact extremes over all samples. */
  readonly min: number;
  readonly max: number;
  /** Sums of each sample's extremes, in units of 2^-149, of which every float is a multiple: sums without rounding. */
  readonly minSum: bigint;
  readonly maxSum: bigint;
  /** Samples in which the tensor had elements. */
  readonly samples: number;
};

/** By value name. A tensor that was empty in every sample is not among them. */
export type Statistics = { readonly samples: number; readonly tensors: ReadonlyMap<string, TensorStatistics> };

export const sumUnit = 2 ** -149;

/** A float as a multiple of 2^-149. */
export function toSumUnits(value: number): bigint {
  const bits = new Uint32Array(Float32Array.of(value).buffer)[0]!;
  const exponent = (bits >>> 23) & 0xff;
  const fraction = BigInt(bits & 0x7fffff);
  const size = exponent === 0 ? fraction : (fraction | 0x800000n) << BigInt(exponent - 1);
  return value < 0 ? -size : size;
}

export function mergeStatistics(parts: readonly Statistics[]): Statistics {
  const tensors = new Map<string, TensorStatistics>();
  for (const part of parts) {
    for (const [name, statistics] of part.tensors) {
      const known = tensors.get(name);
      tensors.set(name, known === undefined ? statistics : mergeTensor(known, statistics));
    }
  }
  return { samples: parts.reduce((sum, { samples }) => sum + samples, 0), tensors };
}

const mergeTensor = (a: TensorStatistics, b: TensorStatistics): TensorStatistics => ({
  histogram: mergeHistograms(a.histogram, b.histogram),
  min: Math.min(a.min, b.min),
  max: Math.max(a.max, b.max),
  minSum: a.minSum + b.minSum,
  maxSum: a.maxSum + b.maxSum,
  samples: a.samples + b.samples,
});
