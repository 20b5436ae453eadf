import { ortEvaluator } from '../backends/ort/run.js';
import { cloneModel } from '../ir/clone.js';
import type { Model } from '../ir/graph.js';
import { type PipelineStep, runPipeline } from '../passes/pipeline.js';
import { afterQuantizationPipeline, ownOperatorsPipeline } from '../passes/pipelines.js';
import { insertQdq } from '../passes/quantize/insert_qdq.js';
import { placeInt8 } from './prepare_int8.js';
import type { Int8Plan } from './quantize_int8.js';

/** Nodes left in float although they could run on 8 bits, by the name of their first output, with the reason. */
export type FloatNodes = ReadonlyMap<string, string>;

type Parts = Pick<Int8Plan, 'model' | 'target' | 'scheme' | 'ranges' | 'quantization'>;

/**
 * What a plan gives when these further nodes stay in float, down to the operators that the target prefers: a model to
 * be timed or compared. The plan's own model stays as it is; weights are shared with it.
 */
export async function int8Candidate(plan: Parts, floats: FloatNodes): Promise<Model> {
  const { scheme, ranges, quantization = {} } = plan;
  const model = cloneModel(plan.model);
  const placement = placeInt8(model, scheme, {
    ...quantization,
    floats: new Map([...(quantization.floats ?? []), ...floats]),
  });
  await finish(plan, model, [
    { pass: insertQdq(placement, ranges, scheme), reason: 'as the placement says' },
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
