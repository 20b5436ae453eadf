// Plans and casts a model with external data to float16, encodes it elsewhere; prints seconds and peak memory.
//   jiti bench/precision_child.ts IN.onnx OUT.onnx

import { findTarget } from '../src/backends/target.js';
import { loadModel, saveModel } from '../src/ir/onnx/files.js';
import { Inference } from '../src/ir/ops/inference/inference.js';
import { runPipeline } from '../src/passes/pipeline.js';
import { applyPrecisionPlan } from '../src/passes/precision/apply_precision_plan.js';
import { buildPrecisionPlan } from '../src/passes/precision/build_precision_plan.js';
import { eliminateUnusedInitializers } from '../src/passes/simplify/eliminate_unused_initializers.js';
import { peakMegabytes } from './measurement.js';

const [input, output] = process.argv.slice(2);
const target = findTarget('ort-cpu');
const start = performance.now();
const model = loadModel(input!);
const plan = buildPrecisionPlan(model, new Inference(model), { half: 'float16', target, keepIoTypes: true });
const steps = [
  { pass: applyPrecisionPlan(plan), reason: 'measured' },
  { pass: eliminateUnusedInitializers, reason: 'measured' },
];
await runPipeline(model, steps, { target });
saveModel(model, output!);
const seconds = (performance.now() - start) / 1000;
console.log(JSON.stringify({ seconds, peakMegabytes: peakMegabytes() }));
