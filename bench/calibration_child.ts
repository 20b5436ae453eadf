// Runs samples through a model bare, or finds their extremes or histograms; prints seconds, those of all cores and peak memory as JSON.
//   jiti bench/calibration_child.ts bare|simplified|extremes|histograms MODEL-NAME SAMPLES
// `bare` runs the model as it came, `simplified` the one that is calibrated.

import { ortRunner } from '../src/backends/ort/run.js';
import { findTarget } from '../src/backends/target.js';
import { observeRanges } from '../src/calibrate/observe_ranges.js';
import { observeStatistics } from '../src/calibrate/observe_statistics.js';
import { openSource } from '../src/calibrate/sources/open_source.js';
import type { Feeds, SampleSource } from '../src/calibrate/sources/source.js';
import { loadModel } from '../src/ir/onnx/files.js';
import { Inference } from '../src/ir/ops/inference/inference.js';
import { runPipeline } from '../src/passes/pipeline.js';
import { standardPipeline } from '../src/passes/pipelines.js';
import { valuesToObserve } from '../src/passes/quantize/activation_ranges.js';
import { placeQuantization } from '../src/passes/quantize/placement.js';
import { peakMegabytes } from './measurement.js';
import { detector, digits, recognizer } from './models.js';

const [mode, name, count] = process.argv.slice(2);
const found = [digits, recognizer, detector].find((each) => each.name === name)!;
const target = findTarget('ort-cpu');
const model = loadModel(found.file);
if (mode !== 'bare') await runPipeline(model, standardPipeline, { target });
const inputs = model.graph.inputs.filter(({ initializer }) => initializer === null);
const stored = await openSource(found.calibration, inputs, found.image ? { image: found.image } : {});
const feeds: Feeds[] = [];
for await (const sample of stored.samples()) feeds.push(sample.feeds);
const source: SampleSource = {
  description: 'the stored samples, again and again',
  count: Number(count),
  async *samples() {
    for (let index = 0; index < Number(count); index += 1) {
      yield { name: String(index), feeds: feeds[index % feeds.length]! };
    }
  },
};

const runner = ortRunner();
const warm = await runner(model);
await warm.run(feeds[0]!);
await warm.close();
const start = performance.now();
const before = process.cpuUsage();
if (mode === 'bare' || mode === 'simplified') {
  const session = await runner(model);
  for await (const sample of source.samples()) await session.run(sample.feeds);
  await session.close();
} else {
  const placement = placeQuantization(model.graph, new Inference(model), target.int8['default']!);
  if (mode === 'extremes') await observeRanges(model, valuesToObserve(placement), source, runner);
  else await observeStatistics(model, valuesToObserve(placement), source, runner);
}
const seconds = (performance.now() - start) / 1000;
const { user, system } = process.cpuUsage(before);
console.log(JSON.stringify({ seconds, cpuSeconds: (user + system) / 1e6, peakMegabytes: peakMegabytes() }));
