import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { openSession } from '../src/backends/ort/session.js';
import { measureInterleaved } from '../src/backends/ort/timing.js';
import { openSource } from '../src/calibrate/sources/open_source.js';
import type { Feeds } from '../src/calibrate/sources/source.js';
import { DiagnosticError } from '../src/ir/diagnostic.js';
import { loadModel } from '../src/ir/onnx/files.js';
import { type OptimizeResult, optimize } from '../src/optimize.js';
import { type Int8Model, int8Models } from './int8_models.js';
import type { Bench, BenchOptions, Measurement } from './measurement.js';

/** int8 against the float model as it came, in ONNX Runtime with all its optimizations: A, B, A, B… in one process. */
export const int8Bench: Bench = {
  name: 'int8',
  summary: 'latency / latency of float as it came, one sample, median of the ratios of each round',
  async run(options) {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'onnxopt-bench-'));
    try {
      const measurements: Measurement[] = [];
      for (const model of await int8Models(folder, options.models ?? [], options.smoke)) {
        const made = await measureModel(model, folder, options);
        for (const { what, value } of made) console.log(`  ${what}: ${value.toFixed(3)}`);
        measurements.push(...made);
      }
      return measurements;
    } finally {
      fs.rmSync(folder, { recursive: true, force: true });
    }
  },
};

async function measureModel(model: Int8Model, folder: string, options: BenchOptions): Promise<Measurement[]> {
  const output = path.join(folder, 'int8.onnx');
  let result: OptimizeResult;
  try {
    result = await optimize({
      model: model.file,
      output,
      precision: 'int8',
      calibration: { ...model.reading, data: model.data },
      ...(options.smoke && { quantization: { gateSeconds: 2 } }),
      // Random samples have no answers to be held to.
      ...(!model.isReal && { check: false }),
    });
  } catch (error) {
    if (!(error instanceof DiagnosticError)) throw error;
    console.log(`${model.name}: not quantized: ${error.diagnostic.message}`);
    return [];
  }
  const gate = result.quantization?.gate;
  const chosen = gate === undefined ? 'nothing to time' : `${gate.chosen}, all on 8 bits ${gate.before.toFixed(2)}`;
  const measurements: Measurement[] = [];
  for (const threads of options.smoke ? [1] : [1, 2]) {
    measurements.push(...(await measure(model, output, `gate: ${chosen}`, threads, options)));
  }
  return measurements;
}

async function measure(
  model: Int8Model,
  output: string,
  chosen: string,
  threads: number,
  { smoke, peers }: BenchOptions,
): Promise<Measurement[]> {
  const peer = peers === undefined || model.peer === undefined ? undefined : path.join(peers, model.peer);
  const files = { float: model.file, onnxopt: output, ...(peer !== undefined && fs.existsSync(peer) && { peer }) };
  const candidates = await Promise.all(
    Object.entries(files).map(async ([label, file]) => ({
      label,
      session: await openSession({ path: file }, { intraOpThreads: threads }),
    })),
  );
  const feeds = await firstSample(model);
  const start = performance.now();
  for (const { session } of candidates) await session.run(feeds);
  const affordable = Math.round(10_000 / Math.max(0.1, performance.now() - start));
  const settings = { warmup: 5, rounds: smoke ? 10 : Math.min(200, Math.max(15, affordable)) };
  const [float, ...others] = await measureInterleaved(candidates, feeds, settings);
  for (const { session } of candidates) await session.close();
  return others.map(({ label, median, ratio }) => ({
    what: `${model.name}, ${label}, ${threads} thread${threads > 1 ? 's' : ''} (${float!.median.toFixed(2)} => ${median.toFixed(2)} ms${label === 'onnxopt' ? `; ${chosen}` : ''})`,
    value: ratio,
    unit: 'ratio',
    ...(label === 'onnxopt' && { bar: model.bar }),
  }));
}

async function firstSample({ file, data, reading }: Int8Model): Promise<Feeds> {
  const inputs = loadModel(file).graph.inputs.filter(({ initializer }) => initializer === null);
  const source = await openSource(data, inputs, reading);
  for await (const { feeds } of source.samples()) return feeds;
  throw new Error(`${file}: the data hold no sample`);
}
