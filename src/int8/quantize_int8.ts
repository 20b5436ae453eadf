import { hostCpu } from '../backends/ort/host.js';
import { ortRunner } from '../backends/ort/run.js';
import { type CalibrationOptions, calibrate } from '../calibrate/calibrate.js';
import { type Diagnostic, DiagnosticError } from '../ir/diagnostic.js';
import type { Model, Value } from '../ir/graph.js';
import type { PipelineStep } from '../passes/pipeline.js';
import { afterQuantizationPipeline, integerOperatorsPipeline } from '../passes/pipelines.js';
import { activationsOf, rangesOfPlaced, valuesToObserve } from '../passes/quantize/activation_ranges.js';
import { insertQdq } from '../passes/quantize/insert_qdq.js';
import type { WeightCoding } from '../passes/quantize/layer_integers.js';
import { reportBrokenRules } from '../passes/quantize/lint/apply_mends.js';
import type { Placement } from '../passes/quantize/placement.js';
import type { Range, Ranges } from '../passes/quantize/ranges.js';
import type { PlacementOptions, TensorOverride } from '../passes/quantize/selection.js';
import { finiteWeights } from '../passes/quantize/weight_layer.js';
import type { QuantizationScheme, TargetProfile } from '../passes/target_profile.js';
import type { Progress } from '../progress.js';
import { type AccuracyBar, type FloatSearch, searchFloats } from './float_search.js';
import { loadFloats } from './floats_file.js';
import { idleOverrides } from './idle_overrides.js';
import { type FloatNodes, withFloats } from './int8_candidate.js';
import type { GateReport } from './latency_gate.js';
import { applyGate, type GateSettings, gateDiagnostics } from './latency_gate_conditions.js';
import { placeInt8, prepareInt8 } from './prepare_int8.js';
import { requestedScheme, type SchemeRequest } from './requested_scheme.js';
import { type FloatRewrites, rewriteFloats } from './rewrite_floats.js';
import { chooseWeights, type WeightOptions, type WeightReport } from './round_weights.js';
import { type CalibratorOverride, tensorCalibrators } from './tensor_calibrators.js';

/** How int8 is written. */
export type QuantizationOptions = Omit<PlacementOptions, 'floats' | 'tensors'> &
  AccuracyBar &
  GateSettings &
  FloatRewrites &
  WeightOptions & {
    readonly tensors?: readonly (TensorOverride & CalibratorOverride)[];
    /** Further nodes to leave in float, by the name of their first output, with the reason; or a file that holds them. */
    readonly floats?: string | FloatNodes;
    /**
     * `qdq` (default): operators on floats between QuantizeLinear and DequantizeLinear. `qoperator`: operators on
     * integers, where the target runs them.
     */
    readonly format?: 'qdq' | 'qoperator';
    /** Of activations; 16 where the target takes them. Default 8. */
    readonly activationBits?: 8 | 16;
  };

/** What became of the int8 request. */
export type QuantizationReport = {
  readonly precision: 'int8' | 'fp8';
  /** The kind of processor that it is laid out for, or the target where it is the same for all. */
  readonly cpu: string;
  readonly eightBit: number;
  readonly floats: readonly { readonly node: string; readonly reason: string }[];
  readonly samples: number;
  /** Observed or given, by value name. */
  readonly ranges: Ranges;
  /** Where an accuracy was asked for. */
  readonly search?: FloatSearch;
  /** What measurements left in float, and the nodes that were given as such: `floats` that make the same model again. */
  readonly floatNodes: FloatNodes;
  readonly gate?: GateReport;
  /** Where rounding was learned or biases were corrected. */
  readonly weights?: WeightReport;
  readonly diagnostics: readonly Diagnostic[];
};

export type Int8Request = Pick<SchemeRequest, 'precision' | 'force'> & {
  /** Simplified already; changed in place. */
  readonly model: Model;
  readonly target: TargetProfile;
  /** Kind of processor that int8 is laid out for; that of this machine unless told. */
  readonly cpu?: string | undefined;
  readonly calibration?: CalibrationOptions | undefined;
  readonly quantization?: QuantizationOptions | undefined;
  readonly onProgress?: Progress | undefined;
  /** Runs passes over the model. */
  readonly run: (steps: readonly PipelineStep[]) => Promise<void>;
};

/** A simplified float model in which everything about int8 is known but which nodes are left in float after all. */
export type Int8Plan = Omit<Int8Request, 'quantization'> & {
  readonly quantization: PlacementOptions & Omit<QuantizationOptions, 'floats'>;
  /** Whether the request said which further nodes stay in float; rewrites add some of their own. */
  readonly areFloatsGiven: boolean;
  readonly cpu: string;
  readonly scheme: QuantizationScheme;
  /** With all that could run on 8 bits on them. */
  readonly placement: Placement;
  /** Of every value that may get a pair, by name. */
  readonly ranges: Ranges;
  /** Those of them that came from samples or were given. */
  readonly observed: Ranges;
  readonly samples: number;
  /** How weights become integers, whichever nodes stay in float. */
  readonly coding: WeightCoding;
  readonly weights: WeightReport | undefined;
};

