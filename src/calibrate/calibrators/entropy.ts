import { binnedValues } from '../histogram.js';
import { linearBins } from '../linear_bins.js';
import { type Calibrator, symmetricRange } from './calibrator.js';
import { Divergence } from './divergence.js';

const binCount = 2048;
const coarse = 32;

/**
 * The range whose quantized histogram diverges least from the tensor's: over the magnitudes for a symmetric scheme, else
 * both ends are searched. Zeros are exact in any range and would outweigh everything, so they do not count.
 */
export const entropy: Calibrator = (statistics, { symmetric }) => {
  const values = binnedValues(statistics.histogram, statistics.min, statistics.max);
  const lowest = Math.min(statistics.min, 0);
  const highest = Math.max(statistics.max, 0);
  const largest = Math.max(-lowest, highest);
  if (largest === 0) return { min: 0, max: 0 };
  if (symmetric) {
    const divergence = new Divergence(linearBins(values, 0, largest, binCount, { fold: true }).counts);
    return symmetricRange(statistics, (largest * bestEnd(divergence)) / binCount);
  }
  const { counts } = linearBins(values, lowest, highest, binCount);
  const zero = Math.round((-lowest / (highest - lowest)) * binCount);
  const { first, last } = bestEnds(new Divergence(counts), zero);
  const at = (bin: number) => lowest + ((highest - lowest) * bin) / binCount;
  return { min: first === 0 ? lowest : at(first), max: last === binCount ? highest : at(last) };
};

/** Magnitudes that int8 tells apart. */
const magnitudes = 128;

/** Of equals the widest. */
function bestEnd(divergence: Divergence): number {
  let best = { end: binCount, divergence: divergence.of(0, binCount, magnitudes) };
  for (let end = binCount - 1; end >= magnitudes; end -= 1) {
    const found = divergence.of(0, end, magnitudes);
    if (found < best.divergence) best = { end, divergence: found };
  }
  return best.end;
}

const levels = 256;

type Ends = { readonly first: number; readonly last: number };

/** On a grid of every 32nd bin, moved inwards to one that holds something; then bin by bin around the best. */
function bestEnds(divergence: Divergence, zero: number): Ends {
  const { counts } = divergence;
  let best = { first: 0, last: binCount, divergence: divergence.of(0, binCount, levels) };
  const consider = (start: number, end: number) => {
    let first = start;
    let last = end;
    while (first < zero && counts[first] === 0) first += 1;
    while (last > zero && counts[last - 1] === 0) last -= 1;
    // An end with nothing beyond it stays at 0, or where it was.
    if (start === 0) first = 0;
    if (end === binCount) last = binCount;
    if (last - first < levels) return;
    const found = divergence.of(first, last, levels);
    if (found < best.divergence) best = { first, last, divergence: found };
  };
  for (let first = 0; first <= zero; first += coarse)
    for (let last = binCount; last >= Math.max(zero, 1); last -= coarse) consider(first, last);
  for (let round = 0; round < 2; round += 1) {
    const { first, last } = best;
    for (let at = Math.max(0, first - coarse); at <= Math.min(zero, first + coarse); at += 1) consider(at, last);
    const start = best.first;
    for (let at = Math.min(binCount, last + coarse); at >= Math.max(zero, last - coarse, 1); at -= 1)
      consider(start, at);
  }
  return best;
}
