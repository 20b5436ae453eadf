import type { Range } from '../../passes/quantize/ranges.js';
import { binnedValues } from '../histogram.js';
import { expectedSquaredError } from '../quantization_error.js';
import { type Calibrator, symmetricRange } from './calibrator.js';

/** The range with the least expected squared error of quantization: finer steps inside against saturation outside. */
export const mse: Calibrator = (statistics, activation) => {
  const values = binnedValues(statistics.histogram, statistics.min, statistics.max);
  const errorOf = (range: Range) => expectedSquaredError(values, range, activation);
  const lowest = Math.min(statistics.min, 0);
  const highest = Math.max(statistics.max, 0);
  if (activation.symmetric) {
    const largest = Math.max(-lowest, highest);
    const { factor } = leastAt((shrink) => errorOf({ min: -largest * shrink, max: largest * shrink }));
    return symmetricRange(statistics, largest * factor);
  }
  let best = leastAt((shrink) => errorOf({ min: lowest * shrink, max: highest * shrink }));
  let range = { min: lowest * best.factor, max: highest * best.factor };
  if (lowest === 0 || highest === 0) return range;
  // Then each end on its own, as long as that helps.
  for (let round = 0; round < mostRounds; round += 1) {
    const before = best.error;
    const { max } = range;
    const low = leastAt((shrink) => errorOf({ min: lowest * shrink, max }));
    if (low.error < best.error) {
      range = { min: lowest * low.factor, max };
      best = low;
    }
    const { min } = range;
    const high = leastAt((shrink) => errorOf({ min, max: highest * shrink }));
    if (high.error < best.error) {
      range = { min, max: highest * high.factor };
      best = high;
    }
    if (!(best.error < before)) break;
  }
  return range;
};

const mostRounds = 3;
const perOctave = 8;
const octaves = 12;
const refinements = 16;

/**
 * The factor of at most 1 with the least error: first eight an octave over twelve octaves, so that an outlier thousands
 * of times the rest is no obstacle, then sixteen between the best one's neighbours. Of equals the widest.
 */
function leastAt(errorOf: (factor: number) => number): { factor: number; error: number } {
  let best = { factor: 1, error: errorOf(1) };
  const consider = (factor: number) => {
    const error = errorOf(factor);
    if (error < best.error) best = { factor, error };
  };
  for (let step = 1; step <= perOctave * octaves; step += 1) consider(2 ** (-step / perOctave));
  const middle = best.factor;
  const upper = Math.min(1, middle * 2 ** (1 / perOctave));
  const lower = middle * 2 ** (-1 / perOctave);
  for (let step = 1; step < refinements; step += 1) consider(upper + ((lower - upper) * step) / refinements);
  return best;
}
