import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { floatTensor, tensorData } from '../../../src/ir/tensor.js';
import {
  biasFloors,
  channelMaxima,
  quantizeBias,
  quantizeWeight,
  weightScales,
} from '../../../src/passes/quantize/weights.js';

const weight = floatTensor([1, -2, 3, 0.5, 0.25, -0.125], [2, 3]);

describe('weights', () => {
  it('have a scale for each channel along an axis', () => {
    expect([...channelMaxima(weight, 0)]).toEqual([3, 0.5]);
    expect([...channelMaxima(weight, 1)]).toEqual([1, 2, 3]);
    expect([...channelMaxima(weight, null)]).toEqual([3]);
  });

  it('reach the limit at their largest, and half of it with a reduced range', () => {
    const scales = weightScales(channelMaxima(weight, 0), 127);
    expect([...tensorData(quantizeWeight(weight, 0, scales, 127).quantized)]).toEqual([42, -85, 127, 127, 64, -32]);
    const reduced = weightScales(channelMaxima(weight, 0), 64);
    expect(Math.max(...Array.from(tensorData(quantizeWeight(weight, 0, reduced, 64).quantized), Number))).toBe(64);
  });

  it('are off by half a step at most', () => {
    fc.assert(
      fc.property(
        fc.array(fc.float({ min: -100, max: 100, noNaN: true }), { minLength: 6, maxLength: 6 }),
        (values) => {
          const tensor = floatTensor(values, [2, 3]);
          const scales = weightScales(channelMaxima(tensor, 1), 127);
          const quantized = tensorData(quantizeWeight(tensor, 1, scales, 127).quantized);
          for (const [index, value] of values.entries()) {
            const scale = scales[index % 3]!;
            expect(Math.abs(Number(quantized[index]) * scale - value)).toBeLessThanOrEqual(scale * 0.501);
          }
        },
      ),
    );
  });

  it('of zeros take scale 1 without a bias', () => {
    expect([...weightScales(Float64Array.of(0, 1e-45), 127)]).toEqual([1, 1]);
  });
});

describe('a bias', () => {
  it('raises the scale of a channel just enough to fit int32', () => {
    const inputScale = 1e-3;
    const bias = [1000, 0.5];
    const maxima = Float64Array.of(1e-6, 1);
    const scales = weightScales(maxima, 127, biasFloors(bias, inputScale));
    const integers = quantizeBias(
      bias,
      scales.map((scale) => scale * inputScale),
    );
    expect(scales[0]).toBeGreaterThan(1e-6 / 127);
    expect(scales[1]).toBe(Math.fround(1 / 127));
    for (const [index, value] of bias.entries()) {
      expect(integers[index]! * scales[index]! * inputScale).toBeCloseTo(value, 3);
    }
    expect(Math.abs(integers[0]!)).toBeLessThan(2 ** 31);
  });

  it('of a channel of zero weights keeps its value', () => {
    const scales = weightScales(Float64Array.of(0), 127, biasFloors([0.3], 0.05));
    const [integer] = quantizeBias(
      [0.3],
      scales.map((scale) => scale * 0.05),
    );
    expect(integer! * scales[0]! * 0.05).toBeCloseTo(0.3, 6);
  });
});
