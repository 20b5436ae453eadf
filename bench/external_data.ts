import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Editor } from '../src/ir/editor.js';
import { saveModel } from '../src/ir/onnx/files.js';
import { tensorFromBytes } from '../src/ir/tensor.js';
import { tensorType } from '../src/ir/value_type.js';
import { type Bench, median } from './measurement.js';
import { repository } from './models.js';

/** A model with its weights in a file of their own, read, cleaned and written, against copying its files. */
export const externalDataBench: Bench = {
  name: 'external-data',
  summary: 'decode, eliminate dead nodes, encode / copying the files; peak memory',
  async run({ smoke }) {
    const layers = smoke ? 4 : 64;
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'onnxopt-bench-'));
    try {
      const input = writeLargeModel(folder, layers);
      const ratios: number[] = [];
      const memory: number[] = [];
      for (let round = 0; round < (smoke ? 1 : 5); round += 1) {
        const start = performance.now();
        for (const suffix of ['', '.data']) fs.copyFileSync(`${input}${suffix}`, path.join(folder, `copy${suffix}`));
        const copied = (performance.now() - start) / 1000;
        const made = child(input, path.join(folder, 'out.onnx'));
        ratios.push(made.seconds / copied);
        memory.push(made.peakMegabytes);
      }
      const size = `${(layers * 16).toLocaleString('en')} MB`;
      return [
        { what: `${size} of external data, time`, value: median(ratios), unit: 'ratio', bar: 1.5 },
        { what: `${size} of external data, peak memory`, value: median(memory), unit: 'MB', bar: 400 },
      ];
    } finally {
      fs.rmSync(folder, { recursive: true, force: true });
    }
  },
};

/** A chain of products with 2048×2048 float weights, 16 MiB each, and a dead branch on every second one. */
function writeLargeModel(folder: string, layers: number): string {
  const editor = new Editor();
  editor.setModelProperties({ irVersion: 9 });
  editor.setOpsetImport('', 17);
  const { graph } = editor.model;
  let value = editor.addInput(graph, 'x', tensorType('float', [1, 2048]));
  for (let layer = 0; layer < layers; layer += 1) {
    const bytes = new Uint8Array(2048 * 2048 * 4).fill(layer + 1);
    const tensor = tensorFromBytes('float', [2048, 2048], bytes);
    const weight = editor.addInitializer(graph, tensor, `w${layer}`);
    value = editor.insertNode({ graph, opType: 'MatMul', inputs: [value, weight], outputs: 1 }).outputs[0]!;
    if (layer % 2 === 0) editor.insertNode({ graph, opType: 'Neg', inputs: [value], outputs: 1 });
  }
  editor.addOutput(graph, value, 'y');
  return saveModel(editor.model, path.join(folder, 'in.onnx'), { externalData: 'always' }).model;
}

function child(input: string, output: string): { seconds: number; peakMegabytes: number } {
  const jiti = path.join(repository, 'node_modules/jiti/lib/jiti-cli.mjs');
  const script = path.join(repository, 'bench/external_data_child.ts');
  const text = execFileSync(process.execPath, [jiti, script, input, output], { encoding: 'utf8' });
  return JSON.parse(text.trim().split('\n').at(-1)!) as { seconds: number; peakMegabytes: number };
}
