import { describe, expect, it } from 'vitest';
import { castTensor } from '../../../src/calibrate/sources/cast_tensor.js';
import { decodeHalf, encodeHalf } from '../../../src/ir/half_float.js';
import { floatTensor, int64Tensor, tensorFromData } from '../../../src/ir/tensor.js';
import { diagnosticOf, values } from './sample_files.js';

const doubles = (...numbers: number[]) => tensorFromData('double', [numbers.length], Float64Array.from(numbers));

describe('castTensor', () => {
  it('rounds doubles to floats', () => {
    const cast = castTensor(doubles(0.1, Number.POSITIVE_INFINITY, Number.NaN), 'float', 'x');
    expect(cast).toMatchObject({ dtype: 'float', dims: [3] });
    expect(values(cast)).toEqual([Math.fround(0.1), Number.POSITIVE_INFINITY, Number.NaN]);
  });

  it('widens integers and booleans', () => {
    expect(values(castTensor(tensorFromData('uint8', [2], Uint8Array.of(0, 255)), 'float', 'x'))).toEqual([0, 255]);
    expect(values(castTensor(tensorFromData('int32', [2], Int32Array.of(-1, 7)), 'int64', 'x'))).toEqual([-1n, 7n]);
    expect(values(castTensor(tensorFromData('bool', [2], Uint8Array.of(0, 1)), 'int64', 'x'))).toEqual([0n, 1n]);
  });

  it('narrows integers that fit', () => {
    expect(values(castTensor(int64Tensor([-128, 127]), 'int8', 'x'))).toEqual([-128, 127]);
  });

  it('reads and writes 16-bit floats', () => {
    const half = castTensor(floatTensor([1, -2, 0.1]), 'float16', 'x');
    expect(values(half)).toEqual([0x3c00, 0xc000, 0x2e66]);
    expect(values(castTensor(half, 'float', 'x'))).toEqual([1, -2, 0.0999755859375]);
    expect(values(castTensor(floatTensor([1, 3.140625]), 'bfloat16', 'x'))).toEqual([0x3f80, 0x4049]);
  });

  it.each([
    ['floats to integers', floatTensor([1]), 'int32'],
    ['an integer out of range', int64Tensor([256]), 'uint8'],
    ['a negative to unsigned', int64Tensor([-1]), 'uint64'],
    ['an integer that float lacks', int64Tensor([2 ** 24 + 1]), 'float'],
    ['an int32 that float lacks', tensorFromData('int32', [1], Int32Array.of(2 ** 24 + 1)), 'float'],
    ['an integer that float16 lacks', int64Tensor([2049]), 'float16'],
    ['an int64 that double lacks', int64Tensor([2n ** 53n + 1n]), 'double'],
    ['an integer past float16', int64Tensor([70_000]), 'float16'],
    ['a double past float', doubles(1e300), 'float'],
    ['a float past float16', floatTensor([65520]), 'float16'],
    ['2 to bool', int64Tensor([2]), 'bool'],
    ['numbers to strings', floatTensor([1]), 'string'],
    ['numbers to 4 bits', int64Tensor([1]), 'int4'],
    ['numbers to complex', floatTensor([1]), 'complex64'],
  ] as const)('refuses %s', async (_, tensor, dtype) => {
    expect(await diagnosticOf(() => castTensor(tensor, dtype, 'a.npy'))).toMatchObject({
      code: 'data/wrong-type',
      where: 'a.npy',
    });
  });
});

describe('16-bit floats', () => {
  it.each(['float16', 'bfloat16'] as const)('keep all bits of %s through numbers and back', (dtype) => {
    const all = Uint16Array.from({ length: 65_536 }, (_, bits) => bits);
    const numbers = decodeHalf(dtype, all);
    const back = encodeHalf(dtype, numbers);
    for (let bits = 0; bits < all.length; bits++) {
      if (!Number.isNaN(numbers[bits]!)) expect(back[bits]).toBe(bits);
    }
    expect(numbers.filter(Number.isNaN)).toHaveLength(dtype === 'float16' ? 2 * 1023 : 2 * 127);
  });

  it('round to the nearest float16, and ties to the even one', () => {
    const ulp = 2 ** -10;
    const numbers = [1 + ulp / 2, 1 + (3 * ulp) / 2, 1 + ulp * 0.51, 2 - ulp / 4, 65519.99, 2 ** -25, 2 ** -25 * 1.01];
    const bits = [0x3c00, 0x3c02, 0x3c01, 0x4000, 0x7bff, 0, 1];
    expect([...encodeHalf('float16', numbers)]).toEqual(bits);
    expect([...encodeHalf('float16', [-0, Number.NaN, 2 ** -14 - 2 ** -26])]).toEqual([0x8000, 0x7e00, 0x0400]);
  });

  it('round to the nearest bfloat16, and ties to the even one', () => {
    const ulp = 2 ** -7;
    expect([...encodeHalf('bfloat16', [1 + ulp / 2, 1 + (3 * ulp) / 2, -3.4e38, Number.NaN])]).toEqual([
      0x3f80, 0x3f82, 0xff80, 0x7fc0,
    ]);
  });
});
