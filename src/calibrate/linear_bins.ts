import type { BinnedValues } from './histogram.js';

/** Bins of one width over [from, to]; counts need not be whole. */
export type LinearBins = { readonly from: number; readonly to: number; readonly counts: Float64Array };

/**
 * Spreads a histogram over `bins` bins of one width, each count evenly over what its own bin covers. Zeros are left out.
 * @param fold magnitudes instead of values.
 */
export function linearBins(
  values: BinnedValues,
  from: number,
  to: number,
  bins: number,
  { fold = false }: { readonly fold?: boolean } = {},
): LinearBins {
  const counts = new Float64Array(bins);
  const width = (to - from) / bins;
  const position = (value: number) => Math.min(bins, Math.max(0, (value - from) / width));
  for (const [index, count] of values.counts.entries()) {
    const low = values.low[index]!;
    const high = values.high[index]!;
    if (low === 0 && high === 0) continue;
    const flip = fold && high <= 0;
    spread(counts, position(flip ? -high : low), position(flip ? -low : high), count);
  }
  return { from, to, counts };
}

function spread(counts: Float64Array, start: number, end: number, count: number): void {
  const first = Math.min(counts.length - 1, Math.floor(start));
  const last = Math.min(counts.length - 1, Math.max(first, Math.ceil(end) - 1));
  if (first === last) {
    counts[first]! += count;
    return;
  }
  const density = count / (end - start);
  for (let bin = first; bin <= last; bin += 1) {
    counts[bin]! += density * (Math.min(end, bin + 1) - Math.max(start, bin));
  }
}
