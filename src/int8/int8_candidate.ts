import { ortEvaluator } from '../backends/ort/run.js';
import { cloneModel } from '../ir/clone.js';
import type { Model } from '../ir/graph.js';
import { type PipelineStep, runPipeline } from '../passes/pipeline.js';
import { afterQuantizationPipeline, ownOperatorsPipeline } from '../passes/pipelines.js';
import { insertQdq } from '../passes/quantize/insert_qdq.js';
import type { Placement } from '../passes/quantize/placement.js';
import type { PlacementOptions } from '../passes/quantize/selection.js';
import { placeInt8 } from './prepare_int8.js';
import type { Int8Plan } from './quantize_int8.js';

/** Nodes left in float although they could run on 8 bits, by the name of their first output, with the reason. */
export type FloatNodes = ReadonlyMap<string, string>;

type Parts = Pick<Int8Plan, 'model' | 'target' | 'scheme' | 'ranges' | 'coding' | 'quantization'>;

/**
 * What a plan gives when these further nodes stay in float, down to the operators that the target prefers: a model to
 * be timed or compared. The plan's own model stays as it is; weights are shared with it.
 */
export const int8Candidate = (plan: Parts, floats: FloatNodes): Promise<Model> =>
  placedCandidate(plan, (model) => placeInt8(model, plan.scheme, withFloats(plan.quantization, floats)));

/** The options of a plan with further nodes left in float. */
export const withFloats = (quantization: Parts['quantization'], floats: FloatNodes): PlacementOptions => ({
  ...quantization,
  floats: new Map([...(quantization?.floats ?? []), ...floats]),
});

/** As `int8Candidate`, with 8 bits where `place` puts them in a copy of the plan's model. */
export async function placedCandidate(plan: Parts, place: (model: Model) => Placement): Promise<Model> {
  const model = cloneModel(plan.model);
  await finish(plan, model, [
    { pass: insertQdq(place(model), plan.ranges, plan.scheme, plan.coding), reason: 'as the placement says' },
    ...afterQuantizationPipeline,
  ]);
  return model;
}

/** The model in float, in the operators that the target prefers: what candidates are measured against. */
export async function floatForm(plan: Parts): Promise<Model> {
  const model = cloneModel(plan.model);
  await finish(plan, model, []);
  return model;
}

async function finish({ target }: Parts, model: Model, steps: readonly PipelineStep[]): Promise<void> {
  await runPipeline(model, [...steps, ...ownOperatorsPipeline], { target, evaluate: ortEvaluator() });
}
