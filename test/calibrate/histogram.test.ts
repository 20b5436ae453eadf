import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  binnedValues,
  binOfRank,
  binRank,
  type Histogram,
  HistogramCounter,
  isBinRank,
  mergeHistograms,
} from '../../src/calibrate/histogram.js';
import { encodeHalf } from '../../src/ir/half_float.js';
import { floatTensor, tensorFromBytes, tensorFromData } from '../../src/ir/tensor.js';

const histogramOf = (values: ArrayLike<number>): Histogram => {
  const counter = new HistogramCounter();
  counter.add(floatTensor(values));
  return counter.histogram();
};

/** Counted one by one in a map. */
function naive(values: readonly number[]): Histogram {
  const counts = new Map<number, number>();
  for (const value of values) {
    const bits = new Uint32Array(Float32Array.of(value).buffer)[0]! >>> 16;
    const bin = bits === 0x8000 ? 0 : bits;
    counts.set(bin, (counts.get(bin) ?? 0) + 1);
  }
  const number = (bin: number) => new Float32Array(Uint32Array.of(bin * 65536).buffer)[0]!;
  const sorted = [...counts].sort(([a], [b]) => number(a) - number(b));
  return {
    bins: Uint16Array.from(sorted, ([bin]) => bin),
    counts: Float64Array.from(sorted, ([, count]) => count),
  };
}

const float = fc.oneof(fc.float({ noNaN: true, noDefaultInfinity: true }), fc.constantFrom(0, -0, 1, -1, 2 ** -140));

describe('a streaming histogram', () => {
  it('is the same for any order of values, any batches and any split over processes', () => {
    fc.assert(
      fc.property(
        fc.array(float),
        fc.infiniteStream(fc.nat(7)),
        fc.integer({ min: 1, max: 5 }),
        (values, draw, parts) => {
          const next = () => draw.next().value as number;
          const order = values.map((value) => ({ value, key: next() })).sort((a, b) => a.key - b.key);
          const counters = Array.from({ length: parts }, () => new HistogramCounter());
          for (let start = 0; start < order.length; ) {
            const size = 1 + next();
            const batch = order.slice(start, start + size).map(({ value }) => value);
            counters[next() % parts]!.add(floatTensor(batch));
            start += size;
          }
          const merged = counters.map((counter) => counter.histogram()).reduce(mergeHistograms);
          expect(merged).toEqual(histogramOf(values));
          expect(merged).toEqual(naive(values));
        },
      ),
      { numRuns: 300 },
    );
  });

  it('loses nothing where counts are moved on before they overflow', () => {
    const counter = new HistogramCounter(10);
    const values = Array.from({ length: 7 }, (_, index) => index - 3);
    for (let round = 0; round < 9; round += 1) counter.add(floatTensor(values));
    expect(counter.histogram()).toEqual(naive(Array.from({ length: 9 }, () => values).flat()));
  });

  it('gives exact extremes and tells what is not finite', () => {
    const extremes = (values: ArrayLike<number>) => new HistogramCounter().add(floatTensor(values));
    expect(extremes([3, -1.00001, 2])).toEqual({ min: Math.fround(-1.00001), max: 3, finite: true });
    expect(extremes([-0])).toEqual({ min: 0, max: 0, finite: true });
    expect(extremes([])).toEqual({ min: Number.POSITIVE_INFINITY, max: Number.NEGATIVE_INFINITY, finite: true });
    for (const odd of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      for (const at of [0, 1, 2]) expect(extremes([1, 2, 3].with(at, odd)).finite).toBe(false);
    }
    expect(extremes([3.4028234663852886e38, -3.4028234663852886e38]).finite).toBe(true);
  });

  it('counts half, bfloat16 and double elements as the floats they are', () => {
    const values = Float32Array.of(0, 1, -1.5, 0.25, -64, 2 ** -20, 100);
    for (const dtype of ['float16', 'bfloat16'] as const) {
      const counter = new HistogramCounter();
      counter.add(tensorFromData(dtype, [values.length], encodeHalf(dtype, values)));
      expect(counter.histogram()).toEqual(histogramOf(values));
    }
    const counter = new HistogramCounter();
    const { min, max } = counter.add(tensorFromData('double', [values.length], Float64Array.from(values)));
    expect({ min, max }).toEqual({ min: -64, max: 100 });
    expect(counter.histogram()).toEqual(histogramOf(values));
    expect(new HistogramCounter().add(tensorFromData('double', [1], Float64Array.of(1e300))).finite).toBe(false);
  });

  it('reads elements that are not aligned in memory', () => {
    const bytes = new Uint8Array(9);
    bytes.set(new Uint8Array(Float32Array.of(5, -7).buffer), 1);
    const counter = new HistogramCounter();
    counter.add(tensorFromBytes('float', [2], bytes.subarray(1)));
    expect(counter.histogram()).toEqual(histogramOf([5, -7]));
  });

  it('has bins at most 0.8 % wide that hold their values, from least to most', () => {
    fc.assert(
      fc.property(fc.array(float, { minLength: 1 }), (values) => {
        const { low, high, counts, total } = binnedValues(naive(values), Math.min(...values), Math.max(...values));
        expect(total).toBe(values.length);
        for (const index of counts.keys()) {
          const [a, b] = [low[index]!, high[index]!];
          expect(a).toBeLessThanOrEqual(b);
          if (index > 0) expect(high[index - 1]!).toBeLessThanOrEqual(a);
          const size = Math.min(Math.abs(a), Math.abs(b));
          if (size >= 2 ** -126) expect(b - a).toBeLessThanOrEqual(size / 128);
        }
      }),
    );
  });

  it('numbers its bins by value, there and back', () => {
    for (const bin of [0, 1, 0x7f7f, 0x8001, 0xff7f]) expect(binOfRank(binRank(bin))).toBe(bin);
    expect([0xff7f, 0x8001, 0, 1, 0x7f7f].map(binRank)).toEqual([129, 32767, 32768, 32769, 65407]);
    expect([128, 129, 65407, 65408].map(isBinRank)).toEqual([false, true, true, false]);
  });
});
