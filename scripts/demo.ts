// Optimizes the trained digit classifier to int8 with its own training digits, and shows what that did to it.
//   npm run demo
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { everyNth, loadDigits } from '../fixtures/digits/digits_data.mjs';
import { hostCpu } from '../src/backends/ort/host.js';
import { openSession } from '../src/backends/ort/session.js';
import { formatBytes, formatTable } from '../src/cli/table.js';
import { loadModel } from '../src/ir/onnx/files.js';
import { floatTensor, type Tensor, tensorData } from '../src/ir/tensor.js';
import { countNodes } from '../src/ir/traversal.js';

const repository = path.resolve(import.meta.dirname, '..');
const model = 'fixtures/digits/digits.onnx';
const output = '.demo/digits.int8.onnx';
const command = `optimize ${model} -o ${output} --target ort-cpu --precision int8 --calibration-data fixtures/digits/calibration.mjs`;

fs.mkdirSync(path.join(repository, '.demo'), { recursive: true });
console.log(`$ onnxopt ${command}\n`);
execFileSync(process.execPath, ['dist/cli/main.js', ...command.split(' ')], { cwd: repository, stdio: 'inherit' });

const files = [model, output].map((file) => path.join(repository, file));
const sessions = await Promise.all(files.map((file) => openSession({ path: file }, { intraOpThreads: 1 })));
const heldBack = loadDigits('held-back');

/** Logits of all held-back digits, in batches: one array of ten numbers a digit. */
async function answers(session: (typeof sessions)[number]): Promise<Float32Array> {
  const logits = new Float32Array(heldBack.length * 10);
  const batch = 100;
  for (let start = 0; start < heldBack.length; start += batch) {
    const part = heldBack.slice(start, start + batch);
    const images = new Float32Array(part.length * 784);
    for (const [index, { image }] of part.entries()) images.set(image, index * 784);
    const result = await session.run(new Map([['image', floatTensor(images, [part.length, 1, 28, 28])]]));
    logits.set(tensorData(result.get('logits')!) as Float32Array, start * 10);
  }
  return logits;
}

function accuracy(logits: Float32Array): number {
  let right = 0;
  for (const [index, { label }] of heldBack.entries()) {
    const scores = logits.subarray(index * 10, index * 10 + 10);
    if (scores.indexOf(Math.max(...scores)) === label) right += 1;
  }
  return right / heldBack.length;
}

/** Median milliseconds of each model on single digits, run in turn so that both see the same machine. */
async function latencies(): Promise<number[]> {
  const feeds: ReadonlyMap<string, Tensor>[] = everyNth(heldBack, 10).map(
    ({ image }) => new Map([['image', floatTensor(image, [1, 1, 28, 28])]]),
  );
  const times: number[][] = sessions.map(() => []);
  for (const feed of feeds) {
    for (const [index, session] of sessions.entries()) {
      const start = performance.now();
      await session.run(feed);
      times[index]!.push(performance.now() - start);
    }
  }
  return times.map((list) => list.sort((a, b) => a - b)[Math.floor(list.length / 2)]!);
}

const [float, int8] = [await answers(sessions[0]!), await answers(sessions[1]!)];
const [floatTime, int8Time] = await latencies();
const largestError = float.reduce((largest, value, index) => Math.max(largest, Math.abs(value - int8[index]!)), 0);
const largestLogit = float.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
const [sizeBefore, sizeAfter] = files.map((file) => fs.statSync(file).size);
const [nodesBefore, nodesAfter] = files.map((file) => countNodes(loadModel(file)));
const percent = (value: number) => `${(value * 100).toFixed(2)} %`;

console.log(
  `\n${formatTable([
    ['', 'before', 'after', ''],
    ['file size', formatBytes(sizeBefore!), formatBytes(sizeAfter!), `${(sizeAfter! / sizeBefore!).toFixed(2)} ×`],
    ['nodes', String(nodesBefore), String(nodesAfter), ''],
    [
      'median latency',
      `${floatTime!.toFixed(3)} ms`,
      `${int8Time!.toFixed(3)} ms`,
      `${(int8Time! / floatTime!).toFixed(2)} ×`,
    ],
    [`accuracy on ${heldBack.length} held-back digits`, percent(accuracy(float)), percent(accuracy(int8)), ''],
    ['largest output error', '', largestError.toFixed(3), `of logits up to ${largestLogit.toFixed(1)}`],
  ])}`,
);
const cpu = hostCpu();
console.log(`\n${cpu.model} (${cpu.kind}), one thread, batch 1. The optimized model is ${output}`);
await Promise.all(sessions.map((session) => session.close()));
