import { DiagnosticError } from '../ir/diagnostic.js';
import type { Range } from '../passes/quantize/ranges.js';
import { auto } from './calibrators/auto.js';
import { average } from './calibrators/average.js';
import type { ActivationScheme, Calibrator, CalibratorName } from './calibrators/calibrator.js';
import { distribution } from './calibrators/distribution.js';
import { entropy } from './calibrators/entropy.js';
import { minmax } from './calibrators/minmax.js';
import { mse } from './calibrators/mse.js';
import { percentile } from './calibrators/percentile.js';
import type { Statistics } from './statistics.js';

export type DeriveOptions = {
  /** Default `minmax`. */
  readonly calibrator?: CalibratorName;
  /** What `percentile` keeps, in percent; default 99.99. */
  readonly percentile?: number;
};

/**
 * A range for each tensor, for activations quantized as the scheme says.
 * @throws DiagnosticError `usage/percentile`.
 */
export function deriveRanges(
  { tensors }: Statistics,
  activation: ActivationScheme,
  options: DeriveOptions = {},
): Map<string, Range> {
  const calibrator = calibratorOf(options);
  return new Map([...tensors].map(([name, statistics]) => [name, calibrator(statistics, activation)]));
}

function calibratorOf({ calibrator = 'minmax', percentile: percent = 99.99 }: DeriveOptions): Calibrator {
  switch (calibrator) {
    case 'minmax':
      return minmax;
    case 'average':
      return average;
    case 'entropy':
      return entropy;
    case 'percentile':
      return percentile(checkedPercent(percent));
    case 'mse':
      return mse;
    case 'distribution':
      return distribution;
    case 'auto':
      return auto([minmax, average, entropy, ...[99.9, 99.99, 99.999].map(percentile), mse, distribution]);
  }
}

function checkedPercent(percent: number): number {
  if (percent > 50 && percent <= 100) return percent;
  throw new DiagnosticError({
    code: 'usage/percentile',
    message: `a percentile of ${percent}`,
    help: 'Give more than 50 and at most 100, such as 99.99',
  });
}
