import fs from 'node:fs';
import { ortRunner } from '../backends/ort/run.js';
import type { CalibrationOptions } from '../calibrate/calibrate.js';
import { observeRanges } from '../calibrate/observe_ranges.js';
import { loadRanges } from '../calibrate/ranges_file.js';
import { openSource } from '../calibrate/sources/open_source.js';
import type { CheckOptions } from '../evaluate/check.js';
import { fedInputs } from '../evaluate/compare.js';
import type { Tolerance } from '../evaluate/tolerance.js';
import { constantTensor } from '../ir/constant.js';
import { type Diagnostic, DiagnosticError } from '../ir/diagnostic.js';
import type { Model, Value } from '../ir/graph.js';
import type { HalfType } from '../ir/half_float.js';
import { Inference } from '../ir/ops/inference/inference.js';
import type { PipelineStep } from '../passes/pipeline.js';
import { afterCastPipeline } from '../passes/pipelines.js';
import { applyPrecisionPlan } from '../passes/precision/apply_precision_plan.js';
import {
  buildPrecisionPlan,
  type DecidedPlan,
  type PrecisionOptions,
} from '../passes/precision/build_precision_plan.js';
import { countCasts, naiveCastCount } from '../passes/precision/count_casts.js';
import { describePlan, floatIslands } from '../passes/precision/describe_plan.js';
import { formatPlan, parsePlan } from '../passes/precision/plan_file.js';
import type { PrecisionPlan } from '../passes/precision/precision_plan.js';
import type { Ranges } from '../passes/quantize/ranges.js';
import type { NodeSelector } from '../passes/quantize/selection.js';
import type { TargetProfile } from '../passes/target_profile.js';
import type { Progress } from '../progress.js';
import { pairPrecision } from './pair_precision.js';
import { type CastSearch, searchHalves } from './search_halves.js';

/** How 16-bit floats are placed. */
export type HalfOptions = {
  /** What normalizations compute in; `fp32` unless told. */
  readonly norms?: 'fp32' | 'fp16' | 'bf16';
  /** Inputs and outputs that keep float32: all, or those named. Others get what saves casts. */
  readonly keepIoTypes?: true | readonly string[];
  /** Nodes to compute in 16 bits whatever the rules say; what cannot hold or run stays in float. */
  readonly include?: readonly NodeSelector[];
  /** Nodes to compute in float32. */
  readonly exclude?: readonly NodeSelector[];
  /** A plan that was saved: its file, or what the file holds. It decides everything. */
  readonly plan?: string | object;
  /** Where the plan is saved. */
  readonly savePlan?: string;
  /** float16 holds what calibration saw to stay below 65504 / headroom; 4 unless told. */
  readonly headroom?: number;
  /**
   * Largest error of every output, ‖error‖ / ‖reference‖ over all samples: nodes are left in float until that is reached.
   */
  readonly maxError?: number;
  /** Models to measure for that at most; 40 unless told. */
  readonly maxEvaluations?: number;
};

export type CastRequest = {
  /** Simplified and fused already; changed in place. */
  readonly model: Model;
  /** What answers are measured against. */
  readonly original: Model;
  readonly to: 'fp16' | 'bf16';
  readonly target: TargetProfile;
  readonly half?: HalfOptions | undefined;
  /** Where it has data or ranges, they tell what stays in range. */
  readonly calibration?: CalibrationOptions | undefined;
  /** Samples and tolerance of the search. */
  readonly check: CheckOptions & { readonly tolerance: Tolerance };
  readonly onProgress?: Progress | undefined;
  /** Runs passes over the model. */
  readonly run: (steps: readonly PipelineStep[]) => Promise<void>;
};

