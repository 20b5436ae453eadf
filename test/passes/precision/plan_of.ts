import { findTarget } from '../../../src/backends/target.js';
import type { Model, Value } from '../../../src/ir/graph.js';
import { Inference } from '../../../src/ir/ops/inference/inference.js';
import { definePass } from '../../../src/passes/pass.js';
import { applyPrecisionPlan } from '../../../src/passes/precision/apply_precision_plan.js';
import {
  buildPrecisionPlan,
  type DecidedPlan,
  type PrecisionOptions,
} from '../../../src/passes/precision/build_precision_plan.js';
import { countCasts } from '../../../src/passes/precision/count_casts.js';
import type { NodePrecision } from '../../../src/passes/precision/precision_plan.js';
import { applyPass, type ModelBuilder } from '../../build_model.js';

export type Planned = {
  readonly model: Model;
  readonly inference: Inference;
  readonly plan: DecidedPlan;
  readonly casts: number;
};

/** float16 for the portable target unless told; inputs and outputs keep their type. */
export function planOf(model: Model, options: Partial<PrecisionOptions> = {}): Planned {
  const inference = new Inference(model);
  const plan = buildPrecisionPlan(model, inference, {
    half: 'float16',
    target: findTarget('portable'),
    keepIoTypes: true,
    ...options,
  });
  return { model, inference, plan, casts: countCasts(plan, model, inference) };
}

/** What the node behind a value of a builder's graph computes in. */
export function precisionOf(b: ModelBuilder, value: Value, options: Partial<PrecisionOptions> = {}): NodePrecision {
  const { plan } = planOf(b.editor.model, options);
  const decided = plan.nodes.get(value.producer!);
  if (decided === undefined) throw new Error(`the plan says nothing of ${value.name}`);
  return decided;
}

/** Plans a model and applies the plan, types inferred again behind it. */
export async function converted(model: Model, options: Partial<PrecisionOptions> = {}): Promise<Model> {
  const pass = definePass({
    name: 'plan-and-cast',
    summary: 'float => half where a plan says so',
    scope: 'model',
    run: (graph, context) => applyPrecisionPlan(planOf(context.model, options).plan).run(graph, context),
  });
  return (await applyPass(model, pass)).model;
}
