import type { Range } from '../../passes/quantize/ranges.js';
import { binnedValues } from '../histogram.js';
import { expectedSquaredError, widestStep } from '../quantization_error.js';
import { type Calibrator, symmetricRange } from './calibrator.js';

/** The range with the least expected squared error of quantization: finer steps inside against saturation outside. */
export const mse: Calibrator = (statistics, activation) => {
  const values = binnedValues(statistics.histogram, statistics.min, statistics.max);
  const leastAt = (rangeAt: (factor: number) => Range) =>
    leastFactor((factor) => {
      const range = rangeAt(factor);
      const step = widestStep(range, activation);
      return { error: expectedSquaredError(values, range, activation), rounding: (step * step) / 4 };
    });
  const lowest = Math.min(statistics.min, 0);
  const highest = Math.max(statistics.max, 0);
  if (activation.symmetric) {
    const largest = Math.max(-lowest, highest);
    const { factor } = leastAt((shrink) => ({ min: -largest * shrink, max: largest * shrink }));
    return symmetricRange(statistics, largest * factor);
  }
  let best = leastAt((shrink) => ({ min: lowest * shrink, max: highest * shrink }));
  let range = { min: lowest * best.factor, max: highest * best.factor };
  if (lowest === 0 || highest === 0) return range;
  // Then each end on its own, as long as that helps.
  for (let round = 0; round < mostRounds; round += 1) {
    const before = best.error;
    const { max } = range;
    const low = leastAt((shrink) => ({ min: lowest * shrink, max }));
    if (low.error < best.error) {
      range = { min: lowest * low.factor, max };
      best = low;
    }
    const { min } = range;
    const high = leastAt((shrink) => ({ min, max: highest * shrink }));
    if (high.error < best.error) {
      range = { min, max: highest * high.factor };
      best = high;
    }
    if (!(best.error < before * worthwhile)) break;
  }
  return range;
};

const mostRounds = 3;
/** What another round has to have brought the last time. */
const worthwhile = 0.999;
const perOctave = 8;
const octaves = 12;
const refinements = 16;

/** At a factor; rounding alone errs by at most `rounding`. */
type ErrorAt = { readonly error: number; readonly rounding: number };

/**
 * The factor of at most 1 with the least error: first eight an octave over twelve octaves, so that an outlier thousands
 * of times the rest is no obstacle, then sixteen between the best one's neighbours. Of equals the widest.
 */
function leastFactor(errorAt: (factor: number) => ErrorAt): { factor: number; error: number } {
  let best = { factor: 1, error: errorAt(1).error };
  const consider = (factor: number): boolean => {
    const { error, rounding } = errorAt(factor);
    if (error < best.error) best = { factor, error };
    // The rest is saturation, which only grows with narrower ranges.
    return error - rounding <= best.error;
  };
  for (let step = 1; step <= perOctave * octaves; step += 1) if (!consider(2 ** (-step / perOctave))) break;
  const middle = best.factor;
  const upper = Math.min(1, middle * 2 ** (1 / perOctave));
  const lower = middle * 2 ** (-1 / perOctave);
  for (let step = 1; step < refinements; step += 1) consider(upper + ((lower - upper) * step) / refinements);
  return best;
}
