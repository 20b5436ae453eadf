import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { floatTensor, tensorData } from '../../../src/ir/tensor.js';
import { leastSquaresScales } from '../../../src/passes/quantize/least_squares_scales.js';
import { channelMaxima, quantizeWeight, weightScales } from '../../../src/passes/quantize/weights.js';
import { pseudoRandom } from '../../build_model.js';

const dims = [3, 4, 5];

function squaredErrors(values: Float32Array, axis: number | null, scales: Float32Array, limit: number): number[] {
  const codes = tensorData(quantizeWeight(floatTensor(values, dims), axis, scales, limit).quantized);
  const sums = Array.from(scales, () => 0);
  for (const [index, value] of values.entries()) {
    const places = [Math.floor(index / 20), Math.floor(index / 5) % 4, index % 5];
    const channel = axis === null ? 0 : places[axis]!;
    sums[channel]! += (Number(codes[index]) * scales[channel]! - value) ** 2;
  }
  return sums;
}

describe('scales of the least squared error', () => {
  it('err no more than those of the range in any channel along any axis, and are no wider', () => {
    fc.assert(
      fc.property(
        fc.array(fc.float({ min: -8, max: 8, noNaN: true }), { minLength: 60, maxLength: 60 }),
        fc.constantFrom(0, 1, 2, null),
        fc.constantFrom(127, 64, 7),
        (list, axis, limit) => {
          const values = Float32Array.from(list);
          const tensor = floatTensor(values, dims);
          const widest = weightScales(channelMaxima(tensor, axis), limit);
          const scales = leastSquaresScales(tensor, axis, widest, limit);
          const before = squaredErrors(values, axis, widest, limit);
          for (const [channel, error] of squaredErrors(values, axis, scales, limit).entries()) {
            // The search multiplies by 1 / scale: a value half way between two integers may go to the other one.
            expect(error).toBeLessThanOrEqual(before[channel]! * (1 + 1e-6) + 1e-12);
            expect(scales[channel]).toBeLessThanOrEqual(widest[channel]!);
          }
        },
      ),
    );
  });

  it('cut off one large weight among many, at a third of the error with 4 bits', () => {
    const values = pseudoRandom(60, 3);
    values[17] = 1.6;
    const tensor = floatTensor(values, dims);
    const widest = weightScales(channelMaxima(tensor, null), 7);
    const scales = leastSquaresScales(tensor, null, widest, 7);
    expect(scales[0]).toBeLessThan(widest[0]! * 0.9);
    expect(squaredErrors(values, null, scales, 7)[0]).toBeLessThan(squaredErrors(values, null, widest, 7)[0]!);
  });

  it('are not below the floor that a bias sets', () => {
    const tensor = floatTensor(pseudoRandom(60, 5), dims);
    const floors = Float64Array.of(0.0077, 0.0078, 0);
    const widest = weightScales(channelMaxima(tensor, 0), 127, floors);
    const scales = leastSquaresScales(tensor, 0, widest, 127, floors);
    for (const [channel, floor] of floors.entries()) expect(scales[channel]).toBeGreaterThanOrEqual(Math.fround(floor));
  });

  it('of zeros are 1', () => {
    const tensor = floatTensor(new Float32Array(60), dims);
    expect([...leastSquaresScales(tensor, null, weightScales(channelMaxima(tensor, null), 127), 127)]).toEqual([1]);
  });
});
