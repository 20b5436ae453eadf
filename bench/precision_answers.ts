import { ortRunner } from '../src/backends/ort/run.js';
import type { RunningModel } from '../src/calibrate/runner.js';
import type { SampleSource } from '../src/calibrate/sources/source.js';
import { samplesThatRun } from '../src/evaluate/check_samples.js';
import { type Comparison, compareOutputs } from '../src/evaluate/compare.js';
import type { Tolerance } from '../src/evaluate/tolerance.js';
import { cloneModel } from '../src/ir/clone.js';
import type { Model } from '../src/ir/graph.js';
import { widenNodes } from '../test/passes/precision/spelled_out.js';
import { type ImageInput, pictures } from './precision_samples.js';

/** Answers of a float model, to be compared with. */
export type Reference = {
  readonly running: RunningModel;
  readonly source: SampleSource;
  readonly outputs: readonly string[];
};

/**
 * On pictures where the model takes some, else on samples made from the declared types, in sizes that the model runs
 * with: numbers up to 6. The check has a further sample with numbers up to 100, of which the recognizer of images makes
 * activations of 200,000: no plan can foresee that without having seen it.
 */
export async function openReference(model: Model, image?: ImageInput): Promise<Reference> {
  const running = await ortRunner()(model, { optimize: false });
  const outputs = model.graph.outputs.map(({ name }) => name);
  if (image !== undefined) return { running, source: pictures(image, 2), outputs };
  const { source, reason } = await samplesThatRun(model.graph, running);
  if (source === undefined) throw new Error(`the model does not run: ${reason}`);
  const small: SampleSource = {
    ...source,
    async *samples() {
      for await (const sample of source.samples()) if (sample.name !== 'edge values') yield sample;
    },
  };
  return { running, source: small, outputs };
}

/** As the runtime runs it: it computes many nodes in float32 and need not round between two of them. */
export const asItRuns = (reference: Reference, model: Model, tolerance: Tolerance): Promise<Answers> =>
  compare(reference, model, tolerance);

/** With the result of every node in half rounded to half, as a device does that computes in half. */
export function rounded(reference: Reference, model: Model, tolerance: Tolerance): Promise<Answers> {
  const copy = cloneModel(model);
  widenNodes(copy);
  return compare(reference, copy, tolerance);
}

export type Answers = Omit<Comparison, 'signature'> & {
  /** dB, of the worst output; Infinity where all are equal. */
  readonly sqnr: number;
};

async function compare({ running, source, outputs }: Reference, model: Model, tolerance: Tolerance): Promise<Answers> {
  const candidate = await ortRunner()(model, { optimize: false });
  try {
    const comparison = await compareOutputs(running, candidate, outputs, source, tolerance);
    return { ...comparison, sqnr: Math.min(...comparison.outputs.map(({ error }) => error.sqnr)) };
  } finally {
    await candidate.close();
  }
}
