import type { RunningModel } from '../calibrate/runner.js';
import type { Sample, SampleSource } from '../calibrate/sources/source.js';
import type { Answers } from '../evaluate/metric.js';

/** A sample and what the float model answers to it. */
export type Answered = { readonly sample: Sample; readonly expected: Answers };

/** Bytes of samples and answers that are kept unless told. */
const defaultKeptBytes = 2 ** 29;

/**
 * Samples with the float model's answers, up to `limit`, again and again: all of them, or the first few. The first are
 * kept in memory; what is beyond `keptBytes` is read and computed again each time.
 */
export function answersOf(
  source: SampleSource,
  float: Pick<RunningModel, 'run'>,
  limit: number,
  keptBytes: number = defaultKeptBytes,
): { each(first?: number): AsyncGenerator<Answered> } {
  const kept: Answered[] = [];
  let bytes = 0;
  let isComplete = false;
  return {
    async *each(first = Number.POSITIVE_INFINITY) {
      const known = kept.length;
      yield* kept.slice(0, first);
      if (isComplete || known >= first) return;
      let index = 0;
      for await (const sample of source.samples()) {
        index += 1;
        if (index > known) {
          const answer = { sample, expected: await float.run(sample.feeds) };
          bytes += bytesOf(answer);
          if (bytes <= keptBytes && kept.length === index - 1) kept.push(answer);
          yield answer;
        }
        if (index >= Math.min(limit, first)) break;
      }
      isComplete = first >= limit && kept.length === index;
    },
  };
}

const bytesOf = ({ sample, expected }: Answered): number =>
  [...sample.feeds.values(), ...expected.values()].reduce((sum, { byteLength }) => sum + byteLength, 0);
