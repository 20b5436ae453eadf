import { DiagnosticError } from '../ir/diagnostic.js';
import type { Range } from '../passes/quantize/ranges.js';
import { auto } from './calibrators/auto.js';
import { average } from './calibrators/average.js';
import type { ActivationScheme, Calibrator, CalibratorChoice } from './calibrators/calibrator.js';
import { distribution } from './calibrators/distribution.js';
import { entropy } from './calibrators/entropy.js';
import { minmax } from './calibrators/minmax.js';
import { mse } from './calibrators/mse.js';
import { percentile } from './calibrators/percentile.js';
import type { Statistics } from './statistics.js';

export type DeriveOptions = {
  /** Default `minmax`. */
  readonly calibrator?: CalibratorChoice;
  /** Calibrators of single values, by name. */
  readonly calibrators?: ReadonlyMap<string, CalibratorChoice>;
  /** How single values are quantized, by name, where it is not as the others are. */
  readonly activations?: ReadonlyMap<string, ActivationScheme>;
  /** What `percentile` keeps, in percent; default 99.99. */
  readonly percentile?: number;
};

/**
 * A range for each tensor, for activations quantized as the scheme says.
 * @throws DiagnosticError `usage/percentile`, `usage/calibrator`, `calibrate/bad-calibrator` where a calibrator gives no range.
 */
export function deriveRanges(
  { tensors }: Statistics,
  activation: ActivationScheme,
  options: DeriveOptions = {},
): Map<string, Range> {
  const { calibrator = 'minmax', calibrators, activations } = options;
  const percent = options.percentile ?? 99.99;
  calibratorOf(calibrator, percent, activation);
  return new Map(
    [...tensors].map(([name, statistics]) => {
      const quantized = activations?.get(name) ?? activation;
      const calibrate = calibratorOf(calibrators?.get(name) ?? calibrator, percent, quantized);
      return [name, checkedRange(name, calibrate(statistics, quantized))];
    }),
  );
}

function checkedRange(name: string, range: Range): Range {
  const { min, max } = range;
  if (Number.isFinite(min) && Number.isFinite(max) && min <= max) return { min, max };
  throw new DiagnosticError({
    code: 'calibrate/bad-calibrator',
    message: `the calibrator gives [${min}, ${max}] for "${name}"`,
    help: 'It has to return { min, max }, two numbers in order',
  });
}

function calibratorOf(calibrator: CalibratorChoice, percent: number, { dtype }: ActivationScheme): Calibrator {
  if (typeof calibrator === 'function') return calibrator;
  switch (calibrator) {
    case 'minmax':
      return minmax;
    case 'average':
    case 'moving-average':
      return average;
    case 'entropy':
      if (!hasEightBits(dtype)) throw noEntropy(dtype);
      return entropy;
    case 'percentile':
      return percentile(checkedPercent(percent));
    case 'mse':
      return mse;
    case 'distribution':
      return distribution;
    case 'auto':
      return auto([
        minmax,
        average,
        ...(hasEightBits(dtype) ? [entropy] : []),
        ...[99.9, 99.99, 99.999].map(percentile),
        mse,
        distribution,
      ]);
  }
}

const hasEightBits = (dtype: ActivationScheme['dtype']): boolean => dtype === 'uint8' || dtype === 'int8';

const noEntropy = (dtype: string): DiagnosticError =>
  new DiagnosticError({
    code: 'usage/calibrator',
    message: `entropy compares with 256 even levels, which ${dtype} does not have`,
    help: 'Choose another calibrator, such as minmax, percentile or mse',
  });

function checkedPercent(percent: number): number {
  if (percent > 50 && percent <= 100) return percent;
  throw new DiagnosticError({
    code: 'usage/percentile',
    message: `a percentile of ${percent}`,
    help: 'Give more than 50 and at most 100, such as 99.99',
  });
}
