import type { Range } from '../../passes/quantize/ranges.js';
import { type BinnedValues, binnedValues } from '../histogram.js';
import { type Calibrator, symmetricRange } from './calibrator.js';

/**
 * Keeps `percent` % of all elements: of the magnitudes for a symmetric scheme; else the rest is cut off half at each
 * end. Ranks are exact; the end is the outer edge of the bin that the rank falls in, at most 0.8 % beyond.
 */
export const percentile =
  (percent: number): Calibrator =>
  (statistics, { symmetric }): Range => {
    const values = binnedValues(statistics.histogram, statistics.min, statistics.max);
    const cut = elementsCut(values.total, percent);
    if (symmetric) return symmetricRange(statistics, magnitudeBelow(values, cut));
    const each = Math.floor(cut / 2);
    return { min: endAfter(values, each, 'low'), max: endAfter(values, each, 'high') };
  };

/** How many of `total` lie beyond; in whole millionths of a percent, since 99.99 is no binary fraction. */
function elementsCut(total: number, percent: number): number {
  const kept = BigInt(Math.round(percent * 1e6));
  return Number((BigInt(total) * (100_000_000n - kept)) / 100_000_000n);
}

/** The outer edge of the bin in which, counted from that side, the element after `cut` others lies. */
function endAfter({ low, high, counts }: BinnedValues, cut: number, side: 'low' | 'high'): number {
  let passed = 0;
  for (let step = 0; step < counts.length; step += 1) {
    const index = side === 'low' ? step : counts.length - 1 - step;
    passed += counts[index]!;
    if (passed > cut) return side === 'low' ? low[index]! : high[index]!;
  }
  return 0;
}

function magnitudeBelow({ low, high, counts }: BinnedValues, cut: number): number {
  const sizes = Array.from(counts, (count, index) => ({
    size: Math.max(Math.abs(low[index]!), Math.abs(high[index]!)),
    count,
  })).sort((a, b) => b.size - a.size);
  let passed = 0;
  for (const { size, count } of sizes) {
    passed += count;
    if (passed > cut) return size;
  }
  return 0;
}
