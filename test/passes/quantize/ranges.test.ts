import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { activationParameters, roundHalfEven } from '../../../src/passes/quantize/ranges.js';

const unsigned = { dtype: 'uint8', symmetric: false } as const;
const signed = { dtype: 'int8', symmetric: true } as const;

describe('roundHalfEven', () => {
  it('rounds halves to the even neighbour, on both sides of zero', () => {
    expect([0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 0.49, -0.51, 3].map(roundHalfEven)).toEqual([
      0, 2, 2, -0, -2, -2, 0, -1, 3,
    ]);
  });
});

describe('activationParameters', () => {
  it('maps an asymmetric range to all 256 steps', () => {
    expect(activationParameters({ min: -1, max: 3 }, unsigned, 'x')).toMatchObject({
      scale: Math.fround(4 / 255),
      zeroPoint: 64,
      low: 0,
      high: 255,
    });
  });

  it('widens a range to hold 0', () => {
    expect(activationParameters({ min: 2, max: 5.1 }, unsigned, 'x')).toMatchObject({
      zeroPoint: 0,
      scale: Math.fround(5.1 / 255),
    });
    expect(activationParameters({ min: -5, max: -2 }, unsigned, 'x').zeroPoint).toBe(255);
  });

  it('gives a symmetric range zero point 0', () => {
    expect(activationParameters({ min: -2, max: 1 }, signed, 'x')).toMatchObject({
      zeroPoint: 0,
      scale: Math.fround(2 / 127),
    });
  });

  it('gives a tensor of zeros scale 1, and never a scale that is not normal', () => {
    expect(activationParameters({ min: 0, max: 0 }, unsigned, 'x').scale).toBe(1);
    expect(activationParameters({ min: 0, max: 1e-42 }, unsigned, 'x').scale).toBe(1);
  });

  it('refuses what is no range', () => {
    for (const range of [
      { min: Number.NaN, max: 1 },
      { min: 0, max: Number.POSITIVE_INFINITY },
      { min: 2, max: 1 },
    ]) {
      expect(() => activationParameters(range, unsigned, 'x')).toThrow('quantize/bad-range');
    }
  });

  it('represents 0 exactly and every value of the range within half a step and one rounding of the zero point', () => {
    const bound = fc.double({ min: -1e6, max: 1e6, noNaN: true });
    fc.assert(
      fc.property(bound, bound, fc.double({ min: 0, max: 1, noNaN: true }), (a, b, t) => {
        const range = { min: Math.min(a, b), max: Math.max(a, b) };
        const { scale, zeroPoint, low, high } = activationParameters(range, unsigned, 'x');
        expect(Number.isInteger(zeroPoint)).toBe(true);
        const value = range.min + t * (range.max - range.min);
        const quantized = Math.min(high, Math.max(low, roundHalfEven(value / scale) + zeroPoint));
        expect(Math.abs((quantized - zeroPoint) * scale - value)).toBeLessThanOrEqual(scale * 1.01);
      }),
    );
  });
});
