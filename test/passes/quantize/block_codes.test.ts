import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type BlockOptions, blockCodes, packRows } from '../../../src/passes/quantize/block_codes.js';
import { codeOf, codeParameters } from '../../../src/passes/quantize/code_parameters.js';
import { halfQuadratic } from '../../../src/passes/quantize/half_quadratic.js';
import { rowCodes, turned } from '../../../src/passes/quantize/row_codes.js';

const options: BlockOptions = {
  bits: 4,
  blockSize: 16,
  method: 'round',
  symmetric: true,
  scales: 'range',
  negativeScales: false,
};

const group = fc.float32Array({ min: -100, max: 100, noNaN: true, minLength: 1, maxLength: 40 });

const errorOf = (weights: Float32Array, parameters: { scale: number; zeroPoint: number }, power: number): number =>
  weights.reduce((sum, weight) => {
    const back = (codeOf(weight, parameters, 15) - parameters.zeroPoint) * parameters.scale;
    return sum + Math.abs(back - weight) ** power;
  }, 0);

describe('codeParameters', () => {
  it('around the middle reach both ends, −8 and 7 steps away', () => {
    const of = (...weights: number[]) =>
      codeParameters(Float32Array.from(weights), { highest: 15, symmetric: true, scales: 'range' });
    expect(of(-8, 3)).toEqual({ scale: 1, zeroPoint: 8 });
    expect(of(-3, 7)).toEqual({ scale: 1, zeroPoint: 8 });
  });

  it('with negative scales put the larger end at −8 steps, on whichever side it lies', () => {
    const of = (...weights: number[]) =>
      codeParameters(Float32Array.from(weights), {
        highest: 15,
        symmetric: true,
        negativeScales: true,
        scales: 'range',
      });
    expect(of(-8, 3)).toEqual({ scale: 1, zeroPoint: 8 });
    expect(of(-3, 8)).toEqual({ scale: -1, zeroPoint: 8 });
    expect(codeOf(8, of(-3, 8), 15)).toBe(0);
    expect(codeOf(-3, of(-3, 8), 15)).toBe(11);
  });

  it('with a zero point reach from the least to the largest, and 0', () => {
    const of = (...weights: number[]) =>
      codeParameters(Float32Array.from(weights), { highest: 15, symmetric: false, scales: 'range' });
    expect(of(-5, 10)).toEqual({ scale: 1, zeroPoint: 5 });
    expect(of(3, 15)).toEqual({ scale: 1, zeroPoint: 0 });
    expect(of(-15, -3)).toEqual({ scale: 1, zeroPoint: 15 });
  });

  it('of zeros, or of numbers whose scale would not be normal, have scale 1 and give zeros', () => {
    for (const weight of [0, 1e-44, -1e-44]) {
      const parameters = codeParameters(Float32Array.of(weight), { highest: 15, symmetric: true, scales: 'mse' });
      expect(parameters).toEqual({ scale: 1, zeroPoint: 8 });
      expect(codeOf(weight, parameters, 15)).toBe(8);
    }
  });

  it('bring every weight back within half a step, and one rounding of the zero point', () => {
    fc.assert(
      fc.property(group, fc.boolean(), (weights, symmetric) => {
        const parameters = codeParameters(weights, { highest: 15, symmetric, scales: 'range' });
        for (const weight of weights) {
          const back = (codeOf(weight, parameters, 15) - parameters.zeroPoint) * parameters.scale;
          // A weight under the smallest normal scale comes back as 0.
          const bound = parameters.scale * (symmetric ? 0.501 : 1.001);
          expect(Math.abs(back - weight)).toBeLessThanOrEqual(bound);
        }
      }),
    );
  });

  it('of the least squared error are never further off than those of the range', () => {
    fc.assert(
      fc.property(group, fc.boolean(), (weights, symmetric) => {
        const [range, mse] = (['range', 'mse'] as const).map((scales) =>
          errorOf(weights, codeParameters(weights, { highest: 15, symmetric, scales }), 2),
        );
        expect(mse!).toBeLessThanOrEqual(range! + 1e-12);
      }),
    );
    const outlier = Float32Array.from({ length: 64 }, (_, index) =>
      index === 0 ? 1.4 : ((index * 37) % 64) / 64 - 0.5,
    );
    const [range, mse] = (['range', 'mse'] as const).map((scales) =>
      errorOf(outlier, codeParameters(outlier, { highest: 15, symmetric: true, scales }), 2),
    );
    expect(mse!).toBeLessThan(range! * 0.99);
  });
});

