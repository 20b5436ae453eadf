import path from 'node:path';
import { hostCpu } from './backends/ort/host.js';
import { ortEvaluator, ortRunner } from './backends/ort/run.js';
import { findTarget } from './backends/target.js';
import { type CalibrationOptions, calibrate, countsElements } from './calibrate/calibrate.js';
import { type Check, type CheckOptions, checkDiagnostics, checkModel } from './evaluate/check.js';
import { type ModelSummary, modelFileBytes, summarizeModel } from './evaluate/summary.js';
import { cloneModel } from './ir/clone.js';
import { type Diagnostic, DiagnosticError } from './ir/diagnostic.js';
import type { Model } from './ir/graph.js';
import { loadModel, openStaging, type SavedFiles, type SaveOptions, saveModelInto } from './ir/onnx/files.js';
import { type PassReport, type PipelineReport, type PipelineStep, runPipeline } from './passes/pipeline.js';
import {
  afterQuantizationPipeline,
  integerOperatorsPipeline,
  ownOperatorsPipeline,
  standardPipeline,
} from './passes/pipelines.js';
import { insertQdq, valuesToObserve } from './passes/quantize/insert_qdq.js';
import { reportBrokenRules } from './passes/quantize/lint/apply_mends.js';
import type { Range, Ranges } from './passes/quantize/ranges.js';
import type { PlacementOptions } from './passes/quantize/selection.js';
import { type FpContract, int8Scheme, type TargetProfile } from './passes/target_profile.js';
import { prepareInt8 } from './prepare_int8.js';
import type { Progress } from './progress.js';

/** How int8 is written. */
export type QuantizationOptions = PlacementOptions & {
  /**
   * `qdq` (default): operators on floats between QuantizeLinear and DequantizeLinear. `qoperator`: operators on
   * integers, where the target runs them.
   */
  readonly format?: 'qdq' | 'qoperator';
};

export type OptimizeOptions = {
  /** A model file, or a model in memory, which is not changed. */
  readonly model: string | Model;
  /** Where the result is written; without it, nothing is. */
  readonly output?: string;
  /** Default `ort-cpu`. */
  readonly target?: string | TargetProfile;
  /** Default `fp32`. */
  readonly precision?: 'fp32' | 'int8';
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

/** What became of the int8 request. */
export type QuantizationReport = {
  readonly cpu: string;
  readonly eightBit: number;
  readonly floats: readonly { readonly node: string; readonly reason: string }[];
  readonly samples: number;
  /** Observed or given, by value name. */
  readonly ranges: Ranges;
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
  requirePrecision(target, precision);
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
  const quantization = precision === 'int8' ? await quantize(model, target, options, run) : undefined;
  if (options.pipeline === undefined) await run(ownOperatorsPipeline);
  const staging = options.output === undefined ? undefined : openStaging(options.output);
  try {
    const name = options.output === undefined ? '' : path.basename(options.output);
    const staged = staging && saveModelInto(model, staging.folder, name, options.save);
    const check = await prove(original, staged ? loadModel(staged.model) : model, precision, options);
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
      diagnostics: [...reports.flatMap(({ diagnostics }) => diagnostics), ...checkDiagnostics(check)],
    };
  } finally {
    staging?.close();
  }
}

/** On the samples of the check, of the calibration, or made from the declared types. */
async function prove(
  original: Model,
  result: Model,
  precision: 'fp32' | 'int8',
  { check = {}, calibration, onProgress }: OptimizeOptions,
): Promise<Check> {
  if (check === false) return { status: 'skipped', reason: 'the check was switched off' };
  onProgress?.stage?.('checking');
  const { limit: _calibrationLimit, ...samples } = calibration ?? {};
  const settings = { ...(check.data === undefined ? samples : {}), ...check, onSample: onProgress?.sample };
  return checkModel(original, result, precision, ortRunner({ worker: onProgress !== undefined }), settings);
}

function requirePrecision(target: TargetProfile, precision: 'fp32' | 'int8'): void {
  if (target.precisions.includes(precision)) return;
  throw new DiagnosticError({
    code: 'usage/precision-not-offered',
    message: `${target.name} is not given ${precision}`,
    help: target.int8Refusal ?? `It takes ${target.precisions.join(', ')}`,
  });
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

async function quantize(
  model: Model,
  target: TargetProfile,
  options: OptimizeOptions,
  run: (steps: readonly PipelineStep[]) => Promise<void>,
): Promise<QuantizationReport> {
  const { onProgress, cpu = hostCpu().kind } = options;
  const scheme = int8Scheme(target, cpu)!;
  const placement = await prepareInt8(model, scheme, run, options.quantization);
  onProgress?.stage?.('calibrating');
  // In a thread of its own the model runs on while its activations are counted.
  const counts = countsElements(options.calibration?.calibrator ?? 'minmax');
  const runner = ortRunner({ worker: counts || onProgress !== undefined });
  const settings = { ...options.calibration, onSample: onProgress?.sample };
  const values = valuesToObserve(placement);
  // A model whose pairs are complete needs no data.
  const { ranges, samples } =
    values.length === 0
      ? { ranges: new Map<string, Range>(), samples: 0 }
      : await calibrate(model, values, runner, scheme.activation, settings);
  const insertion = insertQdq(placement, ranges, scheme);
  await run([{ pass: insertion, reason: 'ranges are known now' }, ...afterQuantizationPipeline]);
  if (placement.existing.size > 0) await run([{ pass: reportBrokenRules(scheme), reason: 'pairs stay as they came' }]);
  if (options.quantization?.format === 'qoperator') await run(integerOperatorsPipeline);
  return {
    cpu,
    eightBit: placement.computes.length + placement.carries.length,
    floats: placement.floats.map(({ node, reason }) => ({ node: node.name || node.opType, reason })),
    samples,
    ranges,
  };
}
