import { ortEvaluator } from './backends/ort/run.js';
import { findTarget } from './backends/target.js';
import type { CalibrationOptions } from './calibrate/calibrate.js';
import { int8Candidate } from './int8/int8_candidate.js';
import { laidOutFor, planInt8, type QuantizationOptions } from './int8/quantize_int8.js';
import { type LayerSensitivity, measureLayers, rankLayers } from './int8/sensitivity.js';
import { type Accuracy, type AccuracyOptions, openAccuracyProbe, sqnrOf } from './int8/sensitivity_probe.js';
import { cloneModel } from './ir/clone.js';
import { DiagnosticError } from './ir/diagnostic.js';
import type { Model } from './ir/graph.js';
import { loadModel } from './ir/onnx/files.js';
import { type PipelineStep, runPipeline } from './passes/pipeline.js';
import { standardPipeline } from './passes/pipelines.js';
import type { PlacementOptions } from './passes/quantize/selection.js';
import { int8Scheme, type TargetProfile } from './passes/target_profile.js';
import type { Progress } from './progress.js';

export type AnalyzeOptions = AccuracyOptions & {
  /** A model file, or a model in memory, which is not changed. */
  readonly model: string | Model;
  /** Whose int8; default `ort-cpu`. */
  readonly target?: string | TargetProfile;
  /** Kind of processor that int8 is laid out for; that of this machine unless told. */
  readonly cpu?: string;
  readonly calibration: CalibrationOptions;
  readonly quantization?: Omit<PlacementOptions, 'floats'> & Pick<QuantizationOptions, 'floats'>;
  readonly onProgress?: Progress;
};

/** SQNR in dB against the float model; Infinity where there is no error. */
export type AccuracyFigures = {
  /** Of the worst output. */
  readonly sqnr: number;
  readonly outputs: readonly {
    readonly name: string;
    readonly sqnr: number;
    /** Elements of integers, bools or strings that differ. */
    readonly discreteMismatches: number;
  }[];
  readonly metric?: number;
  /** How much lower than float's the metric is. */
  readonly drop?: number;
};

export type LayerReport = AccuracyFigures & {
  readonly node: string;
  readonly operator: string;
  /** The name of its first output, which names it where it has no name of its own. */
  readonly output: string;
  /** Multiply-accumulates and element operations of one run; open dimensions are assumed. */
  readonly cost: number;
};

export type SensitivityReport = {
  readonly target: string;
  readonly cpu: string;
  readonly samples: number;
  readonly metric?: { readonly name: string; readonly float: number };
  /** All layers on 8 bits. */
  readonly together: AccuracyFigures;
  /** Each with it alone on 8 bits, the one that does most harm first. */
  readonly layers: readonly LayerReport[];
};

/**
 * Ranks the layers that could run on 8 bits by the error of the answers that each causes alone. Runs one model a layer.
 * @throws DiagnosticError with the code of what is wrong with the model, the data or the request.
 */
export async function analyzeSensitivity(options: AnalyzeOptions): Promise<SensitivityReport> {
  const { calibration, quantization, onProgress, cpu } = options;
  const target = typeof options.target === 'object' ? options.target : findTarget(options.target ?? 'ort-cpu');
  requireInt8(target, cpu);
  const model = cloneModel(typeof options.model === 'string' ? loadModel(options.model) : options.model);
  const run = async (steps: readonly PipelineStep[]) => {
    await runPipeline(model, steps, { target, evaluate: ortEvaluator(), onPass: onProgress?.pass });
  };
  await run(standardPipeline);
  const plan = await planInt8({ model, target, cpu, calibration, quantization, onProgress, run });
  const probe = await openAccuracyProbe(plan, options);
  try {
    const together = await probe.measure(await int8Candidate(plan, new Map()));
    const layers = rankLayers(await measureLayers(plan, probe));
    const float = probe.metric?.float;
    return {
      target: target.name,
      cpu: laidOutFor(plan),
      samples: probe.samples,
      ...(probe.metric && { metric: probe.metric }),
      together: figuresOf(together, float),
      layers: layers.map((layer) => ({ ...describe(layer), ...figuresOf(layer.accuracy, float) })),
    };
  } finally {
    await probe.close();
  }
}

const describe = ({ node, output, cost }: LayerSensitivity) => ({
  node: node.name || output,
  operator: node.opType,
  output,
  cost,
});

const figuresOf = ({ outputs, sqnr, metric }: Accuracy, float: number | undefined): AccuracyFigures => ({
  sqnr,
  outputs: outputs.map((output) => ({
    name: output.name,
    sqnr: sqnrOf(output),
    discreteMismatches: output.error.discreteMismatches,
  })),
  ...(metric !== undefined && float !== undefined && { metric, drop: float - metric }),
});

function requireInt8(target: TargetProfile, cpu: string | undefined): void {
  if (int8Scheme(target, cpu ?? 'default') !== undefined) return;
  throw new DiagnosticError({
    code: 'usage/precision-not-offered',
    message: `${target.name} is not given int8`,
    help: target.int8Refusal ?? `It takes ${target.precisions.join(', ')}`,
  });
}
