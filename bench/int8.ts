import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { openSession } from '../src/backends/ort/session.js';
import { openSource } from '../src/calibrate/sources/open_source.js';
import type { Feeds } from '../src/calibrate/sources/source.js';
import { loadModel } from '../src/ir/onnx/files.js';
import { optimize } from '../src/optimize.js';
import { type Bench, type Measurement, median } from './measurement.js';
import { type BenchModel, detector, digits, recognizer } from './models.js';

/** int8 against the float model as it came, in ONNX Runtime with all its optimizations: A, B, A, B… in one process. */
export const int8Bench: Bench = {
  name: 'int8',
  summary: 'latency of int8 / latency of float as it came, batch 1, median of pairwise ratios',
  async run({ smoke }) {
    const measurements: Measurement[] = [];
    for (const model of [digits, recognizer, detector]) {
      const bar = model === digits ? { bar: 0.75 } : {};
      for (const threads of smoke ? [1] : [1, 2]) {
        const { ratio, float, int8 } = await measure(model, threads, smoke ? 10 : 60);
        const what = `${model.name}, ${threads} thread${threads > 1 ? 's' : ''} (${float.toFixed(2)} => ${int8.toFixed(2)} ms)`;
        measurements.push({ what, value: ratio, unit: 'ratio', ...bar });
      }
    }
    return measurements;
  },
};

async function measure(model: BenchModel, threads: number, rounds: number) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'onnxopt-bench-'));
  try {
    const output = path.join(folder, 'int8.onnx');
    const image = model.image && { image: model.image };
    await optimize({
      model: model.file,
      output,
      precision: 'int8',
      calibration: { data: model.calibration, ...image },
    });
    const feeds = await firstSample(model);
    const options = { intraOpThreads: threads, interOpThreads: 1 };
    const float = await openSession({ path: model.file }, options);
    const int8 = await openSession({ path: output }, options);
    const time = async (session: typeof float) => {
      const start = performance.now();
      await session.run(feeds);
      return performance.now() - start;
    };
    for (let warmup = 0; warmup < 5; warmup += 1) for (const session of [float, int8]) await time(session);
    const pairs: [number, number][] = [];
    for (let round = 0; round < rounds; round += 1) pairs.push([await time(float), await time(int8)]);
    await float.close();
    await int8.close();
    return {
      ratio: median(pairs.map(([a, b]) => b / a)),
      float: median(pairs.map(([a]) => a)),
      int8: median(pairs.map(([, b]) => b)),
    };
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

export async function firstSample(model: BenchModel): Promise<Feeds> {
  const inputs = loadModel(model.file).graph.inputs.filter(({ initializer }) => initializer === null);
  const source = await openSource(model.calibration, inputs, model.image ? { image: model.image } : {});
  for await (const { feeds } of source.samples()) return feeds;
  throw new Error(`${model.calibration} holds no sample`);
}