/**
 * Brings a model to 8 bits: raises its opset where it has to, decides where 8 bits go, observes ranges, inserts pairs.
 * @throws DiagnosticError `quantize/…`, `calibrate/…`, `data/…`.
 */
export async function quantizeInt8(request: Int8Request): Promise<QuantizationReport> {
  const plan = await planInt8(request);
  const diagnostics = idleOverrides(plan, request.quantization);
  const { model, run, scheme, ranges, coding, quantization } = plan;
  const { floats: searched, search } = await searchFloats(plan);
  const gate = await applyGate(plan, searched);
  const floatNodes: FloatNodes = new Map([...(quantization.floats ?? []), ...searched, ...(gate?.floats ?? [])]);
  const placement =
    floatNodes.size === 0 ? plan.placement : placeInt8(model, scheme, withFloats(quantization, floatNodes));
  await run([
    { pass: insertQdq(placement, ranges, scheme, coding), reason: 'ranges are known now' },
    ...afterQuantizationPipeline,
  ]);
  if (placement.existing.size > 0) await run([{ pass: reportBrokenRules(scheme), reason: 'pairs stay as they came' }]);
  if (quantization.format === 'qoperator') await run(integerOperatorsPipeline);
  return {
    precision: request.precision ?? 'int8',
    cpu: laidOutFor(plan),
    eightBit: placement.computes.length + placement.carries.length,
    floats: placement.floats.map(({ node, reason }) => ({ node: node.name || node.opType, reason })),
    samples: plan.samples,
    ranges: plan.observed,
    ...(search && { search }),
    floatNodes,
    ...(gate && { gate: gate.report }),
    diagnostics: [...diagnostics, ...(gate ? gateDiagnostics(gate.report) : [])],
    ...(plan.weights && { weights: plan.weights }),
  };
}

/** In words: what the layout of 8 bits is made for. */
export const laidOutFor = ({ target, cpu }: Pick<Int8Plan, 'target' | 'cpu'>): string =>
  target.int8[cpu] === undefined ? target.name : cpu;

/** @throws DiagnosticError as `quantizeInt8`; `calibrate/no-elements`, `quantize/weights-not-finite` among them. */
export async function planInt8(request: Int8Request): Promise<Int8Plan> {
  const { model, target, run, calibration = {}, onProgress } = request;
  const { floats, ...others } = request.quantization ?? {};
  const given = typeof floats === 'string' ? loadFloats(floats) : floats;
  const asked = { ...others, ...(given && { floats: given }) };
  const { cpu = hostCpu().kind } = request;
  const scheme = requestedScheme(target, cpu, { ...request, activationBits: asked.activationBits });
  await prepareInt8(model, scheme, target, run, asked);
  const inserted = await rewriteFloats(request);
  const quantization = { ...asked, floats: new Map([...(given ?? []), ...inserted]) };
  const placement = placeInt8(model, scheme, quantization);
  requireFiniteLayers(placement);
  onProgress?.stage?.('calibrating');
  const calibrators = tensorCalibrators(model, quantization.tensors ?? []);
  const runner = ortRunner({ worker: onProgress !== undefined });
  const values = valuesToObserve(placement);
  // A model whose pairs are complete needs no data.
  const observed =
    values.length === 0
      ? { ranges: new Map<string, Range>(), samples: 0 }
      : await calibrate(model, values, runner, scheme.activation, {
          ...calibration,
          calibrators,
          activations: activationsOf(placement, scheme),
          onSample: onProgress?.sample,
        });
  // Ranges that are given may be another model's; that is said where one is missing.
  if (calibration.ranges === undefined) requireElements(values, observed.ranges);
  const ranges = rangesOfPlaced(placement, observed.ranges);
  const { coding, report } = await chooseWeights({ ...request, quantization, scheme, placement, ranges });
  return {
    ...request,
    quantization,
    areFloatsGiven: given !== undefined,
    cpu,
    scheme,
    placement,
    samples: observed.samples,
    observed: observed.ranges,
    ranges,
    coding,
    weights: report,
  };
}

/** Before samples are run, which takes its time. */
function requireFiniteLayers({ computes }: Placement): void {
  for (const { node, weight, bias, isQuantized } of computes) {
    if (isQuantized) continue;
    finiteWeights(node, weight);
    if (bias !== null) finiteWeights(node, bias);
  }
}

/** What was empty in every sample has no range. */
function requireElements(values: readonly Value[], observed: Ranges): void {
  const empty = values.find(({ name }) => !observed.has(name));
  if (empty === undefined) return;
  throw new DiagnosticError({
    code: 'calibrate/no-elements',
    message: `"${empty.name}" had no elements in any sample`,
    help: 'Give samples in which it has some, or leave it in float with --float-tensor',
  });
}
