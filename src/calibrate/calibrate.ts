import { DiagnosticError } from '../ir/diagnostic.js';
import type { Model, Value } from '../ir/graph.js';
import type { Ranges } from '../passes/quantize/ranges.js';
import { type Calibrator, type Observation, observeRanges } from './observe_ranges.js';
import { loadRanges } from './ranges_file.js';
import type { ModelRunner } from './runner.js';
import { type OpenSourceOptions, openSource, type SourceSpec } from './sources/open_source.js';

export type CalibrationOptions = OpenSourceOptions & {
  /** Samples of what the model will see. */
  readonly data?: SourceSpec;
  /** Ranges known already: a file that was saved, or a map. Data is not read then. */
  readonly ranges?: string | Ranges;
  readonly calibrator?: Calibrator;
  /** Stop after this many samples. */
  readonly limit?: number;
  onSample?(done: number, total: number | undefined): void;
};

/**
 * Ranges of `values`, observed on the data or taken from a file.
 * @throws DiagnosticError `quantize/no-calibration-data`, and what reading and running report.
 */
export async function calibrate(
  model: Model,
  values: readonly Value[],
  runner: ModelRunner,
  options: CalibrationOptions,
): Promise<Observation> {
  const { data, ranges } = options;
  if (typeof ranges === 'string') return loadRanges(ranges);
  if (ranges !== undefined) return { ranges, samples: 0 };
  if (data === undefined) {
    throw new DiagnosticError({
      code: 'quantize/no-calibration-data',
      message: '8-bit activations need samples to find their ranges',
      help: 'Give --calibration-data with a folder of samples, or --ranges with a saved file',
    });
  }
  const inputs = model.graph.inputs.filter(({ initializer }) => initializer === null);
  const source = await openSource(data, inputs, options);
  return observeRanges(model, values, source, runner, options);
}