/** Where 16-bit floats went, and why not further. */
export type CastReport = {
  readonly half: HalfType;
  /** Of the nodes that read or write float32. */
  readonly nodes: { readonly half: number; readonly float: number };
  /** The same by reason, the commonest first; names in reasons are left out. */
  readonly reasons: readonly { readonly type: 'half' | 'float'; readonly reason: string; readonly nodes: number }[];
  readonly islands: readonly {
    readonly nodes: readonly string[];
    readonly operators: readonly string[];
    readonly reasons: readonly string[];
    readonly casts: number;
  }[];
  readonly casts: number;
  /** What a cast around each node that is kept in float would come to; not known of a plan that was saved. */
  readonly naiveCasts?: number;
  /** Inputs and outputs that are of the 16-bit type now. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** That ranges were observed on. */
  readonly samples: number;
  readonly search?: CastSearch;
  /** A table of the islands. */
  readonly description: string;
  /** The plan as a file holds it. */
  readonly plan: string;
  readonly diagnostics: readonly Diagnostic[];
};

export const halfTypes = { fp16: 'float16', bf16: 'bfloat16' } as const satisfies Record<string, HalfType>;

/**
 * Brings a model to 16-bit floats: observes ranges where there are samples, plans, looks for nodes to leave in float where
 * an error was asked for, and applies the plan.
 * @throws DiagnosticError `cast/…`, `usage/conflicting-options`, `calibrate/…`, `data/…`.
 */
export async function castToHalf(request: CastRequest): Promise<CastReport> {
  const { model, to, half: options = {}, run } = request;
  requireSense(to, options);
  const inference = new Inference(model);
  const { plan, kept, samples, search, diagnostics } =
    options.plan === undefined
      ? await decide(request, inference)
      : { ...replay(options.plan, request, inference), samples: 0 };
  const report = reportOf(plan, model, inference);
  const naiveCasts = kept && naiveCastCount({ ...plan, kept }, model, inference);
  await run([{ pass: applyPrecisionPlan(plan), reason: 'every node has its type now' }, ...afterCastPipeline]);
  return {
    ...report,
    ...(naiveCasts !== undefined && { naiveCasts }),
    samples,
    ...(search && { search }),
    diagnostics,
  };
}

type Decided = {
  readonly plan: PrecisionPlan;
  readonly kept?: DecidedPlan['kept'];
  readonly samples: number;
  readonly search?: CastSearch;
  readonly diagnostics: readonly Diagnostic[];
};

async function decide(request: CastRequest, inference: Inference): Promise<Decided> {
  const { model, to, target, half: options = {}, check } = request;
  const half = halfTypes[to];
  const { ranges, samples } = await observe(request, inference);
  const pairs = pairPrecision(model, inference, half, target.halfPairs === true);
  const selectors = (nodes: ReadonlySet<unknown>): NodeSelector[] =>
    nodes.size === 0 ? [] : [(node) => nodes.has(node)];
  const settings: PrecisionOptions = {
    half,
    target,
    norms: (options.norms ?? 'fp32') === 'fp32' ? 'float' : 'half',
    include: [...(options.include ?? []), ...selectors(pairs.half)],
    exclude: [...(options.exclude ?? []), ...selectors(pairs.float)],
    ...(options.keepIoTypes !== undefined && { keepIoTypes: options.keepIoTypes }),
    ...(ranges && { ranges }),
    ...(options.headroom !== undefined && { headroom: options.headroom }),
  };
  const plan = buildPrecisionPlan(model, inference, settings);
  const { kept, diagnostics } = plan;
  if (options.maxError === undefined) return { plan, kept, samples, diagnostics };
  const tolerance = { ...check.tolerance, minSqnr: sqnrOfError(options.maxError), small: undefined };
  const found = await searchHalves(
    { ...request, check: { ...check, tolerance }, maxEvaluations: options.maxEvaluations },
    plan,
    (forced) => buildPrecisionPlan(model, inference, { ...settings, forced }),
  );
  return { plan: found.plan, kept: found.plan.kept, samples, search: found.search, diagnostics };
}

/** ‖error‖ / ‖reference‖ as a signal-to-noise ratio in dB. */
export const sqnrOfError = (error: number): number => -20 * Math.log10(error);

