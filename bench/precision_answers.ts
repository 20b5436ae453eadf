import { ortRunner } from '../src/backends/ort/run.js';
import type { RunningModel } from '../src/calibrate/runner.js';
import type { SampleSource } from '../src/calibrate/sources/source.js';
import { samplesThatRun } from '../src/evaluate/check_samples.js';
import { type Comparison, compareOutputs } from '../src/evaluate/compare.js';
import type { Tolerance } from '../src/evaluate/tolerance.js';
import { cloneModel } from '../src/ir/clone.js';
import { Editor } from '../src/ir/editor.js';
import type { Model } from '../src/ir/graph.js';
import { decodeHalf, encodeHalf, type HalfType } from '../src/ir/half_float.js';
import { floatTensor, tensorData } from '../src/ir/tensor.js';
import { modelGraphs } from '../src/ir/traversal.js';
import { widenNodes } from '../test/passes/precision/spelled_out.js';

/** Answers of a float model, to be compared with. */
export type Reference = {
  readonly running: RunningModel;
  readonly source: SampleSource;
  readonly outputs: readonly string[];
};

/**
 * On given samples, else on some made from the declared types, in sizes that the model runs
 * with: numbers up to 6. The check has a further sample with numbers up to 100, of which the recognizer of images makes
 * activations of 200,000: no plan can foresee that without having seen it.
 */
export async function openReference(
  model: Model,
  samples?: (model: Model) => Promise<SampleSource>,
): Promise<Reference> {
  const running = await ortRunner()(model, { optimize: false });
  const outputs = model.graph.outputs.map(({ name }) => name);
  if (samples !== undefined) return { running, source: await samples(model), outputs };
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

export type Answers = Omit<Comparison, 'signature' | 'retyped'> & {
  /** dB, of the worst output; Infinity where all are equal. */
  readonly sqnr: number;
};

async function compare({ running, source, outputs }: Reference, model: Model, tolerance: Tolerance): Promise<Answers> {
  const candidate = await ortRunner()(model, { optimize: false });
  try {
    const comparison = await compareOutputs(running, candidate, outputs, source, tolerance, { limit: 4 });
    return { ...comparison, sqnr: Math.min(...comparison.outputs.map(({ error }) => error.sqnr)) };
  } finally {
    await candidate.close();
  }
}

/** With nothing in half but the numbers that constants hold: what no plan can win back. */
export function weightsAlone(
  reference: Reference,
  model: Model,
  half: HalfType,
  tolerance: Tolerance,
): Promise<Answers> {
  const copy = cloneModel(model);
  const editor = new Editor(copy);
  for (const graph of modelGraphs(copy)) {
    for (const value of graph.values.values()) {
      const tensor = value.initializer;
      if (tensor?.kind !== 'dense' || tensor.dtype !== 'float') continue;
      const halves = encodeHalf(half, tensorData(tensor) as Float32Array);
      editor.setInitializer(value, floatTensor(decodeHalf(half, halves), tensor.dims));
    }
  }
  return compare(reference, copy, tolerance);
}
