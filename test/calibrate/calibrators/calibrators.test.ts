import { describe, expect, it } from 'vitest';
import { auto } from '../../../src/calibrate/calibrators/auto.js';
import { average } from '../../../src/calibrate/calibrators/average.js';
import { type CalibratorName, calibratorNames } from '../../../src/calibrate/calibrators/calibrator.js';
import { distribution } from '../../../src/calibrate/calibrators/distribution.js';
import { Divergence } from '../../../src/calibrate/calibrators/divergence.js';
import { entropy } from '../../../src/calibrate/calibrators/entropy.js';
import { minmax } from '../../../src/calibrate/calibrators/minmax.js';
import { mse } from '../../../src/calibrate/calibrators/mse.js';
import { percentile } from '../../../src/calibrate/calibrators/percentile.js';
import { deriveRanges } from '../../../src/calibrate/derive_ranges.js';
import { binnedValues } from '../../../src/calibrate/histogram.js';
import { expectedSquaredError } from '../../../src/calibrate/quantization_error.js';
import { activationParameters, type Range, roundHalfEven } from '../../../src/passes/quantize/ranges.js';
import { int8Symmetric, normalValues, statisticsOf, uint8Asymmetric } from './statistics_of.js';

const normal = normalValues(200_000);
const schemes = [int8Symmetric, uint8Asymmetric];

/** What quantizing and dequantizing the values themselves errs by. */
function measuredError(values: Iterable<number>, range: Range, scheme: (typeof schemes)[number]): number {
  const { scale, zeroPoint, low, high } = activationParameters(range, scheme, 'x');
  let sum = 0;
  let count = 0;
  for (const value of values) {
    const quantized = Math.min(high, Math.max(low, roundHalfEven(value / scale) + zeroPoint));
    sum += (value - scale * (quantized - zeroPoint)) ** 2;
    count += 1;
  }
  return sum / count;
}

describe('the expected error of a range', () => {
  it('is what quantizing the values errs by, within 2 %', () => {
    const { histogram, min, max } = statisticsOf(normal);
    const values = binnedValues(histogram, min, max);
    for (const scheme of schemes) {
      for (const range of [
        { min, max },
        { min: -2, max: 2 },
        { min: -0.5, max: 3 },
        { min: 0, max: 1 },
      ]) {
        const ratio = expectedSquaredError(values, range, scheme) / measuredError(normal, range, scheme);
        expect(Math.abs(ratio - 1)).toBeLessThan(0.02);
      }
    }
  });

  it('is nothing for zeros and for what falls on a level', () => {
    const { histogram, min, max } = statisticsOf([0, 0, 0, 127]);
    expect(expectedSquaredError(binnedValues(histogram, min, max), { min: 0, max: 127 }, int8Symmetric)).toBeLessThan(
      1e-12,
    );
  });
});

describe('mse', () => {
  it('errs no more than any threshold of a fine grid, within 1 %', () => {
    const statistics = statisticsOf(Float64Array.from(normal, (value) => value ** 3));
    const values = binnedValues(statistics.histogram, statistics.min, statistics.max);
    const errorOf = (range: Range) => expectedSquaredError(values, range, int8Symmetric);
    const found = errorOf(mse(statistics, int8Symmetric));
    for (let step = 1; step <= 400; step += 1) {
      const size = (statistics.max * step) / 400;
      expect(found).toBeLessThanOrEqual(errorOf({ min: -size, max: size }) * 1.01);
    }
  });

  it('moves the ends of an asymmetric range apart from each other', () => {
    const skewed = [...normal, -40];
    const statistics = statisticsOf(skewed);
    const range = mse(statistics, uint8Asymmetric);
    expect(range.min).toBeGreaterThan(-40 * 0.85);
    expect(range.max).toBeGreaterThan(statistics.max * 0.85);
    expect(measuredError(skewed, range, uint8Asymmetric)).toBeLessThan(
      measuredError(skewed, minmax(statistics, uint8Asymmetric), uint8Asymmetric),
    );
  });
});

describe('percentile', () => {
  it('cuts exactly so many values off', () => {
    // 10,000 distinct powers would share bins; two levels do not: 9,990 at 1 and 10 at 2.
    const values = [...Array<number>(9990).fill(1), ...Array<number>(10).fill(2)];
    expect(percentile(99.9)(statisticsOf(values), int8Symmetric).max).toBeCloseTo(1, 1);
    expect(percentile(99.99)(statisticsOf(values), int8Symmetric).max).toBe(2);
    expect(percentile(99.9)(statisticsOf([...values, 2]), int8Symmetric).max).toBe(2);
  });

  it('cuts half at each end of an asymmetric range, counting magnitudes in a symmetric one', () => {
    const values = [...Array<number>(10).fill(-8), ...Array<number>(980).fill(0), ...Array<number>(10).fill(4)];
    const statistics = statisticsOf(values);
    expect(percentile(98)(statistics, uint8Asymmetric)).toEqual({ min: 0, max: 0 });
    expect(percentile(98.5)(statistics, uint8Asymmetric)).toEqual({ min: -8, max: 4 });
    expect(percentile(99)(statistics, int8Symmetric)).toEqual({ min: -4, max: 4 });
    expect(percentile(99.5)(statistics, int8Symmetric)).toEqual({ min: -8, max: 4 });
  });

  it('refuses what is no percentile', () => {
    for (const wrong of [0, 50, 100.5, Number.NaN]) {
      expect(() =>
        deriveRanges({ samples: 1, tensors: new Map() }, int8Symmetric, {
          calibrator: 'percentile',
          percentile: wrong,
        }),
      ).toThrow('usage/percentile');
    }
  });
});

