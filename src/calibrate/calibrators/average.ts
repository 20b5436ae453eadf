import { sumUnit } from '../statistics.js';
import type { Calibrator } from './calibrator.js';

/** The mean of each sample's extremes, which a single odd sample does not stretch. */
export const average: Calibrator = ({ minSum, maxSum, samples }) => ({
  min: (Number(minSum) * sumUnit) / samples,
  max: (Number(maxSum) * sumUnit) / samples,
});