describe('halfQuadratic', () => {
  it('is never further off in the mean than what it starts from, and keeps the scale', () => {
    fc.assert(
      fc.property(group, (weights) => {
        const start = codeParameters(weights, { highest: 15, symmetric: false, scales: 'range' });
        const found = halfQuadratic(weights, start, 15);
        expect(found.scale).toBe(start.scale);
        expect(found.zeroPoint).toBeGreaterThanOrEqual(0);
        expect(found.zeroPoint).toBeLessThanOrEqual(15);
        const inSteps = (parameters: typeof start) => errorOf(weights, parameters, 1) / start.scale;
        expect(inSteps(found)).toBeLessThanOrEqual(inSteps(start) * 1.0001 + 1e-9);
      }),
    );
  });

  it('moves the zero point onto weights that all lie off the codes', () => {
    const weights = Float32Array.from({ length: 32 }, (_, index) => (index % 15) - 4.6);
    const start = { scale: 1, zeroPoint: 5 };
    const { zeroPoint } = halfQuadratic(weights, start, 15);
    expect(errorOf(weights, { scale: 1, zeroPoint }, 1)).toBeLessThan(errorOf(weights, start, 1) / 4);
  });
});

describe('blockCodes', () => {
  it('fill the last block with codes that mean 0', () => {
    const weights = Float32Array.from({ length: 2 * 20 }, (_, index) => index - 5);
    for (const symmetric of [true, false]) {
      const { codes, zeroPoints, blocks } = blockCodes(weights, 2, 20, { ...options, symmetric });
      expect(blocks).toBe(2);
      for (const row of [0, 1]) {
        const padding = codes.subarray(row * 32 + 20, (row + 1) * 32);
        expect([...padding]).toEqual(Array(12).fill(zeroPoints[row * 2 + 1]));
      }
    }
  });

  it('are packed two in a byte, the first in the low bits, each row from a byte of its own', () => {
    expect([...packRows([1, 2, 3, 4, 5, 6], 2, 4)]).toEqual([0x21, 0x03, 0x54, 0x06]);
    expect([...packRows([1, 2, 3], 1, 8)]).toEqual([1, 2, 3]);
  });
});

describe('rowCodes', () => {
  it('have a scale for each row, and stay within the limit', () => {
    const weights = Float32Array.of(1, -2, 0.5, 4);
    const { codes, scales } = rowCodes(weights, 2, 2, { dtype: 'int8', limit: 64, scales: 'range' });
    expect([...codes]).toEqual([32, -64, 8, 64]);
    expect([...scales]).toEqual([2 / 64, 4 / 64]);
  });

  it('of uint8 have a zero point for each row', () => {
    const weights = Float32Array.of(-51, 204, 0, 255);
    const { codes, zeroPoints } = rowCodes(weights, 2, 2, { dtype: 'uint8', limit: 127, scales: 'range' });
    expect([...codes]).toEqual([0, 255, 0, 255]);
    expect([...zeroPoints]).toEqual([51, 0]);
  });

  it('are turned from rows to columns', () => {
    expect([...turned(Int8Array.of(1, 2, 3, 4, 5, 6), 2, 3)]).toEqual([1, 4, 2, 5, 3, 6]);
  });
});
