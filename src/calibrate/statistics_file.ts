import fs from 'node:fs';
import { z } from 'zod';
import { DiagnosticError } from '../ir/diagnostic.js';
import { binnedValues, binOfRank, binRank, type Histogram, isBinRank } from './histogram.js';
import { mergeStatistics, type Statistics, type TensorStatistics } from './statistics.js';

/** Every `of`-th sample from the `index`-th on; `index` counts from 1. */
export type Shard = { readonly index: number; readonly of: number };

/** Statistics as a file holds them; of a part of the samples where there is a shard. */
export type SavedStatistics = Statistics & { readonly shard?: Shard };

const count = z.number().int().nonnegative();
const integerText = z.string().regex(/^-?\d{1,120}$/);

const schema = z.strictObject({
  format: z.literal('onnxopt-statistics'),
  version: z.literal(1),
  samples: count,
  shard: z.strictObject({ index: count.min(1), of: count.min(1) }).optional(),
  tensors: z.record(
    z.string(),
    z.strictObject({
      min: z.number(),
      max: z.number(),
      minSum: integerText,
      maxSum: integerText,
      samples: count.min(1),
      runs: z.array(z.tuple([count, z.array(count.min(1)).min(1)])).min(1),
    }),
  ),
});

/** JSON with the names sorted; histograms as runs of neighbouring bins: the first one's position, and the counts. */
export function formatStatistics({ samples, shard, tensors }: SavedStatistics): string {
  const sorted = [...tensors].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  const entries = sorted.map(([name, { min, max, minSum, maxSum, samples, histogram }]) => {
    const sums = { minSum: String(minSum), maxSum: String(maxSum) };
    return [name, { min, max, ...sums, samples, runs: toRuns(histogram) }];
  });
  const head = { format: 'onnxopt-statistics', version: 1, samples, ...(shard && { shard }) };
  return `${JSON.stringify({ ...head, tensors: Object.fromEntries(entries) })}\n`;
}

type Runs = readonly (readonly [number, readonly number[]])[];

function toRuns({ bins, counts }: Histogram): Runs {
  const runs: [number, number[]][] = [];
  for (const [index, bin] of bins.entries()) {
    const rank = binRank(bin);
    const last = runs.at(-1);
    if (last !== undefined && rank === last[0] + last[1].length) last[1].push(counts[index]!);
    else runs.push([rank, [counts[index]!]]);
  }
  return runs;
}

/** @throws DiagnosticError `calibrate/bad-statistics-file`. */
export function loadStatistics(file: string): SavedStatistics {
  let json: unknown;
  try {
    json = JSON.parse(fs.readFileSync(file, 'utf8'));
  } catch (cause) {
    throw bad(file, cause instanceof SyntaxError ? 'it is not JSON' : 'it cannot be read', cause);
  }
  const parsed = schema.safeParse(json);
  if (!parsed.success) throw bad(file, z.prettifyError(parsed.error).replaceAll('\n', '; '));
  const { samples, shard, tensors } = parsed.data;
  if (shard !== undefined && shard.index > shard.of) throw bad(file, `shard ${shard.index} of ${shard.of}`);
  const entries = Object.entries(tensors).map(([name, { min, max, minSum, maxSum, samples: own, runs }]) => {
    const statistics = { min, max, minSum: BigInt(minSum), maxSum: BigInt(maxSum), samples: own };
    const histogram = fromRuns(runs);
    if (own > samples || histogram === undefined || !fits(histogram, min, max))
      throw bad(file, `the histogram of "${name}" contradicts itself`);
    return [name, { ...statistics, histogram }] as [string, TensorStatistics];
  });
  return { samples, ...(shard && { shard }), tensors: new Map(entries) };
}

function fromRuns(runs: Runs): Histogram | undefined {
  const ranks: number[] = [];
  const counts: number[] = [];
  for (const [start, each] of runs) {
    if (ranks.length > 0 && start <= ranks.at(-1)!) return undefined;
    for (const [offset, value] of each.entries()) {
      if (!isBinRank(start + offset)) return undefined;
      ranks.push(start + offset);
      counts.push(value);
    }
  }
  return { bins: Uint16Array.from(ranks, binOfRank), counts: Float64Array.from(counts) };
}

/** Whether the extremes are floats that lie in the outermost bins. */
function fits(histogram: Histogram, min: number, max: number): boolean {
  if (Math.fround(min) !== min || Math.fround(max) !== max || min > max) return false;
  const { low, high } = binnedValues(histogram, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY);
  // The bin of 0 stands as a point and holds what is smaller than 2^-133.
  const within = (value: number, index: number) => low[index]! - zeroBin <= value && value <= high[index]! + zeroBin;
  return within(min, 0) && within(max, low.length - 1);
}

const zeroBin = 2 ** -133;

/**
 * The statistics of all samples from those of every shard.
 * @throws DiagnosticError `calibrate/bad-statistics-file`, `calibrate/shards-incomplete`.
 */
export function mergeStatisticsFiles(files: readonly string[]): Statistics {
  const parts = files.map((file) => ({ file, ...loadStatistics(file) }));
  const whole = parts.find(({ shard }) => shard === undefined);
  if (whole !== undefined && parts.length > 1) throw incomplete(`"${whole.file}" is of all samples, not of a shard`);
  const of = parts[0]?.shard?.of;
  if (of !== undefined) {
    const odd = parts.find(({ shard }) => shard?.of !== of);
    if (odd !== undefined) throw incomplete(`"${odd.file}" is one of ${odd.shard?.of} shards, others one of ${of}`);
    for (let index = 1; index <= of; index += 1) {
      const found = parts.filter(({ shard }) => shard?.index === index);
      if (found.length === 0) throw incomplete(`shard ${index} of ${of} is missing`);
      if (found.length > 1)
        throw incomplete(`shard ${index} is in ${found.map(({ file }) => `"${file}"`).join(' and ')}`);
    }
  }
  return mergeStatistics(parts);
}

const bad = (file: string, message: string, cause?: unknown): DiagnosticError =>
  new DiagnosticError({ code: 'calibrate/bad-statistics-file', message: `"${file}": ${message}` }, { cause });

const incomplete = (message: string): DiagnosticError =>
  new DiagnosticError({
    code: 'calibrate/shards-incomplete',
    message,
    help: 'Merge every shard of one calibration, each once',
  });
