import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { openSession } from '../src/backends/ort/session.js';
import { measureInterleaved } from '../src/backends/ort/timing.js';
import { openSource } from '../src/calibrate/sources/open_source.js';
import type { Feeds } from '../src/calibrate/sources/source.js';
import { loadModel } from '../src/ir/onnx/files.js';
import { optimize } from '../src/optimize.js';
import type { Bench, BenchOptions, Measurement } from './measurement.js';
import { type BenchModel, detector, digits, recognizer } from './models.js';

/** int8 against the float model as it came, in ONNX Runtime with all its optimizations: A, B, A, B… in one process. */
export const int8Bench: Bench = {
  name: 'int8',
  summary: 'latency / latency of float as it came, batch 1, median of the ratios of each round',
  async run(options) {
    const measurements: Measurement[] = [];
    for (const model of [digits, recognizer, detector]) {
      for (const threads of options.smoke ? [1] : [1, 2])
        measurements.push(...(await measure(model, threads, options)));
    }
    return measurements;
  },
};

async function measure(model: BenchModel, threads: number, { smoke, peers }: BenchOptions): Promise<Measurement[]> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'onnxopt-bench-'));
  const output = path.join(folder, 'int8.onnx');
  const image = model.image && { image: model.image };
  try {
    await optimize({
      model: model.file,
      output,
      precision: 'int8',
      calibration: { data: model.calibration, ...image },
    });
    const peer = peers === undefined ? undefined : path.join(peers, model.peer);
    const files = { float: model.file, onnxopt: output, ...(peer !== undefined && fs.existsSync(peer) && { peer }) };
    const candidates = await Promise.all(
      Object.entries(files).map(async ([label, file]) => ({
        label,
        session: await openSession({ path: file }, { intraOpThreads: threads }),
      })),
    );
    const settings = { warmup: 5, rounds: smoke ? 10 : 100 };
    const [float, ...others] = await measureInterleaved(candidates, await firstSample(model), settings);
    for (const { session } of candidates) await session.close();
    return others.map(({ label, median, ratio }) => ({
      what: `${model.name}, ${label}, ${threads} thread${threads > 1 ? 's' : ''} (${float!.median.toFixed(2)} => ${median.toFixed(2)} ms)`,
      value: ratio,
      unit: 'ratio',
      ...(model === digits && label === 'onnxopt' && { bar: 0.75 }),
    }));
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

async function firstSample(model: BenchModel): Promise<Feeds> {
  const inputs = loadModel(model.file).graph.inputs.filter(({ initializer }) => initializer === null);
  const source = await openSource(model.calibration, inputs, model.image ? { image: model.image } : {});
  for await (const { feeds } of source.samples()) return feeds;
  throw new Error(`${model.calibration} holds no sample`);
}
