import { binnedValues } from '../histogram.js';
import { expectedSquaredError } from '../quantization_error.js';
import type { Calibrator } from './calibrator.js';

/** For each tensor, whichever of `candidates` gives it the least expected squared error; of equals the first. */
export const auto =
  (candidates: readonly Calibrator[]): Calibrator =>
  (statistics, activation) => {
    const values = binnedValues(statistics.histogram, statistics.min, statistics.max);
    const ranked = candidates.map((calibrator) => {
      const range = calibrator(statistics, activation);
      return { range, error: expectedSquaredError(values, range, activation) };
    });
    return ranked.reduce((best, each) => (each.error < best.error ? each : best)).range;
  };
