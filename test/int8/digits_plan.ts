import { ortEvaluator } from '../../src/backends/ort/run.js';
import { findTarget } from '../../src/backends/target.js';
import { type Int8Plan, planInt8 } from '../../src/int8/quantize_int8.js';
import { loadModel } from '../../src/ir/onnx/files.js';
import { type PipelineStep, runPipeline } from '../../src/passes/pipeline.js';
import { standardPipeline } from '../../src/passes/pipelines.js';
import { fixture } from '../cli/run_cli.js';

const target = findTarget('ort-cpu');

/** The digit classifier, ready for int8 on four samples. */
export async function digitsPlan(): Promise<Int8Plan> {
  const model = loadModel(fixture('digits/digits.onnx'));
  const run = async (steps: readonly PipelineStep[]) => {
    await runPipeline(model, steps, { target, evaluate: ortEvaluator() });
  };
  await run(standardPipeline);
  const calibration = { data: fixture('digits/calibration.mjs'), limit: 4 };
  return planInt8({ model, target, cpu: 'vnni', calibration, run });
}
