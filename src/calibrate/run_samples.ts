import { DiagnosticError } from '../ir/diagnostic.js';
import type { Model } from '../ir/graph.js';
import type { Tensor } from '../ir/tensor.js';
import type { ModelRunner } from './runner.js';
import type { Sample, SampleSource } from './sources/source.js';

export type SampleOptions = {
  /** Stop after this many samples. */
  readonly limit?: number | undefined;
  /** Called after each sample, for progress. */
  readonly onSample?: ((done: number, total: number | undefined) => void) | undefined;
};

/** A model that gives what is to be known of each sample, and the outputs to ask for; all unless told. */
export type Probe = { readonly model: Model; readonly outputs?: readonly string[] };

/** How many samples there will be; undefined where nobody knows. */
export const sampleCount = ({ count }: SampleSource, limit: number | undefined): number | undefined =>
  limit === undefined ? count : Math.min(limit, count ?? limit);

/**
 * Runs every sample through a probe and hands on what it gave.
 * @throws DiagnosticError `calibrate/no-samples`, what the source or the runtime reports.
 */
export async function runSamples(
  { model, outputs }: Probe,
  source: SampleSource,
  runner: ModelRunner,
  { limit, onSample }: SampleOptions,
  onResults: (results: ReadonlyMap<string, Tensor>, sample: Sample) => void | Promise<void>,
): Promise<number> {
  const session = await runner(model);
  const total = sampleCount(source, limit);
  let samples = 0;
  try {
    for await (const sample of source.samples()) {
      await onResults(await session.run(sample.feeds, outputs), sample);
      samples += 1;
      onSample?.(samples, total);
      if (samples === limit) break;
    }
  } finally {
    await session.close();
  }
  if (samples === 0) throw new DiagnosticError({ code: 'calibrate/no-samples', message: 'the data holds no sample' });
  return samples;
}

/** Cuts items into groups of at most so many bytes; one that is larger stands alone. */
export function groupsOfBytes<T>(items: readonly T[], bytesOf: (item: T) => number, most: number): T[][] {
  const groups: T[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const item of items) {
    const own = bytesOf(item);
    if (bytes + own > most) {
      groups.push([]);
      bytes = 0;
    }
    groups.at(-1)!.push(item);
    bytes += own;
  }
  return groups;
}
