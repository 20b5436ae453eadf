import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { floatTensor, tensorData } from '../../../src/ir/tensor.js';
import { learnRounding } from '../../../src/passes/quantize/learned_rounding.js';
import { channelMaxima, quantizeWeight, weightScales } from '../../../src/passes/quantize/weights.js';
import { pseudoRandom } from '../../build_model.js';

type Problem = ReturnType<typeof problem>;

/** Rows of weights, and inputs that depend on each other. */
function problem(rows: number, columns: number, samples: number, limit: number, seed: number) {
  const weights = pseudoRandom(rows * columns, seed);
  const noise = pseudoRandom(samples * columns, seed + 1);
  const inputs = Float64Array.from(noise, (value, index) => value + 0.8 * noise[index - (index % columns)]! + 0.5);
  const moments = new Float64Array(columns * columns);
  for (let sample = 0; sample < samples; sample += 1) {
    for (let a = 0; a < columns; a += 1) {
      for (let b = 0; b < columns; b += 1)
        moments[a * columns + b]! += inputs[sample * columns + a]! * inputs[sample * columns + b]!;
    }
  }
  const tensor = floatTensor(weights, [rows, columns]);
  const scales = weightScales(channelMaxima(tensor, 0), limit);
  const nearest = tensorData(quantizeWeight(tensor, 0, scales, limit).quantized) as Int8Array;
  return { weights, inputs, moments, scales, nearest, columns, limit, rows };
}

/** Σ over inputs of (row · x − rounded row · x)², from the inputs themselves. */
function outputError({ weights, inputs, scales, columns }: Problem, codes: Int8Array, row: number): number {
  let sum = 0;
  for (let from = 0; from < inputs.length; from += columns) {
    let off = 0;
    for (let column = 0; column < columns; column += 1) {
      const at = row * columns + column;
      off += (codes[at]! * scales[row]! - weights[at]!) * inputs[from + column]!;
    }
    sum += off * off;
  }
  return sum;
}

const learn = (given: Problem, codes: Int8Array) =>
  learnRounding({ ...given, weights: given.weights, codes }, given.moments);

describe('learned rounding', () => {
  it('is never further from the outputs than nearest, row by row, and reports the errors that the inputs give', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 30 }),
        fc.integer({ min: 1, max: 40 }),
        fc.constantFrom(127, 64, 7, 1),
        fc.integer({ min: 1, max: 1000 }),
        (rows, columns, samples, limit, seed) => {
          const given = problem(rows, columns, samples, limit, seed);
          const codes = given.nearest.slice();
          const reported = learn(given, codes);
          let before = 0;
          let after = 0;
          for (let row = 0; row < rows; row += 1) {
            const [own, learned] = [outputError(given, given.nearest, row), outputError(given, codes, row)];
            // Sums of at most 900 products in double precision.
            expect(learned).toBeLessThanOrEqual(own * (1 + 1e-9) + 1e-12);
            before += own;
            after += learned;
          }
          expect(reported.nearest).toBeCloseTo(before, 6);
          expect(reported.learned).toBeCloseTo(after, 6);
          for (const [index, code] of codes.entries()) {
            const steps = given.weights[index]! / given.scales[Math.floor(index / columns)]!;
            expect(Math.abs(code - steps)).toBeLessThanOrEqual(1 + 1e-6);
            expect(Math.abs(code)).toBeLessThanOrEqual(limit);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it('leaves less than half of the error where inputs depend on each other', () => {
    const given = problem(32, 64, 500, 7, 11);
    const { nearest, learned } = learn(given, given.nearest.slice());
    expect(learned).toBeLessThan(nearest * 0.5);
  });

  it('wins most of what the best of all roundings of a small row would', () => {
    let won = 0;
    let possible = 0;
    for (let seed = 1; seed <= 20; seed += 1) {
      const given = problem(1, 8, 200, 7, seed);
      const codes = given.nearest.slice();
      learn(given, codes);
      let best = Number.POSITIVE_INFINITY;
      for (let choice = 0; choice < 2 ** 8; choice += 1) {
        const tried = Int8Array.from(given.weights, (weight, index) => {
          const low = Math.floor(weight / given.scales[0]!);
          return Math.min(7, Math.max(-7, low + ((choice >> index) & 1)));
        });
        best = Math.min(best, outputError(given, tried, 0));
      }
      const nearest = outputError(given, given.nearest, 0);
      won += nearest - outputError(given, codes, 0);
      possible += nearest - best;
    }
    expect(possible).toBeGreaterThan(0);
    // One weight at a time does not find every pair.
    expect(won).toBeGreaterThan(possible * 0.7);
  });

  it('keeps nearest where the inputs were always 0', () => {
    const given = problem(2, 6, 3, 7, 9);
    const codes = given.nearest.slice();
    learnRounding({ ...given, codes }, new Float64Array(36));
    expect(codes).toEqual(given.nearest);
  });
});
