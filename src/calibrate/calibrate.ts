import { DiagnosticError } from '../ir/diagnostic.js';
import type { Model, Value } from '../ir/graph.js';
import type { Ranges } from '../passes/quantize/ranges.js';
import type { ActivationScheme, CalibratorChoice } from './calibrators/calibrator.js';
import { type DeriveOptions, deriveRanges } from './derive_ranges.js';
import { type Observation, observeRanges } from './observe_ranges.js';
import { observeStatistics } from './observe_statistics.js';
import { loadRanges } from './ranges_file.js';
import type { ModelRunner } from './runner.js';
import { type OpenSourceOptions, openSource, type SourceSpec } from './sources/open_source.js';
import type { SampleSource } from './sources/source.js';

export type CalibrationOptions = OpenSourceOptions & {
  /** Samples of what the model will see. */
  readonly data?: SourceSpec;
  /** Ranges known already: a file that was saved, or a map. Data is not read then. */
  readonly ranges?: string | Ranges;
  /** How a range comes from the samples, by name or as a function of one's own; default `minmax`. */
  readonly calibrator?: CalibratorChoice;
  /** What the calibrator `percentile` keeps, in percent; default 99.99. */
  readonly percentile?: number;
  /** Stop after this many samples. */
  readonly limit?: number;
  onSample?(done: number, total: number | undefined): void;
};

/**
 * Ranges of `values`, observed on the data for activations of the given scheme, or taken from a file.
 * @throws DiagnosticError `quantize/no-calibration-data`, and what reading and running report.
 */
export async function calibrate(
  model: Model,
  values: readonly Value[],
  runner: ModelRunner,
  activation: ActivationScheme,
  options: CalibrationOptions & Pick<DeriveOptions, 'calibrators' | 'activations'>,
): Promise<Observation> {
  const { data, ranges, calibrator = 'minmax', calibrators = new Map() } = options;
  if (typeof ranges === 'string') return loadRanges(ranges);
  if (ranges !== undefined) return { ranges, samples: 0 };
  const source = await openCalibrationData(model, data, options);
  if (calibrators.size === 0 && !countsElements(calibrator)) {
    const extremes = calibrator === 'minmax' ? calibrator : 'average';
    return observeRanges(model, values, source, runner, { ...options, calibrator: extremes });
  }
  const statistics = await observeStatistics(model, values, source, runner, options);
  requireSamples(statistics.samples, values.length);
  return { ranges: deriveRanges(statistics, activation, options), samples: statistics.samples };
}

/** Whether a calibrator looks at every element; the others leave it to the runtime to find extremes. */
export const countsElements = (calibrator: CalibratorChoice): boolean =>
  calibrator !== 'minmax' && calibrator !== 'average' && calibrator !== 'moving-average';

/** @throws DiagnosticError `quantize/no-calibration-data`, `data/…`. */
export async function openCalibrationData(
  model: Model,
  data: SourceSpec | undefined,
  options: OpenSourceOptions,
): Promise<SampleSource> {
  if (data === undefined) {
    throw new DiagnosticError({
      code: 'quantize/no-calibration-data',
      message: '8-bit activations need samples to find their ranges',
      help: 'Give --calibration-data with a folder of samples, or --ranges with a saved file',
    });
  }
  const inputs = model.graph.inputs.filter(({ initializer }) => initializer === null);
  return openSource(data, inputs, options);
}

/** @throws DiagnosticError `calibrate/no-samples`. */
export function requireSamples(samples: number, values: number): void {
  if (samples > 0 || values === 0) return;
  throw new DiagnosticError({ code: 'calibrate/no-samples', message: 'the data holds no sample' });
}
