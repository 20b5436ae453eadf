import { InvariantError } from '../../ir/diagnostic.js';
import type { Tensor } from '../../ir/tensor.js';
import type { OrtSession } from './session.js';

/** Milliseconds of one run, from JavaScript and back. */
export type Latency = {
  readonly median: number;
  readonly p10: number;
  readonly p90: number;
  readonly runs: number;
};

type Feeds = ReadonlyMap<string, Tensor>;
type Runnable = Pick<OrtSession, 'run'>;

export type LatencyOptions = {
  /** Runs before the first that counts; 5 by default. */
  readonly warmup?: number;
  /** Runs that count; 50 by default, where `seconds` is not given. */
  readonly runs?: number;
  /** Runs for so long instead, at least once. */
  readonly seconds?: number;
};

/** Runs a session again and again. The machine's noise is in it: to compare two models, interleave them. */
export async function measureLatency(
  session: Runnable,
  feeds: Feeds,
  { warmup = 5, runs, seconds }: LatencyOptions = {},
): Promise<Latency> {
  for (let run = 0; run < warmup; run += 1) await session.run(feeds);
  const times: number[] = [];
  const end = seconds === undefined ? Number.POSITIVE_INFINITY : performance.now() + seconds * 1000;
  const most = runs ?? (seconds === undefined ? 50 : Number.POSITIVE_INFINITY);
  do times.push(await timeOf(session, feeds));
  while (times.length < most && performance.now() < end);
  return latencyOf(times);
}

export type Contender = { readonly label: string; readonly session: Runnable };

export type InterleavedLatency = Latency & {
  readonly label: string;
  /** Median over the rounds of this time divided by the first contender's in the same round; 1 for the first. */
  readonly ratio: number;
};

/**
 * Runs sessions A, B, A, B… so that whatever the machine does besides meets both, and compares within each round.
 * Sessions opened with `spinning: 'always'` on several threads cannot be compared: each slows down the next.
 */
export async function measureInterleaved(
  contenders: readonly Contender[],
  feeds: Feeds,
  { warmup = 5, rounds = 50 }: { readonly warmup?: number; readonly rounds?: number } = {},
): Promise<InterleavedLatency[]> {
  const times: number[][] = contenders.map(() => []);
  for (let round = 0; round < warmup + rounds; round += 1) {
    for (const [index, { session }] of contenders.entries()) {
      const time = await timeOf(session, feeds);
      if (round >= warmup) times[index]!.push(time);
    }
  }
  const first = times[0] ?? [];
  return contenders.map(({ label }, index) => {
    const own = times[index]!;
    return {
      label,
      ...latencyOf(own),
      ratio: quantile(
        own.map((time, round) => time / first[round]!),
        0.5,
      ),
    };
  });
}

async function timeOf(session: Runnable, feeds: Feeds): Promise<number> {
  const start = performance.now();
  await session.run(feeds);
  return performance.now() - start;
}

const latencyOf = (times: readonly number[]): Latency => ({
  median: quantile(times, 0.5),
  p10: quantile(times, 0.1),
  p90: quantile(times, 0.9),
  runs: times.length,
});

/** Between the two nearest values, in proportion. */
function quantile(values: readonly number[], share: number): number {
  if (values.length === 0) throw new InvariantError('no run was measured');
  const sorted = values.toSorted((a, b) => a - b);
  const position = share * (sorted.length - 1);
  const below = Math.floor(position);
  const low = sorted[below]!;
  return low + ((sorted[below + 1] ?? low) - low) * (position - below);
}
