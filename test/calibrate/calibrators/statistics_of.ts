import { HistogramCounter } from '../../../src/calibrate/histogram.js';
import { type TensorStatistics, toSumUnits } from '../../../src/calibrate/statistics.js';
import { floatTensor } from '../../../src/ir/tensor.js';

/** Statistics of a tensor that held these values in its samples. */
export function statisticsOf(...samples: ArrayLike<number>[]): TensorStatistics {
  const counter = new HistogramCounter();
  const extremes = samples.map((values) => counter.add(floatTensor(values)));
  return {
    histogram: counter.histogram(),
    min: Math.min(...extremes.map(({ min }) => min)),
    max: Math.max(...extremes.map(({ max }) => max)),
    minSum: extremes.reduce((sum, { min }) => sum + toSumUnits(min), 0n),
    maxSum: extremes.reduce((sum, { max }) => sum + toSumUnits(max), 0n),
    samples: samples.length,
  };
}

export const int8Symmetric = { dtype: 'int8', symmetric: true } as const;
export const uint8Asymmetric = { dtype: 'uint8', symmetric: false } as const;

/** Roughly normal, mean 0 and deviation 1, the same each time. */
export function normalValues(count: number, seed = 1): Float64Array {
  let state = seed;
  const next = () => {
    state = (state * 1103515245 + 12345) % 2147483648;
    return (state + 0.5) / 2147483648;
  };
  return Float64Array.from({ length: count }, () => Math.sqrt(-2 * Math.log(next())) * Math.cos(2 * Math.PI * next()));
}
