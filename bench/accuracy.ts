import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { openSession } from '../src/backends/ort/session.js';
import type { CalibratorName } from '../src/calibrate/calibrators/calibrator.js';
import type { Feeds } from '../src/calibrate/sources/source.js';
import { CheckFailedError } from '../src/evaluate/check.js';
import { ErrorAccumulator } from '../src/evaluate/output_error.js';
import { saveModel } from '../src/ir/onnx/files.js';
import type { Tensor } from '../src/ir/tensor.js';
import { optimize } from '../src/optimize.js';
import { faceTask, segmentTask, textDetectorTask } from './accuracy_detectors.js';
import { digitsTask } from './accuracy_digits.js';
import { linesTask } from './accuracy_lines.js';
import { writeSamples } from './accuracy_samples.js';
import type { AccuracyItem, AccuracyTask, Answer } from './accuracy_task.js';
import { voiceTask } from './accuracy_voice.js';
import { type Bench, type BenchOptions, type Measurement, median } from './measurement.js';

const tasks: readonly AccuracyTask[] = [digitsTask, linesTask, voiceTask, textDetectorTask, segmentTask, faceTask];

const calibrators: readonly CalibratorName[] = ['minmax', 'average', 'entropy', 'percentile', 'mse', 'auto'];

/** Of 100, what float gets right at most more than int8. */
const bar = 0.3;

/** Files of another tool that are asked about every item. */
const finalists = 6;

/**
 * int8 against float on data whose truth is known. Points are hundredths of what is counted. SQNR is the median
 * of the items', each that of the output that comes off worst: a single item far outside of what was calibrated with,
 * of which there is one in 400 faces, would decide that of all together.
 */
export const accuracyBench: Bench = {
  name: 'accuracy',
  summary: 'what int8 gets right, in points of 100, beside float; where another tool has several files, its best',
  async run(options) {
    const measurements: Measurement[] = [];
    for (const task of tasks) {
      if (options.tasks !== undefined && !options.tasks.includes(task.name)) continue;
      measurements.push(...(await measure(task, options)));
    }
    return measurements;
  },
};

/** A label and a path. */
type NamedFile = readonly [string, string];

/** In points. */
type Found = { readonly label: string; readonly right: number; readonly agrees: number; readonly sqnr: number };

