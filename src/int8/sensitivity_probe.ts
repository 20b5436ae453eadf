import { ortRunner } from '../backends/ort/run.js';
import { openCalibrationData, requireSamples } from '../calibrate/calibrate.js';
import type { RunningModel } from '../calibrate/runner.js';
import { type Labels, labelled, openLabels } from '../calibrate/sources/label_file.js';
import type { SampleSource } from '../calibrate/sources/source.js';
import { addOutput } from '../evaluate/compare.js';
import { type Metric, metricName, scorerOf } from '../evaluate/metric.js';
import { ErrorAccumulator, type OutputError } from '../evaluate/output_error.js';
import { isSignificant } from '../evaluate/tolerance.js';
import { DiagnosticError } from '../ir/diagnostic.js';
import type { Model } from '../ir/graph.js';
import { floatForm } from './int8_candidate.js';
import type { Int8Plan } from './quantize_int8.js';
import { type Answered, answersOf } from './sensitivity_answers.js';

/** What accuracy is measured on and by. */
export type AccuracyOptions = {
  /** Samples of the calibration data; 32 unless told, with a metric all of them. */
  readonly samples?: number;
  /** Instead of labels that the samples bring. */
  readonly labels?: Labels;
  /** How answers are scored; `top1` where there are labels and nothing else was said. */
  readonly metric?: Metric;
  /** The output that `top1` and `top5` read; the first unless told. */
  readonly metricOutput?: string;
};

/** How far a model answers from float, over all samples. */
export type Accuracy = {
  readonly outputs: readonly OutputAccuracy[];
  /** SQNR of the worst output in dB; of outputs that hold no floats nothing is known here. */
  readonly sqnr: number;
  readonly metric?: number;
};

export type OutputAccuracy = {
  readonly name: string;
  readonly error: OutputError;
  /** In words, where type or shape are not those of float. */
  readonly difference?: string;
};

/** Float answers that models are held against. */
export type AccuracyProbe = {
  readonly samples: number;
  /** The metric of the float model. */
  readonly metric?: { readonly name: string; readonly float: number };
  /** Loads a model, runs it on all samples and lets go of it; or on the first few of them, without the metric. */
  measure(model: Model, first?: number): Promise<Accuracy>;
  close(): Promise<void>;
};

const defaultSamples = 32;

/**
 * Runs the plan's float model on samples of the calibration data.
 * @throws DiagnosticError `quantize/no-calibration-data`, `calibrate/no-samples`, `data/…`, `metric/…`.
 */
export async function openAccuracyProbe(plan: Int8Plan, options: AccuracyOptions): Promise<AccuracyProbe> {
  const runner = ortRunner({ worker: plan.onProgress !== undefined });
  const { metric, limit } = settingsOf(options);
  const names = plan.model.graph.outputs.map(({ name }) => name);
  const metricOutput = options.metricOutput ?? names[0] ?? '';
  const source = await openLabelled(plan, options.labels);
  const newScorer = () => (metric === undefined ? undefined : scorerOf(metric, metricOutput));
  const float = await runner(await floatForm(plan));
  const answered = answersOf(source, float, limit);
  try {
    const scorer = newScorer();
    let samples = 0;
    for await (const { sample, expected } of answered.each()) {
      await scorer?.add(expected, sample);
      samples += 1;
    }
    requireSamples(samples, 1);
    return {
      samples,
      ...(metric !== undefined && { metric: { name: metricName(metric), float: await scorer!.result() } }),
      async measure(model, first) {
        const running = await runner(model);
        const scored = first === undefined ? newScorer() : undefined;
        try {
          return await accuracyOf(running, names, answered.each(first), scored);
        } finally {
          await running.close();
        }
      },
      close: () => float.close(),
    };
  } catch (error) {
    await float.close();
    throw error;
  }
}

async function openLabelled({ model, calibration = {} }: Int8Plan, labels: Labels | undefined): Promise<SampleSource> {
  if (calibration.data === undefined) {
    throw new DiagnosticError({
      code: 'quantize/no-calibration-data',
      message: 'accuracy is measured on samples, and there are none',
      help: 'Give --calibration-data with a folder of samples, beside --ranges as well',
    });
  }
  // What there is to say about the data was said when it was opened for calibration.
  const { onDiagnostic: _said, ...reading } = calibration;
  const opened = await openCalibrationData(model, calibration.data, reading);
  return labels === undefined ? opened : labelled(opened, await openLabels(labels, calibration.cwd));
}

function settingsOf({ samples, labels, metric, metricOutput }: AccuracyOptions): {
  metric: Metric | undefined;
  limit: number;
} {
  const scored = metric ?? (labels !== undefined || metricOutput !== undefined ? 'top1' : undefined);
  return { metric: scored, limit: samples ?? (scored === undefined ? defaultSamples : Number.POSITIVE_INFINITY) };
}

async function accuracyOf(
  model: RunningModel,
  names: readonly string[],
  answered: AsyncIterable<Answered>,
  scorer: ReturnType<typeof scorerOf> | undefined,
): Promise<Accuracy> {
  const errors = new Map(names.map((name) => [name, new ErrorAccumulator()]));
  const differences = new Map<string, string>();
  for await (const { sample, expected } of answered) {
    const actual = await model.run(sample.feeds);
    await scorer?.add(actual, sample);
    for (const [name, error] of errors) {
      const difference = addOutput(error, expected.get(name), actual.get(name));
      if (difference !== undefined && !differences.has(name)) differences.set(name, difference);
    }
  }
  const outputs = Array.from(errors, ([name, error]): OutputAccuracy => {
    const difference = differences.get(name);
    return { name, error: error.result(), ...(difference !== undefined && { difference }) };
  });
  const metric = await scorer?.result();
  return { outputs, sqnr: Math.min(...outputs.map(sqnrOf)), ...(metric !== undefined && { metric }) };
}

/** SQNR in dB as it counts: Infinity where the error is rounding noise, −Infinity where there is no comparing. */
export function sqnrOf({ error, difference }: OutputAccuracy): number {
  if (difference !== undefined || error.nonFiniteMismatches > 0) return Number.NEGATIVE_INFINITY;
  return isSignificant(error) ? error.sqnr : Number.POSITIVE_INFINITY;
}
