import { describe, expect, it } from 'vitest';
import type { Model } from '../../../src/ir/graph.js';
import { floatTensor, type Tensor } from '../../../src/ir/tensor.js';
import { type Bnb4Options, bnb4Codes, quantizeBnb4 } from '../../../src/passes/quantize/quantize_bnb4.js';
import {
  applyPass,
  largestDifference,
  ModelBuilder,
  operatorsOf,
  pseudoRandom,
  randomTensor,
} from '../../build_model.js';

const apply = (model: Model, changes: Partial<Bnb4Options> = {}) =>
  applyPass(model, quantizeBnb4({ type: 'nf4', blockSize: 64, ...changes }));

const eye = (size: number): Tensor =>
  floatTensor(
    Array.from({ length: size * size }, (_, index) => (index % (size + 1) === 0 ? 1 : 0)),
    [size, size],
  );

function product(products: number, outputs: number, weights?: Tensor): Model {
  const b = new ModelBuilder(17);
  const w = b.constant('w', weights ?? randomTensor([products, outputs], 3));
  b.output(b.op('MatMul', [b.input('x', ['N', products]), w]), 'y');
  return b.build();
}

describe('quantize-bnb4', () => {
  it.each([
    ['nf4', 64, 64],
    ['nf4', 50, 64],
    ['fp4', 64, 64],
    ['nf4', 64, 16],
    ['fp4', 33, 256],
  ] as const)(
    '%s of %i products in blocks of %i: weights are off by half the widest gap',
    async (type, products, blockSize) => {
      const original = product(products, 37);
      const { model } = await apply(original, { type, blockSize });
      expect(operatorsOf(model)).toEqual(['MatMulBnb4']);
      // Largest magnitudes are at most 1. The widest gap of nf4 lies between −1 and −0.696, of fp4 between 0.667 and 1.
      const bound = (type === 'nf4' ? 0.304 : 1 / 3) / 2 + 1e-3;
      expect(await largestDifference(original, model, { x: eye(products) })).toBeLessThan(bound);
    },
  );

  it('gives weights back exactly that its sixteen numbers are', async () => {
    const largest = 2;
    const shares = [-1, -0.6961928009986877, -0.09105003625154495, 0, 0.07958029955625534, 0.5626170039176941, 1];
    const weights = Float32Array.from({ length: 64 * 32 }, (_, index) => shares[index % 7]! * largest);
    const original = product(64, 32, floatTensor(weights, [64, 32]));
    const { model } = await apply(original);
    expect(await largestDifference(original, model, { x: eye(64) })).toBeLessThan(1e-6);
  });

  it('gives zeros back for a block of zeros', () => {
    const { packed, largest } = bnb4Codes(new Float32Array(64), 'nf4', 64);
    expect(largest[0]).toBe(0);
    expect(packed.every((byte) => byte === 0x77)).toBe(true);
  });

  it('takes the nearest of its numbers', () => {
    const weights = pseudoRandom(64, 5);
    weights[0] = 1;
    const { packed } = bnb4Codes(weights, 'fp4', 64);
    const numbers = [0, 0.005208333333, 2 / 3, 1, 1 / 3, 1 / 2, 1 / 6, 1 / 4];
    const of = (code: number) => (code < 8 ? numbers[code]! : -numbers[code - 8]!);
    for (const [index, weight] of weights.entries()) {
      const code = (packed[index >> 1]! >> (index % 2 === 0 ? 4 : 0)) & 15;
      const least = Math.min(...Array.from({ length: 16 }, (_, other) => Math.abs(of(other) - weight)));
      expect(Math.abs(of(code) - weight)).toBeCloseTo(least, 6);
    }
  });
});