async function measure(task: AccuracyTask, options: BenchOptions): Promise<Measurement[]> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'onnxopt-bench-'));
  try {
    const model = await floatFile(task, folder);
    const samples = await task.calibration(options.smoke, model);
    if (options.writeSamples !== undefined) writeSamples(path.join(options.writeSamples, task.name), model, samples);
    const own = await ownFiles(model, samples, folder, options.calibrators ?? false);
    const items = await task.items(options.smoke);
    const float: NamedFile = ['float', model];
    const peers = peerFiles(task, options.peers);
    const sifted = peers.length > finalists ? await nearest(float, peers, items) : peers;
    const tallies = await askAll([float, ...own, ...sifted], items);
    return report(
      task,
      tallies.map(([label, tally]) => tally.found(label)),
      tallies[0]![1].of,
      peers.length,
    );
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

async function floatFile({ model }: AccuracyTask, folder: string): Promise<string> {
  if (typeof model === 'string') return model;
  const file = path.join(folder, 'float.onnx');
  saveModel(await model(), file);
  return file;
}

/** Of many files those whose outputs are nearest to float on every sixth item; the others are not asked further. */
async function nearest(
  float: NamedFile,
  peers: readonly NamedFile[],
  items: readonly AccuracyItem[],
): Promise<readonly NamedFile[]> {
  const sixth = items.filter((_, index) => index % 6 === 0);
  const [, ...tallies] = await askAll([float, ...peers], sixth);
  const order = tallies.map(([label, tally]) => tally.found(label)).sort((a, b) => b.sqnr - a.sqnr);
  const kept = new Set(order.slice(0, finalists).map(({ label }) => label));
  return peers.filter(([label]) => kept.has(label));
}

/** The first file is float. */
async function askAll(files: readonly NamedFile[], items: readonly AccuracyItem[]): Promise<[string, Tally][]> {
  const contenders = await Promise.all(
    files.map(async ([label, file]) => ({
      label,
      session: await openSession({ path: file }, { intraOpThreads: 1 }),
      tally: new Tally(),
    })),
  );
  for (const item of items) {
    let float: Answer | undefined;
    for (const { session, tally } of contenders) {
      const answer = await item.answer(session);
      float ??= answer;
      tally.add(item, answer, float);
    }
  }
  for (const { session } of contenders) await session.close();
  return contenders.map(({ label, tally }) => [label, tally]);
}

/** With the default options, the check included, and with each calibrator where they are asked for. */
async function ownFiles(model: string, data: readonly Feeds[], folder: string, all: boolean): Promise<NamedFile[]> {
  const output = path.join(folder, 'int8.onnx');
  const settings = { model, output, precision: 'int8', calibration: { data } } as const;
  let label = 'onnxopt';
  try {
    await optimize(settings);
  } catch (error) {
    if (!(error instanceof CheckFailedError)) throw error;
    label = 'onnxopt, refused by its check';
    await optimize({ ...settings, check: false });
  }
  const files: NamedFile[] = [[label, output]];
  for (const calibrator of all ? calibrators : []) {
    const other = path.join(folder, `int8.${calibrator}.onnx`);
    await optimize({ ...settings, output: other, calibration: { data, calibrator }, check: false });
    files.push([`onnxopt ${calibrator}`, other]);
  }
  return files;
}

function peerFiles({ name }: AccuracyTask, peers: string | undefined): NamedFile[] {
  const folder = peers === undefined ? undefined : path.join(peers, name);
  if (folder === undefined || !fs.existsSync(folder)) return [];
  const files = fs.readdirSync(folder).filter((file) => file.endsWith('.onnx'));
  return files.sort().map((file) => [`peer ${path.basename(file, '.onnx')}`, path.join(folder, file)]);
}

class Tally {
  private readonly right = { good: 0, of: 0 };
  private readonly agrees = { good: 0, of: 0 };
  /** Of each item, that of the output that comes off worst. */
  private readonly sqnrs: number[] = [];

  add(item: AccuracyItem, answer: Answer, float: Answer): void {
    const { right, agrees } = item.judge(answer, float);
    this.right.good += right.good;
    this.right.of += right.of;
    this.agrees.good += agrees.good;
    this.agrees.of += agrees.of;
    this.sqnrs.push(Math.min(...[...float].map(([name, reference]) => sqnrOf(reference, answer.get(name)!))));
  }

  get of(): number {
    return this.right.of;
  }

  found(label: string): Found {
    return {
      label,
      right: (100 * this.right.good) / this.right.of,
      agrees: (100 * this.agrees.good) / this.agrees.of,
      sqnr: median(this.sqnrs),
    };
  }
}

function sqnrOf(reference: Tensor, candidate: Tensor): number {
  const error = new ErrorAccumulator();
  error.add(reference, candidate);
  return error.result().sqnr;
}

function report({ title, metrics }: AccuracyTask, found: readonly Found[], of: number, tried: number): Measurement[] {
  const [float, ...others] = found;
  const peers = others.filter(({ label }) => label.startsWith('peer '));
  const best = peers.reduce<Found | undefined>((a, b) => (a === undefined || isBetter(b, a) ? b : a), undefined);
  const own = others.filter((each) => !peers.includes(each));
  const lines = (each: Found): Measurement[] => [
    { what: `${title}, ${each.label}: ${metrics.right}`, value: each.right, unit: '%' },
    { what: `${title}, ${each.label}: ${metrics.agrees}`, value: each.agrees, unit: '%' },
    { what: `${title}, ${each.label}: SQNR`, value: each.sqnr, unit: 'dB' },
  ];
  const ours = own[0]!;
  return [
    { what: `${title}, float: ${metrics.right}, of ${of}`, value: float!.right, unit: '%' },
    ...own.flatMap(lines),
    ...(best === undefined ? [] : lines(best)),
    { what: `${title}: float − onnxopt`, value: float!.right - ours.right, unit: 'points', bar },
    ...(best === undefined
      ? []
      : [
          {
            what: `${title}: best of ${tried} peers − onnxopt`,
            value: best.right - ours.right,
            unit: 'points',
            bar: 0,
          },
        ]),
  ];
}

/** By what is right; the nearer to float where that is equal. */
const isBetter = (a: Found, b: Found): boolean =>
  a.right !== b.right ? a.right > b.right : a.agrees !== b.agrees ? a.agrees > b.agrees : a.sqnr > b.sqnr;
