import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { ortRunner } from '../src/backends/ort/run.js';
import { formatTable } from '../src/cli/table.js';
import { floatValues } from '../src/evaluate/output_error.js';
import { cloneModel } from '../src/ir/clone.js';
import { DiagnosticError } from '../src/ir/diagnostic.js';
import { Editor } from '../src/ir/editor.js';
import type { Model } from '../src/ir/graph.js';
import { loadModel, saveModel } from '../src/ir/onnx/files.js';
import { floatTensor } from '../src/ir/tensor.js';
import { tensorType } from '../src/ir/value_type.js';
import { buildPrecisionPlan } from '../src/passes/precision/build_precision_plan.js';
import { widenNodes } from '../test/passes/precision/spelled_out.js';
import { type Bench, type BenchOptions, type Measurement, median } from './measurement.js';
import { repository } from './models.js';
import { type OverflowModel, overflowModels } from './overflow_models.js';
import { planEverything } from './plain_conversion.js';
import { precisionCase } from './precision_case.js';
import { convert, precisionOptions, simplified } from './precision_conversion.js';
import { lightFolder, modelsIn, type PrecisionModel, precisionModels, recognizerModel } from './precision_models.js';

/**
 * What 16-bit floats cost and save, each node rounding its results, on real models; models that overflow, beside what
 * another tool made of them; and what a large model takes. With a peers folder, the models that overflow are written into
 * it, and read back from its folders `PEER/NAME.onnx` where those are (`bench/peers/convert_float16.py`).
 */
export const precisionBench: Bench = {
  name: 'precision',
  summary: '16-bit floats: casts, errors and sizes; models that overflow; a large model',
  async run(options) {
    const measurements = await realModels(options);
    await overflow(options.peers);
    return [...measurements, ...large(options.smoke)];
  },
};

async function realModels({ smoke, models = [] }: BenchOptions): Promise<Measurement[]> {
  const rows = [['', 'type', 'half', 'float', 'casts', 'naive', 'naive, as it came', 'dB', 'dB, weights', 'file']];
  const measurements: Measurement[] = [];
  const given = smoke ? [recognizerModel()] : [...precisionModels(), ...models.flatMap(modelsIn)];
  const light = smoke ? [] : modelsIn(lightFolder);
  const add = async (model: PrecisionModel, half: 'float16' | 'bfloat16', calibrated: boolean) => {
    const found = await precisionCase(model, half, { calibrated });
    const { conversion, naive, bytes, rounded, weights } = found;
    const ratio = bytes.half / bytes.float;
    const row = [
      model.name,
      half,
      String(conversion.nodes.half),
      String(conversion.nodes.float),
      String(conversion.casts.inserted.length),
      String(naive.simplified),
      String(naive.asItCame),
      rounded.sqnr.toFixed(1),
      weights?.sqnr.toFixed(1) ?? '',
      ratio.toFixed(3),
    ];
    rows.push(row);
    console.log(row.join('  '));
    measurements.push({ what: `${model.name}, ${half}, file`, value: ratio, unit: 'ratio' });
  };
  for (const model of given) for (const half of ['float16', 'bfloat16'] as const) await add(model, half, false);
  for (const model of light) await add(model, 'float16', true);
  console.log(`\n${formatTable(rows)}\n`);
  return measurements;
}

async function overflow(peers: string | undefined): Promise<void> {
  const tools = peers === undefined ? [] : writeForPeers(peers);
  const rows = [['', 'onnxopt', 'all in float16', ...tools]];
  for (const each of overflowModels()) {
    const float = await simplified(each.model, 'float16');
    const planned = await convert(float, 'float16', (copy, inference) =>
      buildPrecisionPlan(copy, inference, {
        ...precisionOptions('float16'),
        ...(each.ranges && { ranges: each.ranges }),
      }),
    );
    const plain = await convert(each.model, 'float16', (copy, inference) => planEverything(copy, inference, 'float16'));
    const row = [each.name, await verdict(each, planned.model), await verdict(each, plain.model)];
    for (const tool of tools) {
      const file = path.join(peers!, tool, `${each.name}.onnx`);
      row.push(fs.existsSync(file) ? await verdict(each, loadModel(file)) : 'no result');
    }
    rows.push(row);
  }
  console.log(
    `models that overflow, every node rounding its results: largest error of the largest number\n${formatTable(rows)}\n`,
  );
}

