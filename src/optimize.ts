import path from 'node:path';
import { hostCpu } from './backends/ort/host.js';
import { ortEvaluator, ortRunner } from './backends/ort/run.js';
import { findTarget } from './backends/target.js';
import type { CalibrationOptions } from './calibrate/calibrate.js';
import { type Check, type CheckOptions, checkDiagnostics, checkModel } from './evaluate/check.js';
import { type ModelSummary, modelFileBytes, summarizeModel } from './evaluate/summary.js';
import { gateDiagnostics } from './int8/latency_gate_conditions.js';
import { type QuantizationOptions, type QuantizationReport, quantizeInt8 } from './int8/quantize_int8.js';
import { forcedDiagnostics, requestedScheme } from './int8/requested_scheme.js';
import { cloneModel } from './ir/clone.js';
import { type Diagnostic, DiagnosticError } from './ir/diagnostic.js';
import type { Model } from './ir/graph.js';
import { loadModel, openStaging, type SavedFiles, type SaveOptions, saveModelInto } from './ir/onnx/files.js';
import { type PassReport, type PipelineReport, type PipelineStep, runPipeline } from './passes/pipeline.js';
import { ownOperatorsPipeline, standardPipeline } from './passes/pipelines.js';
import type { FpContract, TargetProfile } from './passes/target_profile.js';
import type { Progress } from './progress.js';

export type OptimizeOptions = {
  /** A model file, or a model in memory, which is not changed. */
  readonly model: string | Model;
  /** Where the result is written; without it, nothing is. */
  readonly output?: string;
  /** Default `ort-cpu`. */
  readonly target?: string | TargetProfile;
  /** Default `fp32`. */
  readonly precision?: 'fp32' | 'int8' | 'fp8';
  /** int8 also where the target gains nothing by it, to see what it answers. */
  readonly force?: boolean;
  /** Instead of the pipeline that simplifies. */
  readonly pipeline?: readonly PipelineStep[];
  /** Kind of processor that int8 is laid out for; that of this machine unless told. */
  readonly cpu?: string;
  readonly calibration?: CalibrationOptions;
  readonly quantization?: QuantizationOptions;
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
  requireFormat(target, options);
  const original = typeof options.model === 'string' ? loadModel(options.model) : options.model;
  const model = cloneModel(original);
  const reports: PipelineReport[] = [];
  const run = async (steps: readonly PipelineStep[]) => {
    reports.push(
      await runPipeline(model, steps, { ...options, target, evaluate: ortEvaluator(), onPass: onProgress?.pass }),
    );
  };
  await run(options.pipeline ?? standardPipeline);
  const { cpu, calibration } = options;
  const { force } = options;
  const request = { model, target, cpu, calibration, quantization: options.quantization, force, onProgress, run };
  const quantization = precision === 'fp32' ? undefined : await quantizeInt8({ ...request, precision });
  if (options.pipeline === undefined) await run(ownOperatorsPipeline);
  const staging = options.output === undefined ? undefined : openStaging(options.output);
  try {
    const name = options.output === undefined ? '' : path.basename(options.output);
    const staged = staging && saveModelInto(model, staging.folder, name, options.save);
    const proved = staged ? loadModel(staged.model) : model;
    const check = await prove(original, proved, precision, options, quantization?.search?.samples);
    const files = staging && staged && staging.commit(staged);
    return {
      model,
      before: summarizeModel(original),
      after: summarizeModel(model),
      passes: reports.flatMap(({ passes }) => passes),
      declines: reports.flatMap(({ declines }) => declines),
      ...(quantization && { quantization }),
      check,
      ...(files && { files }),
      ...(files &&
        typeof options.model === 'string' && {
          bytes: { before: modelFileBytes(original, options.model), after: files.bytes },
        }),
      diagnostics: [
        ...forced,
        ...reports.flatMap(({ diagnostics }) => diagnostics),
        ...(quantization?.gate ? gateDiagnostics(quantization.gate) : []),
        ...checkDiagnostics(check),
      ],
    };
  } finally {
    staging?.close();
  }
}

/**
 * On the samples of the check, of the calibration, or made from the declared types. What was searched for on samples is
 * held to its bar on as many.
 */
async function prove(
  original: Model,
  result: Model,
  precision: 'fp32' | 'int8' | 'fp8',
  { check = {}, calibration, quantization, onProgress }: OptimizeOptions,
  searched: number | undefined,
): Promise<Check> {
  if (check === false) return { status: 'skipped', reason: 'the check was switched off' };
  onProgress?.stage?.('checking');
  const { limit: _calibrationLimit, ...samples } = calibration ?? {};
  const minSqnr = precision === 'int8' ? quantization?.minSqnr : undefined;
  const tolerance = { ...(minSqnr !== undefined && { minSqnr }), ...check.tolerance };
  const data = check.data === undefined ? { ...samples, ...(searched !== undefined && { limit: searched }) } : {};
  const settings = { ...data, ...check, tolerance, onSample: onProgress?.sample };
  return checkModel(original, result, precision, ortRunner({ worker: onProgress !== undefined }), settings);
}

/** What is to be said about a precision that was insisted on. */
function requirePrecision(target: TargetProfile, options: OptimizeOptions): Diagnostic[] {
  const { precision = 'fp32', force, quantization } = options;
  if (precision === 'fp32' && quantization?.maxDrop !== undefined) {
    throw new DiagnosticError({
      code: 'usage/conflicting-options',
      message: `a largest drop (--max-drop) means nothing with ${precision}`,
      help: 'It says which layers stay in float where others run on 8 bits: give --precision int8',
    });
  }
  if (precision === 'fp32') return [];
  const cpu = options.cpu ?? hostCpu().kind;
  const request = { precision, force, activationBits: quantization?.activationBits };
  requestedScheme(target, cpu, request);
  return forcedDiagnostics(target, cpu, request);
}

function requireFormat(target: TargetProfile, { precision, quantization }: OptimizeOptions): void {
  const refusal = target.refuses['QLinearConv'];
  if (precision !== 'int8' || quantization?.format !== 'qoperator' || refusal === undefined) return;
  throw new DiagnosticError({
    code: 'usage/format-not-offered',
    message: `${target.name} is not given operators on integers: ${refusal}`,
    help: 'Leave the format qdq',
  });
}
