import fs from 'node:fs';
import path from 'node:path';
import { hostCpu } from './backends/ort/host.js';
import { ortRunner } from './backends/ort/run.js';
import { ortCpu } from './backends/ort/target.js';
import { findTarget } from './backends/target.js';
import { observeChannels } from './calibrate/observe_channels.js';
import { observeMoments } from './calibrate/observe_moments.js';
import { type OpenSourceOptions, openSource, type SourceSpec } from './calibrate/sources/open_source.js';
import { type Dtype, dtypeDataSuffix, dtypeFileName, dtypeScheme, isHalfDtype } from './dtype_presets.js';
import { type Tolerance, tolerances } from './evaluate/tolerance.js';
import { DiagnosticError } from './ir/diagnostic.js';
import { loadModel } from './ir/onnx/files.js';
import { type OptimizeOptions, type OptimizeResult, optimize } from './optimize.js';
import { atLeastOpset } from './passes/legalize/at_least_opset.js';
import type { Pass } from './passes/pass.js';
import type { PipelineStep } from './passes/pipeline.js';
import { ownOperatorsPipeline, standardPipeline } from './passes/pipelines.js';
import { quantizeBnb4 } from './passes/quantize/quantize_bnb4.js';
import { dynamicOpset, quantizeDynamic } from './passes/quantize/quantize_dynamic.js';
import {
  blockedOpset,
  type MomentsObserver,
  quantizeWeights as weightsPass,
} from './passes/quantize/quantize_weights.js';
import { scaleSalientWeights } from './passes/quantize/rescale/scale_salient_weights.js';
import type { NodeSelector } from './passes/quantize/selection.js';
import { eliminateDeadNodes } from './passes/simplify/eliminate_dead_nodes.js';
import { eliminateUnusedInitializers } from './passes/simplify/eliminate_unused_initializers.js';
import { int8Scheme, type TargetProfile, type WeightOnlyScheme } from './passes/target_profile.js';

/** Weights in blocks of 4 or 8 bits that share a scale, beside float activations. */
export type BlocksScheme = {
  readonly kind: 'blocks';
  /** Default 4. */
  readonly bits?: 4 | 8;
  /** A power of two, 16 to 256; default 32. */
  readonly blockSize?: number;
  /**
   * `round` to the nearest code, or `hqq`: with zero points of half-quadratic optimization, which are truer, are not whole
   * numbers, and are slower for long inputs on the CPU; MatMulNBits alone takes them. `gptq`: so that errors make up for
   * each other on the inputs of `calibration` samples. `awq`: rounded, weights that large activations meet on those
   * samples more finely. Default `round`.
   */
  readonly method?: 'round' | 'hqq' | 'gptq' | 'awq';
  /**
   * With `awq`, multiply an activation where the layer before it cannot take the factors up: an operator more for a truer
   * layer. Default: such layers are rounded as they are.
   */
  readonly insertMul?: boolean;
  /** Zero points in the middle. Default, except with `hqq`, which has none such. */
  readonly symmetric?: boolean;
  /** Whether scales reach to the ends of each block, or are those of the least squared error. Default `range`. */
  readonly scales?: 'range' | 'mse';
  /** The target's own product with packed weights where it has one, or DequantizeLinear of the standard. Default `own`. */
  readonly form?: 'own' | 'standard';
  /** Of MatMulNBits: 0 as it comes, 1 float32, 4 int8 activations. Default: what the target's kernels are made for. */
  readonly accuracyLevel?: 0 | 1 | 4;
  /** Tables that Gather picks rows from as well. */
  readonly embeddings?: boolean;
};

/** 8-bit products of weights stored in 8 bits with activations that are brought to 8 bits as they come. */
export type DynamicScheme = {
  readonly kind: 'dynamic';
  /** Default `int8`, around zero; `uint8` has zero points. */
  readonly weights?: 'int8' | 'uint8';
  readonly scales?: 'range' | 'mse';
  /** Operators of the target's own where it has some, or those of the standard. Default `own`. */
  readonly form?: 'own' | 'standard';
  readonly convolutions?: boolean;
  readonly embeddings?: boolean;
};