/** The largest error as a share of the largest number, or how much of the answer is no number. */
async function verdict({ model, feeds }: OverflowModel, candidate: Model): Promise<string> {
  const expected = await answer(model, feeds);
  const spelled = cloneModel(candidate);
  try {
    widenNodes(spelled);
    const actual = await answer(spelled, feeds);
    const lost = actual.filter((value) => !Number.isFinite(value)).length;
    if (lost > 0) return `${lost} of ${actual.length} NaN or infinite`;
    const peak = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const error = actual.reduce((most, value, at) => Math.max(most, Math.abs(value - expected[at]!)), 0);
    return `${((100 * error) / peak).toPrecision(2)} %`;
  } catch (error) {
    if (error instanceof DiagnosticError) return `does not load: ${error.diagnostic.message.slice(0, 60)}`;
    throw error;
  }
}

async function answer(model: Model, feeds: OverflowModel['feeds']): Promise<Float32Array> {
  const session = await ortRunner()(model, { optimize: false });
  try {
    return Float32Array.from(floatValues((await session.run(feeds)).get('y')!));
  } finally {
    await session.close();
  }
}

/** Gives the tools that have results. */
function writeForPeers(folder: string): string[] {
  const models = path.join(folder, 'float');
  fs.mkdirSync(models, { recursive: true });
  for (const { name, model } of overflowModels()) saveModel(model, path.join(models, `${name}.onnx`));
  return fs
    .readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && entry.name !== 'float')
    .map(({ name }) => name)
    .sort();
}

/** A model with its weights in a file of their own, planned, cast and written, against copying its files. */
function large(smoke: boolean): Measurement[] {
  const layers = smoke ? 4 : 64;
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'onnxopt-bench-'));
  try {
    const input = writeLargeModel(folder, layers);
    const ratios: number[] = [];
    const memory: number[] = [];
    for (let round = 0; round < (smoke ? 1 : 3); round += 1) {
      const start = performance.now();
      for (const suffix of ['', '.data']) fs.copyFileSync(`${input}${suffix}`, path.join(folder, `copy${suffix}`));
      const copied = (performance.now() - start) / 1000;
      const made = castInChild(input, path.join(folder, 'out.onnx'));
      ratios.push(made.seconds / copied);
      memory.push(made.peakMegabytes);
    }
    const size = `${(layers * 16).toLocaleString('en')} MB`;
    return [
      { what: `${size} of external data to float16, time`, value: median(ratios), unit: 'ratio', bar: 2 },
      { what: `${size} of external data to float16, peak memory`, value: median(memory), unit: 'MB', bar: 600 },
    ];
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

/** A chain of products with 2048×2048 weights of a size that trained ones have, 16 MiB each. */
export function writeLargeModel(folder: string, layers: number): string {
  const editor = new Editor();
  editor.setModelProperties({ irVersion: 9 });
  editor.setOpsetImport('', 17);
  const { graph } = editor.model;
  const weights = floatTensor(
    Float32Array.from({ length: 2 ** 22 }, (_, at) => Math.sin(at * 1.7) ** 3 / 32),
    [2048, 2048],
  );
  let value = editor.addInput(graph, 'x', tensorType('float', [1, 2048]));
  for (let layer = 0; layer < layers; layer += 1) {
    const weight = editor.addInitializer(graph, weights, `w${layer}`);
    value = editor.insertNode({ graph, opType: 'MatMul', inputs: [value, weight], outputs: 1 }).outputs[0]!;
  }
  editor.addOutput(graph, value, 'y', tensorType('float', [1, 2048]));
  return saveModel(editor.model, path.join(folder, 'in.onnx'), { externalData: 'always' }).model;
}

function castInChild(input: string, output: string): { seconds: number; peakMegabytes: number } {
  const jiti = path.join(repository, 'node_modules/jiti/lib/jiti-cli.mjs');
  const script = path.join(repository, 'bench/precision_child.ts');
  const text = execFileSync(process.execPath, [jiti, script, input, output], { encoding: 'utf8' });
  return JSON.parse(text.trim().split('\n').at(-1)!) as { seconds: number; peakMegabytes: number };
}