describe('entropy', () => {
  it('computes the divergence that its definition gives', () => {
    const counts = Float64Array.from({ length: 40 }, (_, bin) => (bin % 5 === 3 ? 0 : (bin * 37) % 11));
    const divergence = new Divergence(counts);
    const total = counts.reduce((sum, each) => sum + each, 0);
    for (const [first, last, levels] of [
      [0, 40, 8],
      [2, 31, 7],
      [5, 20, 15],
      [1, 2, 1],
    ] as const) {
      const cut = counts.slice(first, last);
      const inside = cut.reduce((sum, each) => sum + each, 0);
      const reference = cut.slice();
      reference[0]! += counts.slice(0, first).reduce((sum, each) => sum + each, 0);
      reference[reference.length - 1]! += counts.slice(last).reduce((sum, each) => sum + each, 0);
      const quantized = new Float64Array(cut.length);
      for (let level = 0; level < levels; level += 1) {
        const start = Math.floor((level * cut.length) / levels);
        const end = Math.floor(((level + 1) * cut.length) / levels);
        const filled = cut.slice(start, end).filter((each) => each > 0);
        const mean = filled.reduce((sum, each) => sum + each, 0) / filled.length;
        for (let bin = start; bin < end; bin += 1) if (cut[bin]! > 0) quantized[bin] = mean;
      }
      let expected = 0;
      for (const [bin, mass] of reference.entries()) {
        if (mass > 0) expected += (mass / total) * Math.log(mass / total / (quantized[bin]! / inside));
      }
      // Sums in another order.
      expect(divergence.of(first, last, levels)).toBeCloseTo(expected, 10);
    }
    expect(divergence.of(3, 40, 4)).toBe(Number.POSITIVE_INFINITY);
  });

  it('cuts a far outlier off at either end', () => {
    const tail = (size: number) => [...normal.slice(0, 50_000), ...Array<number>(4).fill(size / 5), size];
    const right = statisticsOf(tail(60));
    expect(entropy(right, uint8Asymmetric).max).toBeLessThan(20);
    expect(entropy(right, int8Symmetric).max).toBeLessThan(20);
    const left = statisticsOf(tail(-60));
    expect(entropy(left, uint8Asymmetric).min).toBeGreaterThan(-20);
  });

  it('is not moved by zeros, which every range holds exactly', () => {
    const values = [...normal.slice(0, 20_000)].map(Math.abs);
    const bare = entropy(statisticsOf(values), uint8Asymmetric);
    expect(entropy(statisticsOf([...values, ...Array<number>(100_000).fill(0)]), uint8Asymmetric)).toEqual(bare);
  });
});

describe('distribution', () => {
  it('gives float8 the deviation of its own numbers', () => {
    // Each E4M3FN number once: the scale is 1, so the range is ±448; bins of single values stand for their middle.
    const numbers = Array.from({ length: 0x7f }, (_, bits) => {
      const [exponent, fraction] = [bits >> 3, (bits & 7) / 8];
      return exponent === 0 ? fraction * 2 ** -6 : (1 + fraction) * 2 ** (exponent - 7);
    });
    const { min, max } = distribution(statisticsOf([...numbers, ...numbers.map((value) => -value)]), int8Symmetric);
    expect(Math.abs(max / 448 - 1)).toBeLessThan(0.005);
    expect(min).toBe(-max);
  });
});

describe('average', () => {
  it('is the mean of the extremes of each sample, exactly, in any order', () => {
    const samples = [
      [1e30, -1],
      [2 ** -149, -2],
      [-1e30, 3],
    ];
    const expected = { min: (-1 - 2 + Math.fround(-1e30)) / 3, max: (Math.fround(1e30) + 2 ** -149 + 3) / 3 };
    expect(average(statisticsOf(...samples), int8Symmetric)).toEqual(expected);
    expect(average(statisticsOf(...samples.reverse()), int8Symmetric)).toEqual(expected);
  });
});

describe('auto', () => {
  it('takes for each tensor what errs least', () => {
    const candidates = [minmax, percentile(99.9), entropy, mse];
    for (const values of [normal, normal.map((value) => value ** 5), [0, 1, 2, 3]]) {
      const statistics = statisticsOf(values);
      const binned = binnedValues(statistics.histogram, statistics.min, statistics.max);
      for (const scheme of schemes) {
        const errors = candidates.map((each) => expectedSquaredError(binned, each(statistics, scheme), scheme));
        const chosen = auto(candidates)(statistics, scheme);
        expect(expectedSquaredError(binned, chosen, scheme)).toBe(Math.min(...errors));
      }
    }
  });
});

describe('every calibrator', () => {
  const odd: Record<string, number[]> = {
    'nothing but zeros': [0, 0, -0],
    'one constant': [3, 3, 3],
    'a negative constant': [-3, -3],
    'positive numbers': [1, 2, 3],
    'negative numbers': [-1, -2, -3],
    'numbers too small for a scale of their own': [1e-40, -1e-41],
    'the largest floats': [3.4028234663852886e38, -3.4028234663852886e38],
  };
  for (const calibrator of calibratorNames satisfies readonly CalibratorName[]) {
    it(`${calibrator}: gives a range and a normal scale for constants, one sign, the tiny and the huge`, () => {
      for (const values of Object.values(odd)) {
        for (const scheme of schemes) {
          const ranges = deriveRanges({ samples: 1, tensors: new Map([['x', statisticsOf(values)]]) }, scheme, {
            calibrator,
          });
          const { scale } = activationParameters(ranges.get('x')!, scheme, 'x');
          expect(scale).toBeGreaterThanOrEqual(2 ** -126);
          expect(Number.isFinite(scale)).toBe(true);
        }
      }
    });
  }
});
