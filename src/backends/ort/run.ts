import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { ModelRunner } from '../../calibrate/runner.js';
import type { Model } from '../../ir/graph.js';
import { encodeModel } from '../../ir/onnx/encode.js';
import { saveModelInto } from '../../ir/onnx/files.js';
import { modelGraphs } from '../../ir/traversal.js';
import type { Evaluator } from '../../passes/pass.js';
import { type OrtSession, openSession, type SessionOptions } from './session.js';
import { openWorkerSession } from './worker_session.js';

export type RunnerOptions = SessionOptions & {
  /** In a thread of its own, so that a progress bar moves meanwhile. */
  readonly worker?: boolean;
};

/** Runs models in ONNX Runtime on the CPU. */
export const ortRunner =
  (options: RunnerOptions = {}): ModelRunner =>
  async (model, { optimize = true } = {}) => {
    const settings: SessionOptions = { ...options, ...(!optimize && { optimization: 'disabled' as const }) };
    return openModel(model, options.worker ? openWorkerSession : openSession, settings);
  };

/** Computes constants with the runtime's graph optimizations off: one kernel a node, as it stands. */
export const ortEvaluator = (): Evaluator => async (model) => {
  const session = await openModel(model, openSession, { optimization: 'disabled' });
  try {
    return await session.run(new Map());
  } finally {
    await session.close();
  }
};

type Open = (source: { path: string } | { bytes: Uint8Array }, options: SessionOptions) => Promise<OrtSession>;

/** From memory; through a temporary folder where weights lie outside the model or it would be too large in one piece. */
async function openModel(model: Model, open: Open, options: SessionOptions): Promise<OrtSession> {
  const settings = holdsFloat8(model) ? withoutQdqFusion(options) : options;
  if (!needsFiles(model)) return open({ bytes: encodeModel(model) }, settings);
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'onnxopt-'));
  const removeFolder = () => fs.rmSync(folder, { recursive: true, force: true });
  process.once('exit', removeFolder);
  const remove = () => {
    process.off('exit', removeFolder);
    removeFolder();
  };
  try {
    const session = await open({ path: saveModelInto(model, folder, 'model.onnx').model }, settings);
    return {
      ...session,
      run: (feeds, wanted) => session.run(feeds, wanted),
      async close() {
        await session.close();
        remove();
      },
    };
  } catch (error) {
    remove();
    throw error;
  }
}

/** Measured on 1.30: pairs of 8-bit floats around a Conv become a QLinearConv, which takes none, and loading fails. */
const withoutQdqFusion = (options: SessionOptions): SessionOptions =>
  options.optimization === 'disabled' ? options : { ...options, optimization: 'basic' };

function holdsFloat8(model: Model): boolean {
  for (const graph of modelGraphs(model)) {
    for (const { initializer } of graph.initializers) if (initializer?.dtype.startsWith('float8')) return true;
  }
  return false;
}

const largestInMemory = 2 ** 30;

function needsFiles(model: Model): boolean {
  let bytes = 0;
  for (const graph of modelGraphs(model)) {
    for (const { initializer } of graph.initializers) {
      if (initializer?.kind === 'dense' && initializer.storage.kind === 'external') return true;
      bytes += initializer?.byteLength ?? 0;
    }
  }
  return bytes > largestInMemory;
}