/** Weights in 4 bits that stand for sixteen fixed numbers, scaled by the largest magnitude of a block. */
export type Bnb4Scheme = {
  readonly kind: 'bnb4';
  /** Default `nf4`. */
  readonly type?: 'nf4' | 'fp4';
  /** A power of two, 16 to 256; default 64. */
  readonly blockSize?: number;
};

export type WeightScheme = BlocksScheme | DynamicScheme | Bnb4Scheme;

export type QuantizeWeightsOptions = Omit<
  OptimizeOptions,
  'precision' | 'pipeline' | 'quantization' | 'half' | 'calibration'
> & {
  /** Nodes to leave in float, by node name or output name; `*` stands for any characters. */
  readonly exclude?: readonly NodeSelector[];
  /** Samples of what the model will see, which `gptq` and `awq` read. */
  readonly calibration?: OpenSourceOptions & { readonly data?: SourceSpec; readonly limit?: number };
} & (
    | { readonly scheme: WeightScheme; readonly dtype?: undefined }
    /** A form under the name that transformers.js gives it; `output` may be a folder then. */
    | { readonly dtype: Dtype; readonly scheme?: undefined }
  );

export type QuantizeWeightsResult = OptimizeResult & {
  readonly weights: {
    /** Undefined for fp32 and fp16. */
    readonly scheme: WeightScheme | undefined;
    readonly layers: number;
    readonly floats: readonly { readonly node: string; readonly reason: string }[];
  };
};

/**
 * Stores the weights of a model in fewer bits, which needs no data, and compares the result with the original.
 * @throws DiagnosticError `quantize/weights-not-finite`, `quantize/nothing-to-quantize`, `quantize/opset-too-old`,
 * `usage/…` for what the target does not take, and what `optimize` throws; then nothing is written.
 */
export async function quantizeWeights(options: QuantizeWeightsOptions): Promise<QuantizeWeightsResult> {
  const { scheme: asked, dtype, exclude, calibration: _calibration, ...rest } = options;
  const { model } = options;
  const original = () => (typeof model === 'string' ? loadModel(model) : model);
  const scheme = dtype === undefined ? asked : dtypeScheme(dtype, original);
  const target = typeof options.target === 'object' ? options.target : findTarget(options.target ?? 'ort-cpu');
  const output = options.output === undefined ? undefined : outputFile(options.output, model, dtype);
  const isHalf = isHalfDtype(dtype);
  const unquantized = isHalf ? standardPipeline : [];
  const steps =
    scheme === undefined ? unquantized : schemeSteps(scheme, target, { ...options, exclude: exclude ?? [] });
  const result = await optimize({
    ...rest,
    target,
    precision: isHalf ? 'fp16' : 'fp32',
    // Who feeds such a form feeds float32.
    ...(isHalf && { half: { keepIoTypes: true } }),
    ...(output !== undefined && { output }),
    // A preset has to run on more than one kind of runtime: it gets operators of the standard beside its own.
    pipeline: [...steps, ...(dtype === undefined ? ownOperatorsPipeline : [])],
    ...(dtype !== undefined && { save: { dataSuffix: dtypeDataSuffix, ...rest.save } }),
    ...(options.check !== false && { check: { ...options.check, tolerance: toleranceOf(scheme, options.check) } }),
  });
  return { ...result, weights: { scheme, ...weightsReport(result) } };
}

const ruleNames: ReadonlySet<string> = new Set(['quantize-weights', 'quantize-dynamic', 'quantize-bnb4']);

function weightsReport({ passes, declines }: OptimizeResult): Omit<QuantizeWeightsResult['weights'], 'scheme'> {
  const counts = passes.flatMap(({ fired }) => Object.entries(fired)).filter(([rule]) => ruleNames.has(rule));
  const floats = declines.filter(({ rule }) => ruleNames.has(rule));
  return {
    layers: counts.reduce((sum, [, count]) => sum + count, 0),
    floats: floats.map(({ where, reason }) => ({ node: where, reason })),
  };
}