/** Of all float32 values of the main graph; those that take NaN or infinity have no range. */
async function observe(
  { model, calibration = {}, onProgress }: CastRequest,
  inference: Inference,
): Promise<{ readonly ranges?: Ranges; readonly samples: number }> {
  const { data, ranges, limit } = calibration;
  if (typeof ranges === 'string') return loadRanges(ranges);
  if (ranges !== undefined) return { ranges, samples: 0 };
  if (data === undefined) return { samples: 0 };
  onProgress?.stage?.('calibrating');
  const isSeen = (value: Value): boolean =>
    inference.dtypeOf(value) === 'float' && value.initializer === null && constantTensor(value) === undefined;
  return observeRanges(
    model,
    [...model.graph.values.values()].filter(isSeen),
    await openSource(data, fedInputs(model), calibration),
    ortRunner({ worker: onProgress !== undefined }),
    {
      nonFinite: 'no range',
      ...(limit !== undefined && { limit }),
      ...(onProgress?.sample && { onSample: onProgress.sample }),
    },
  );
}

function replay(
  plan: string | object,
  { model, to }: CastRequest,
  inference: Inference,
): Pick<Decided, 'plan' | 'kept' | 'search' | 'diagnostics'> {
  const read = parsePlan(typeof plan === 'string' ? readPlan(plan) : JSON.stringify(plan), model, inference);
  if (read.half !== halfTypes[to]) {
    throw new DiagnosticError({
      code: 'cast/plan-does-not-fit',
      message: `it is for ${read.half}, and ${to} was asked for`,
    });
  }
  return { plan: read, diagnostics: [] };
}

function readPlan(file: string): string {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch (cause) {
    throw new DiagnosticError({ code: 'cast/bad-plan-file', message: `"${file}" cannot be read` }, { cause });
  }
}

function requireSense(to: 'fp16' | 'bf16', options: HalfOptions): void {
  const conflict = (message: string): DiagnosticError =>
    new DiagnosticError({ code: 'usage/conflicting-options', message });
  const { plan, norms = 'fp32', maxError, headroom } = options;
  if (norms !== 'fp32' && norms !== to) throw conflict(`normalizations in ${norms} mean nothing with ${to}`);
  if (maxError !== undefined && !(maxError > 0 && maxError < 1)) {
    throw new DiagnosticError({
      code: 'usage/max-error',
      message: `a largest error lies between 0 and 1, not ${maxError}`,
    });
  }
  if (headroom !== undefined && !(headroom >= 1)) {
    throw new DiagnosticError({ code: 'usage/headroom', message: `headroom is 1 or more, not ${headroom}` });
  }
  const decides = ['norms', 'keepIoTypes', 'include', 'exclude', 'headroom', 'maxError'] as const;
  const other = plan === undefined ? undefined : decides.find((name) => options[name] !== undefined);
  if (other !== undefined) throw conflict(`a plan decides everything, and ${other} would decide as well`);
}

function reportOf(plan: PrecisionPlan, model: Model, inference: Inference) {
  const counts = new Map<string, { type: 'half' | 'float'; reason: string; nodes: number }>();
  const nodes = { half: 0, float: 0 };
  for (const { type, reason: full } of plan.nodes.values()) {
    nodes[type] += 1;
    const reason = full.replaceAll(/ ?\(?"[^"]*"\)?/g, '');
    const line = counts.get(`${type} ${reason}`) ?? { type, reason, nodes: 0 };
    line.nodes += 1;
    counts.set(`${type} ${reason}`, line);
  }
  const names = (ports: Iterable<{ readonly name: string }>): string[] => Array.from(ports, ({ name }) => name);
  return {
    half: plan.half,
    nodes,
    reasons: [...counts.values()].sort((a, b) => b.nodes - a.nodes),
    islands: floatIslands(plan, model, inference).islands.map((island) => ({
      nodes: island.nodes.map((node) => node.name || (node.outputs[0]?.name ?? '')),
      operators: [...new Set(island.nodes.map(({ opType }) => opType))],
      reasons: island.reasons,
      casts: island.casts,
    })),
    casts: countCasts(plan, model, inference),
    inputs: names(plan.inputs),
    outputs: names(plan.outputs),
    description: describePlan(plan, model, inference),
    plan: formatPlan(plan, model),
  };
}
