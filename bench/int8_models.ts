import fs from 'node:fs';
import path from 'node:path';
import { openSession } from '../src/backends/ort/session.js';
import type { OpenSourceOptions, SourceSpec } from '../src/calibrate/sources/open_source.js';
import { samplesThatRun } from '../src/evaluate/check_samples.js';
import { loadModel, saveModel } from '../src/ir/onnx/files.js';
import { type BenchModel, detector, digits, recognizer } from './models.js';
import { simplifyModels } from './simplify_models.js';
import { wideResnetModel } from './wide_resnet_model.js';

export type Int8Model = {
  readonly name: string;
  readonly file: string;
  readonly data: SourceSpec;
  readonly reading?: OpenSourceOptions;
  /** Whether the samples are of what the model is for, so that it can be held to its answers. */
  readonly isReal: boolean;
  /** File name of what another tool made of it. */
  readonly peer?: string;
  /** What latency / latency of float must not pass. */
  readonly bar: number;
};

/** Two runs of the same model differ by so much. */
const noise = 0.02;

const real = (model: BenchModel, bar: number): Int8Model => ({
  name: model.name,
  file: model.file,
  data: model.calibration,
  ...(model.image && { reading: { image: model.image } }),
  isReal: true,
  peer: model.peer,
  bar,
});

/**
 * Models with samples of their own, a wide residual network, the models of the development dependencies, and those of
 * further folders, on random samples.
 */
export async function int8Models(folder: string, folders: readonly string[], smoke: boolean): Promise<Int8Model[]> {
  const known = [real(digits, 0.75), real(recognizer, 0.9), real(detector, 1)];
  if (smoke) return known;
  const file = path.join(folder, 'wide_resnet.onnx');
  saveModel(wideResnetModel(), file);
  const wide = await onRandomSamples('wide ResNet 16-4', file, 0.65);
  const models = [...known, ...(wide ? [wide] : [])];
  const files = new Set(known.map((model) => fs.realpathSync(model.file)));
  for (const { name, file: other } of simplifyModels(folders, false)) {
    const model = files.has(fs.realpathSync(other)) ? undefined : await onRandomSamples(name, other, 1 + noise);
    if (model !== undefined) models.push(model);
  }
  return models;
}

async function onRandomSamples(name: string, file: string, bar: number): Promise<Int8Model | undefined> {
  const session = await openSession({ path: file });
  try {
    const { source, reason } = await samplesThatRun(loadModel(file).graph, session);
    if (source === undefined) console.log(`${name}: it ran on no samples: ${reason}`);
    return source && { name, file, data: source, isReal: false, bar };
  } finally {
    await session.close();
  }
}