function toleranceOf(scheme: WeightScheme | undefined, check: OptimizeOptions['check']): Partial<Tolerance> {
  const given = check ? check.tolerance : undefined;
  if (scheme === undefined) return { ...given };
  if (scheme.kind === 'dynamic') return { ...tolerances.int8, ...given };
  const isEight = scheme.kind === 'blocks' && scheme.bits === 8;
  return { ...tolerances[isEight ? 'int8-weights' : 'int4'], ...given };
}

type Settings = Pick<QuantizeWeightsOptions, 'cpu' | 'dtype' | 'calibration' | 'onProgress'> & {
  readonly exclude: readonly NodeSelector[];
};

function schemeSteps(scheme: WeightScheme, target: TargetProfile, settings: Settings): PipelineStep[] {
  const { pass, opset, before } = schemePass(scheme, target, settings);
  return [
    ...(opset === undefined ? [] : [{ pass: atLeastOpset(opset), reason: 'what is written needs it' }]),
    ...standardPipeline,
    ...(before === undefined ? [] : [{ pass: before, reason: 'while weights are float' }]),
    { pass, reason: 'weights are constants and matrix products in one form now' },
    { pass: eliminateDeadNodes, reason: 'what was replaced, and what it read' },
    { pass: eliminateUnusedInitializers, reason: 'the float weights' },
  ];
}

/** A pass that stores weights, what goes before it, and the opset that it writes. */
type SchemePass = { readonly pass: Pass; readonly before?: Pass; readonly opset?: number };

function schemePass(scheme: WeightScheme, target: TargetProfile, settings: Settings): SchemePass {
  const { exclude } = settings;
  switch (scheme.kind) {
    case 'blocks':
      return blocksPass(scheme, target, settings);
    case 'dynamic': {
      const { weights = 'int8', scales = 'range', convolutions = false, embeddings = false } = scheme;
      if (target.dynamicInt8 === undefined) throw notTaken(target, 'products with activations quantized as they come');
      const form = scheme.form === 'standard' ? 'MatMulInteger' : target.dynamicInt8;
      const limit = weightLimit(target, settings);
      const options = { dtype: weights, limit, scales, convolutions, embeddings, form, exclude };
      return { pass: quantizeDynamic(options), opset: dynamicOpset };
    }
    case 'bnb4': {
      const { type = 'nf4', blockSize = 64 } = scheme;
      requireBlockSize(blockSize);
      if (!target.domains.includes('com.microsoft')) throw notTaken(target, 'bitsandbytes weights');
      return { pass: quantizeBnb4({ type, blockSize, exclude }) };
    }
    default:
      throw scheme satisfies never;
  }
}

/**
 * Products of uint8 and int8 saturate in 16 bits on some processors, on which weights of half the range are safe. A preset
 * and a portable model run on processors nobody knows.
 */
function weightLimit(target: TargetProfile, { cpu, dtype }: Settings): 127 | 64 {
  const here = hostCpu().kind;
  const runsHere = dtype === undefined && target.int8[here] !== undefined;
  return int8Scheme(ortCpu, cpu ?? (runsHere ? here : 'default'))?.weight.limit === 127 ? 127 : 64;
}

