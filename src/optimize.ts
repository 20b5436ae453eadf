import fs from 'node:fs';
import path from 'node:path';
import { ortEvaluator } from './backends/ort/run.js';
import { findTarget } from './backends/target.js';
import type { CalibrationOptions } from './calibrate/calibrate.js';
import { type Check, type CheckOptions, checkDiagnostics } from './evaluate/check.js';
import { type ModelSummary, modelFileBytes, summarizeModel } from './evaluate/summary.js';
import { type CastReport, castToHalf, type HalfOptions } from './half/cast_to_half.js';
import { type QuantizationOptions, type QuantizationReport, quantizeInt8 } from './int8/quantize_int8.js';
import { cloneModel } from './ir/clone.js';
import { type Diagnostic, DiagnosticError } from './ir/diagnostic.js';
import type { Model } from './ir/graph.js';
import { loadModel, openStaging, type SavedFiles, type SaveOptions, saveModelInto } from './ir/onnx/files.js';
import { type PassReport, type PipelineReport, type PipelineStep, runPipeline } from './passes/pipeline.js';
import { ownOperatorsPipeline, standardPipeline } from './passes/pipelines.js';
import type { FpContract, TargetProfile } from './passes/target_profile.js';
import type { Progress } from './progress.js';
import { checkSamples, checkTolerance, proveResult } from './prove_result.js';
import { eightBitsOf, halfOf, opsetSteps, type Precision, requirePrecision } from './requested_precision.js';

export type OptimizeOptions = {
  /** A model file, or a model in memory, which is not changed. */
  readonly model: string | Model;
  /** Where the result is written; without it, nothing is. */
  readonly output?: string;
  /** Default `ort-cpu`. */
  readonly target?: string | TargetProfile;
  /** Default `fp32`. `int8+fp16`: 8 bits where they go, and float16 where they do not. */
  readonly precision?: Precision;
  /** int8 also where the target gains nothing by it, to see what it answers. */
  readonly force?: boolean;
  /** Instead of the pipeline that simplifies. */
  readonly pipeline?: readonly PipelineStep[];
  /** Kind of processor that int8 is laid out for; that of this machine unless told. */
  readonly cpu?: string;
  readonly calibration?: CalibrationOptions;
  readonly quantization?: QuantizationOptions;
  /** Where 16-bit floats go; with `fp16`, `bf16` and `int8+fp16`. */
  readonly half?: HalfOptions;
  /** How the result is compared with the original; `false`: not at all. */
  readonly check?: CheckOptions | false;
  readonly save?: SaveOptions;
  /** Bytes that constant folding may add. */
  readonly maxGrowthBytes?: number;
  /** How freely floating-point computations may be rewritten; `default` unless told. */
  readonly fpContract?: FpContract;
  /** Infer all types again after each pass. */
  readonly verifyTypes?: boolean;
  readonly onProgress?: Progress;
};

export type OptimizeResult = {
  readonly model: Model;
  readonly before: ModelSummary;
  readonly after: ModelSummary;
  readonly passes: readonly PassReport[];
  readonly declines: PipelineReport['declines'];
  readonly quantization?: QuantizationReport;
  readonly cast?: CastReport;
  readonly check: Check;
  readonly files?: SavedFiles;
  /** Sizes on disk, external data included; where both sides are files. */
  readonly bytes?: { readonly before: number; readonly after: number };
  readonly diagnostics: readonly Diagnostic[];
};

/**
 * Rewrites a model for a target and proves that it still answers the same.
 * @throws DiagnosticError with the code of what is wrong with the model, the data or the request; `check/failed` where
 * the result differs from the original by more than the precision allows: then nothing is written.
 */
export async function optimize(options: OptimizeOptions): Promise<OptimizeResult> {
  const { precision = 'fp32', onProgress } = options;
  const target = typeof options.target === 'object' ? options.target : findTarget(options.target ?? 'ort-cpu');
  const forced = requirePrecision(target, options);
  const original = typeof options.model === 'string' ? loadModel(options.model) : options.model;
  const model = cloneModel(original);
  const reports: PipelineReport[] = [];
  const run = async (steps: readonly PipelineStep[]) => {
    reports.push(
      await runPipeline(model, steps, { ...options, target, evaluate: ortEvaluator(), onPass: onProgress?.pass }),
    );
  };
  await run([...opsetSteps(model, target, precision), ...(options.pipeline ?? standardPipeline)]);
  const { cpu, calibration, half, force } = options;
  const request = { model, target, cpu, calibration, quantization: options.quantization, force, onProgress, run };
  const eightBits = eightBitsOf(precision);
  const quantization = eightBits && (await quantizeInt8({ ...request, precision: eightBits }));
  if (options.pipeline === undefined) await run(ownOperatorsPipeline);
  const to = halfOf(precision);
  const searched = { ...checkSamples(options), tolerance: checkTolerance(options) };
  const cast =
    to && (await castToHalf({ model, original, to, target, half, calibration, check: searched, onProgress, run }));
  const staging = options.output === undefined ? undefined : openStaging(options.output);
  try {
    const name = options.output === undefined ? '' : path.basename(options.output);
    const staged = staging && saveModelInto(model, staging.folder, name, options.save);
    const proved = staged ? loadModel(staged.model) : model;
    const searchedSamples = cast?.search?.samples ?? quantization?.search?.samples;
    const check = await proveResult(original, proved, target, options, searchedSamples, cast);
    const files = staging && staged && staging.commit(staged);
    if (cast !== undefined && half?.savePlan !== undefined) savePlan(half.savePlan, cast.plan);
    return {
      model,
      before: summarizeModel(original),
      after: summarizeModel(model),
      passes: reports.flatMap(({ passes }) => passes),
      declines: reports.flatMap(({ declines }) => declines),
      ...(quantization && { quantization }),
      ...(cast && { cast }),
      check,
      ...(files && { files }),
      ...(files &&
        typeof options.model === 'string' && {
          bytes: { before: modelFileBytes(original, options.model), after: files.bytes },
        }),
      diagnostics: [
        ...forced,
        ...reports.flatMap(({ diagnostics }) => diagnostics),
        ...(quantization?.diagnostics ?? []),
        ...(cast?.diagnostics ?? []),
        ...(cast !== undefined && options.pipeline === undefined && target.castsAround !== undefined
          ? [widenedByRuntime(target)]
          : []),
        ...checkDiagnostics(check),
      ],
    };
  } finally {
    staging?.close();
  }
}

function savePlan(file: string, plan: string): void {
  try {
    fs.writeFileSync(file, plan);
  } catch (cause) {
    throw new DiagnosticError({ code: 'save/failed', message: `"${file}" cannot be written` }, { cause });
  }
}

const widenedByRuntime = (target: TargetProfile): Diagnostic => ({
  code: 'cast/computed-in-float32',
  severity: 'info',
  message: `${target.name} computes most of float16 in float32, with casts of its own: the model gets smaller, not faster`,
});
