import type { Range } from '../../passes/quantize/ranges.js';
import type { QuantizationScheme } from '../../passes/target_profile.js';
import type { TensorStatistics } from '../statistics.js';

/** How activations are quantized: what a range is turned into. */
export type ActivationScheme = QuantizationScheme['activation'];

/**
 * The range of a tensor, from what it held and how it will be quantized; what lies beyond saturates. It has to give the
 * same for the same statistics, or results are no longer reproducible.
 */
export type Calibrator = (statistics: TensorStatistics, activation: ActivationScheme) => Range;

/** `moving-average` is `average`: the mean of each sample's extremes, the form of it that no order of samples changes. */
export const calibratorNames = [
  'minmax',
  'average',
  'moving-average',
  'entropy',
  'percentile',
  'mse',
  'distribution',
  'auto',
] as const;

export type CalibratorName = (typeof calibratorNames)[number];

/** By name, or a function of one's own. */
export type CalibratorChoice = CalibratorName | Calibrator;

/** [−size, size] within what the tensor held, so that the side that it does not reach is not widened. */
export const symmetricRange = ({ min, max }: TensorStatistics, size: number): Range => ({
  min: Math.max(min, -size),
  max: Math.min(max, size),
});