function blocksPass(scheme: BlocksScheme, target: TargetProfile, settings: Settings): SchemePass {
  const { bits = 4, blockSize = 32, symmetric = scheme.method !== 'hqq', scales = 'range' } = scheme;
  const method = scheme.method === 'awq' ? 'round' : (scheme.method ?? 'round');
  const { embeddings = false } = scheme;
  const form = scheme.form === 'standard' ? standardForm(target.weightOnly) : target.weightOnly;
  const accuracyLevel = scheme.accuracyLevel ?? form?.accuracyLevels?.[bits] ?? 0;
  requireBlockSize(blockSize);
  if (form === undefined || !form.bits.includes(bits)) throw notTaken(target, `weights in blocks of ${bits} bits`);
  if (!symmetric && !form.zeroPoints) throw notTaken(target, 'weights with zero points');
  if (method === 'hqq' && symmetric) throw conflict('hqq finds zero points, which symmetric weights do not have');
  if (method === 'hqq' && bits === 8) throw conflict('hqq is for 4 bits; rounding to 8 loses little');
  if (method === 'hqq' && form.form !== 'MatMulNBits') throw notTaken(target, 'zero points that are not whole numbers');
  if (scheme.insertMul && scheme.method !== 'awq') throw conflict('awq alone has factors to multiply by');
  const { exclude } = settings;
  const blocks = { bits, blockSize, method, symmetric, scales, negativeScales: form.negativeScales };
  const options = { ...blocks, accuracyLevel, embeddings, exclude };
  const pass = weightsPass(
    { ...options, ...(method === 'gptq' && { moments: momentsObserver(settings, method) }) },
    form,
  );
  const opset = form.form === 'DequantizeLinear' ? { opset: blockedOpset } : {};
  if (scheme.method !== 'awq') return { pass, ...opset };
  const { insertMul = false } = scheme;
  const moments = momentsObserver(settings, scheme.method);
  const channels = observer(settings, scheme.method, observeChannels);
  return { pass, before: scaleSalientWeights({ blocks, exclude, insertMul, moments, channels }), ...opset };
}

const standardForm = (own: WeightOnlyScheme | undefined): WeightOnlyScheme | undefined =>
  own && { form: 'DequantizeLinear', bits: own.bits, zeroPoints: own.zeroPoints, negativeScales: false };

const momentsObserver = (settings: Settings, method: string): MomentsObserver =>
  observer(settings, method, observeMoments);

/** Observes on the samples of the request, which are opened anew each time. */
function observer<Result>(
  { calibration = {}, onProgress }: Settings,
  method: string,
  observe: (...parameters: Parameters<typeof observeMoments>) => Promise<Result>,
): (...parameters: Parameters<MomentsObserver>) => Promise<Result> {
  const { data, limit, ...reading } = calibration;
  if (data === undefined) {
    throw new DiagnosticError({
      code: 'quantize/no-calibration-data',
      message: `${method} needs samples of what the model will see`,
      help: 'Give --calibration-data with a folder of samples, or choose another method',
    });
  }
  return async (model, requests) => {
    onProgress?.stage?.('calibrating');
    const inputs = model.graph.inputs.filter(({ initializer }) => initializer === null);
    const source = await openSource(data, inputs, reading);
    const options = {
      ...(limit !== undefined && { limit }),
      ...(onProgress?.sample && { onSample: onProgress.sample }),
    };
    return observe(model, requests, source, ortRunner({ worker: onProgress !== undefined }), options);
  };
}

function requireBlockSize(blockSize: number): void {
  if ([16, 32, 64, 128, 256].includes(blockSize)) return;
  throw new DiagnosticError({
    code: 'usage/block-size',
    message: `blocks cannot hold ${blockSize} weights`,
    help: 'Choose 16, 32, 64, 128 or 256',
  });
}

const notTaken = (target: TargetProfile, what: string): DiagnosticError =>
  new DiagnosticError({ code: 'usage/precision-not-offered', message: `${target.name} is not given ${what}` });

const conflict = (message: string): DiagnosticError =>
  new DiagnosticError({ code: 'usage/conflicting-options', message });

/** `output`, or the file in it under the name that the dtype asks for. */
function outputFile(output: string, model: OptimizeOptions['model'], dtype: Dtype | undefined): string {
  const isFolder = /[/\\]$/.test(output) || fs.statSync(output, { throwIfNoEntry: false })?.isDirectory() === true;
  if (!isFolder) return output;
  if (dtype === undefined) {
    throw new DiagnosticError({
      code: 'usage/output-is-a-folder',
      message: `"${output}" is a folder`,
      help: 'Name a file, or ask for a dtype, which has a file name of its own',
    });
  }
  const stem = typeof model === 'string' ? path.basename(model, path.extname(model)) : 'model';
  const file = path.join(output, dtypeFileName(stem, dtype));
  if (typeof model === 'string' && path.resolve(model) === path.resolve(file)) {
    throw new DiagnosticError({ code: 'usage/overwrites-input', message: `"${file}" is the model itself` });
  }
  return file;
}
