import type { Range } from '../../passes/quantize/ranges.js';
import { sumUnit } from '../statistics.js';
import type { Calibrator } from './calibrator.js';

/**
 * The mean of each sample's extremes, which a single odd sample does not stretch. What one run takes counts as a sample,
 * so this one alone depends on how samples are batched.
 */
export const average: Calibrator = ({ minSum, maxSum, samples }) => meanRange(minSum, maxSum, samples);

/** Of sums in units of 2^-149. */
export const meanRange = (minSum: bigint, maxSum: bigint, samples: number): Range => ({
  min: (Number(minSum) * sumUnit) / samples,
  max: (Number(maxSum) * sumUnit) / samples,
});
