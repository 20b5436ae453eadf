import { expect, it } from 'vitest';
import { ortEvaluator } from '../../src/backends/ort/run.js';
import { findTarget } from '../../src/backends/target.js';
import { int8Candidate } from '../../src/int8/int8_candidate.js';
import { planInt8 } from '../../src/int8/quantize_int8.js';
import { encodeModel } from '../../src/ir/onnx/encode.js';
import { loadModel } from '../../src/ir/onnx/files.js';
import { type PipelineStep, runPipeline } from '../../src/passes/pipeline.js';
import { standardPipeline } from '../../src/passes/pipelines.js';
import { fixture } from '../cli/run_cli.js';

const target = findTarget('ort-cpu');

async function digitsPlan() {
  const model = loadModel(fixture('digits/digits.onnx'));
  const run = async (steps: readonly PipelineStep[]) => {
    await runPipeline(model, steps, { target, evaluate: ortEvaluator() });
  };
  await run(standardPipeline);
  const calibration = { data: fixture('digits/calibration.mjs'), limit: 4 };
  return planInt8({ model, target, cpu: 'vnni', calibration, run });
}

it('a plan gives a model for every choice of one layer to leave in float, and stays as it is', async () => {
  const plan = await digitsPlan();
  const before = encodeModel(plan.model);
  const count = (model: typeof plan.model) =>
    [...model.graph.nodes].filter(({ opType }) => opType === 'DequantizeLinear').length;
  const all = count(await int8Candidate(plan, new Map()));
  expect(plan.placement.computes.length).toBeGreaterThan(4);
  for (const { node } of plan.placement.computes) {
    const candidate = await int8Candidate(plan, new Map([[node.outputs[0]!.name, 'for a test']]));
    expect(count(candidate)).toBeLessThan(all);
  }
  expect(encodeModel(plan.model)).toEqual(before);
});
