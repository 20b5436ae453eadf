// Decodes a model with external data, eliminates dead nodes, encodes it elsewhere; prints seconds and peak memory.
//   jiti bench/external_data_child.ts IN.onnx OUT.onnx

import { findTarget } from '../src/backends/target.js';
import { loadModel, saveModel } from '../src/ir/onnx/files.js';
import { runPipeline } from '../src/passes/pipeline.js';
import { eliminateDeadNodes } from '../src/passes/simplify/eliminate_dead_nodes.js';
import { peakMegabytes } from './measurement.js';

const [input, output] = process.argv.slice(2);
const start = performance.now();
const model = loadModel(input!);
await runPipeline(model, [{ pass: eliminateDeadNodes, reason: 'measured' }], { target: findTarget('portable') });
saveModel(model, output!);
const seconds = (performance.now() - start) / 1000;
console.log(JSON.stringify({ seconds, peakMegabytes: peakMegabytes() }));
