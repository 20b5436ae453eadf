import type { Range } from '../../passes/quantize/ranges.js';
import type { QuantizationScheme } from '../../passes/target_profile.js';
import type { TensorStatistics } from '../statistics.js';

/** How activations are quantized: what a range is turned into. */
export type ActivationScheme = QuantizationScheme['activation'];

/** The range of a tensor, from what it held and how it will be quantized; what lies beyond saturates. */
export type Calibrator = (statistics: TensorStatistics, activation: ActivationScheme) => Range;

export const calibratorNames = ['minmax', 'average', 'entropy', 'percentile', 'mse', 'distribution', 'auto'] as const;

export type CalibratorName = (typeof calibratorNames)[number];

/** [−size, size] within what the tensor held, so that the side that it does not reach is not widened. */
export const symmetricRange = ({ min, max }: TensorStatistics, size: number): Range => ({
  min: Math.max(min, -size),
  max: Math.min(max, size),
});
