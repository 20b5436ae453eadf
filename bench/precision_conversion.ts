import { ortEvaluator, ortRunner } from '../src/backends/ort/run.js';
import { findTarget } from '../src/backends/target.js';
import { observeRanges } from '../src/calibrate/observe_ranges.js';
import type { SampleSource } from '../src/calibrate/sources/source.js';
import { cloneModel } from '../src/ir/clone.js';
import { constantTensor } from '../src/ir/constant.js';
import { type Model, type Node, opsetVersion } from '../src/ir/graph.js';
import type { HalfType } from '../src/ir/half_float.js';
import { Inference } from '../src/ir/ops/inference/inference.js';
import { modelGraphs } from '../src/ir/traversal.js';
import { convertOpset } from '../src/passes/legalize/convert_opset.js';
import { runPipeline } from '../src/passes/pipeline.js';
import { standardPipeline } from '../src/passes/pipelines.js';
import { applyPrecisionPlan } from '../src/passes/precision/apply_precision_plan.js';
import {
  buildPrecisionPlan,
  type DecidedPlan,
  type PrecisionOptions,
} from '../src/passes/precision/build_precision_plan.js';
import { countCasts, naiveCastCount } from '../src/passes/precision/count_casts.js';
import { surveyRetyping } from '../src/passes/precision/retype_survey.js';
import type { Ranges } from '../src/passes/quantize/ranges.js';
import { eliminateUnusedInitializers } from '../src/passes/simplify/eliminate_unused_initializers.js';

const target = findTarget('ort-cpu');

/**
 * The runtime puts no casts around nodes that read bfloat16 and has next to no kernels for it, so that a plan for it
 * alone would leave everything in float.
 */
const targetOf = (half: HalfType) => (half === 'float16' ? target : findTarget('portable'));

/** The first opset in which convolutions and most elementwise operators take bfloat16. */
const bfloat16Opset = 22;

/** Inputs and outputs keep float32, so that both models take the same feeds. */
export const precisionOptions = (half: HalfType): PrecisionOptions => ({
  half,
  target: targetOf(half),
  keepIoTypes: true,
});

/** The model with the same answers and fewer nodes, in an opset whose operators take the type; a copy. */
export async function simplified(model: Model, half: HalfType): Promise<Model> {
  const copy = cloneModel(model);
  await runPipeline(copy, standardPipeline, { target: targetOf(half), evaluate: ortEvaluator() });
  await raiseOpset(copy, half);
  return copy;
}

export type Conversion = {
  readonly model: Model;
  /** Of the nodes that read or write float32. */
  readonly nodes: { readonly half: number; readonly float: number };
  /** What the plan says, and those in the result that the model did not bring along. */
  readonly casts: { readonly planned: number; readonly inserted: readonly Node[] };
  /** Bytes of the constants that readers are given, once a type. */
  readonly constantBytes: { readonly half: number; readonly float: number; readonly twice: number };
  /** Changes of a second application. */
  readonly changesAgain: number;
};

/** What calibration sees of every float value of the main graph. */
export async function observedRanges(model: Model, source: SampleSource): Promise<Ranges> {
  const inference = new Inference(model);
  const values = [...model.graph.values.values()].filter(
    (value) => constantTensor(value) === undefined && inference.dtypeOf(value) === 'float',
  );
  return (await observeRanges(model, values, source, ortRunner())).ranges;
}

/** A copy of a model in a half type, as planned. */
export async function convert(
  model: Model,
  half: HalfType,
  decide: (copy: Model, inference: Inference) => DecidedPlan = (copy, inference) =>
    buildPrecisionPlan(copy, inference, precisionOptions(half)),
): Promise<Conversion> {
  const copy = cloneModel(model);
  const inference = new Inference(copy);
  const plan = decide(copy, inference);
  const planned = countCasts(plan, copy, inference);
  const constants = constantBytes(plan, copy, inference);
  const steps = [
    { pass: applyPrecisionPlan(plan), reason: 'measured' },
    { pass: eliminateUnusedInitializers, reason: 'constants that nobody reads in float any more' },
  ];
  const settings = { target, verifyTypes: true };
  await runPipeline(copy, steps, settings);
  const again = await runPipeline(copy, steps, settings);
  const types = [...plan.nodes.values()].map(({ type }) => type);
  const nodes = [...modelGraphs(copy)].flatMap((graph) => [...graph.nodes]);
  return {
    model: copy,
    nodes: {
      half: types.filter((type) => type === 'half').length,
      float: types.filter((type) => type === 'float').length,
    },
    casts: { planned, inserted: nodes.filter(({ provenance }) => provenance.includes('cast-to-half')) },
    constantBytes: constants,
    changesAgain: again.passes.reduce((sum, { changes }) => sum + changes, 0),
  };
}

function constantBytes(plan: DecidedPlan, model: Model, inference: Inference): Conversion['constantBytes'] {
  const bytes = { half: 0, float: 0, twice: 0 };
  for (const { value, kind, halfUses, floatUses } of surveyRetyping(model, plan, inference).values) {
    const size = kind === 'constant' ? (constantTensor(value)?.byteLength ?? 0) : 0;
    if (halfUses.length > 0) bytes.half += size / 2;
    if (floatUses.length > 0) bytes.float += size;
    if (halfUses.length > 0 && floatUses.length > 0) bytes.twice += size;
  }
  return bytes;
}

/** Casts that a converter puts around every node it keeps, with no look at what is next to it. */
export async function naiveCasts(model: Model, half: HalfType, ranges?: Ranges): Promise<number> {
  const copy = cloneModel(model);
  await raiseOpset(copy, half);
  const inference = new Inference(copy);
  const options = { ...precisionOptions(half), ...(ranges && { ranges }) };
  return naiveCastCount(buildPrecisionPlan(copy, inference, options), copy, inference);
}

async function raiseOpset(model: Model, half: HalfType): Promise<void> {
  if (half !== 'bfloat16' || opsetVersion(model.graph, '')! >= bfloat16Opset) return;
  const pass = convertOpset(bfloat16Opset);
  await runPipeline(model, [{ pass, reason: 'older operators take no bfloat16' }], { target: targetOf(half) });
}
