import { hostCpu } from './backends/ort/host.js';
import { ortEvaluator, ortRunner } from './backends/ort/run.js';
import { findTarget } from './backends/target.js';
import { openCalibrationData, requireSamples } from './calibrate/calibrate.js';
import { type DeriveOptions, deriveRanges } from './calibrate/derive_ranges.js';
import { type ObserveOptions, observeStatistics } from './calibrate/observe_statistics.js';
import { shardSource } from './calibrate/shard_source.js';
import type { OpenSourceOptions, SourceSpec } from './calibrate/sources/open_source.js';
import type { Statistics } from './calibrate/statistics.js';
import { mergeStatisticsFiles, type SavedStatistics, type Shard } from './calibrate/statistics_file.js';
import { placeInt8, prepareInt8 } from './int8/prepare_int8.js';
import { requestedScheme, type SchemeRequest } from './int8/requested_scheme.js';
import { cloneModel } from './ir/clone.js';
import type { Model } from './ir/graph.js';
import { loadModel } from './ir/onnx/files.js';
import { type PipelineStep, runPipeline } from './passes/pipeline.js';
import { standardPipeline } from './passes/pipelines.js';
import { valuesToObserve } from './passes/quantize/activation_ranges.js';
import type { Ranges } from './passes/quantize/ranges.js';
import type { PlacementOptions } from './passes/quantize/selection.js';
import type { QuantizationScheme, TargetProfile } from './passes/target_profile.js';
import type { Progress } from './progress.js';

/** Whose activations: what is observed, and how ranges are made of it, follows from them. */
export type CalibrationTarget = Pick<SchemeRequest, 'precision' | 'force'> & {
  /** Default `ort-cpu`. */
  readonly target?: string | TargetProfile;
  /** Kind of processor that int8 is laid out for; that of this machine unless told. */
  readonly cpu?: string;
};

export type CalibrateModelOptions = OpenSourceOptions &
  CalibrationTarget &
  Pick<ObserveOptions, 'limit' | 'maxFetchBytes'> & {
    /** A model file, or a model in memory, which is not changed. */
    readonly model: string | Model;
    readonly data: SourceSpec;
    /** Only these samples, to be merged with the other shards' later. */
    readonly shard?: Shard;
    readonly quantization?: PlacementOptions;
    readonly onProgress?: Progress;
  };

/**
 * What the values that int8 needs ranges for hold on the samples: enough to derive the ranges of any calibrator.
 * @throws DiagnosticError with the code of what is wrong with the model, the data or the request.
 */
export async function calibrateModel(options: CalibrateModelOptions): Promise<SavedStatistics> {
  const { data, shard, onProgress, limit } = options;
  const { target, scheme } = schemeOf(options);
  const model = cloneModel(typeof options.model === 'string' ? loadModel(options.model) : options.model);
  const run = async (steps: readonly PipelineStep[]) => {
    await runPipeline(model, steps, { target, evaluate: ortEvaluator(), onPass: onProgress?.pass });
  };
  await run(standardPipeline);
  await prepareInt8(model, scheme, target, run, options.quantization);
  const placement = placeInt8(model, scheme, options.quantization);
  const values = valuesToObserve(placement);
  onProgress?.stage?.('calibrating');
  const source = await openCalibrationData(model, data, options);
  const statistics = await observeStatistics(
    model,
    values,
    shard === undefined ? source : shardSource(source, shard, limit),
    ortRunner({ worker: onProgress !== undefined }),
    { ...options, ...(shard !== undefined && { limit: undefined }), onSample: onProgress?.sample },
  );
  // A shard may come away with nothing where there are fewer samples than shards.
  if (shard === undefined) requireSamples(statistics.samples, values.length);
  return { ...statistics, ...(shard && { shard }) };
}

/** Ranges out of statistics, by a calibrator and the way the target quantizes activations. */
export const rangesFromStatistics = (
  statistics: Statistics,
  options: CalibrationTarget & DeriveOptions = {},
): { readonly samples: number; readonly ranges: Ranges } => ({
  samples: statistics.samples,
  ranges: deriveRanges(statistics, schemeOf(options).scheme.activation, options),
});

/**
 * The statistics of all shards, from the files of each.
 * @throws DiagnosticError `calibrate/bad-statistics-file`, `calibrate/shards-incomplete`, `calibrate/no-samples`.
 */
export function mergeShards(files: readonly string[]): Statistics {
  const merged = mergeStatisticsFiles(files);
  requireSamples(merged.samples, 1);
  return merged;
}

function schemeOf(options: CalibrationTarget): { target: TargetProfile; scheme: QuantizationScheme } {
  const target = typeof options.target === 'object' ? options.target : findTarget(options.target ?? 'ort-cpu');
  return { target, scheme: requestedScheme(target, options.cpu ?? hostCpu().kind, options) };
}
