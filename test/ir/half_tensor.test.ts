import { describe, expect, it } from 'vitest';
import { InvariantError } from '../../src/ir/diagnostic.js';
import { encodeHalf, type HalfType } from '../../src/ir/half_float.js';
import { halfTensor } from '../../src/ir/half_tensor.js';
import { floatTensor, int64Tensor, type Tensor } from '../../src/ir/tensor.js';
import { pseudoRandom } from '../build_model.js';

const halfTypes: readonly HalfType[] = ['float16', 'bfloat16'];

/** A tensor that counts how much of it is asked for at a time, its bytes at an odd place. */
function watched(
  floats: Float32Array,
  kind: 'memory' | 'external' = 'external',
): { tensor: Tensor; largest(): number } {
  const bytes = new Uint8Array(floats.byteLength + 1);
  bytes.set(new Uint8Array(floats.buffer), 1);
  let largest = 0;
  const range = (offset: number, length: number) => {
    largest = Math.max(largest, length);
    return bytes.subarray(1 + offset, 1 + offset + length);
  };
  const storage = { kind, range, bytes: () => range(0, floats.byteLength) };
  const tensor: Tensor = {
    kind: 'dense',
    dtype: 'float',
    dims: [floats.length],
    byteLength: floats.byteLength,
    storage,
  };
  return { tensor, largest: () => largest };
}

describe('halfTensor', () => {
  it.each(halfTypes)('reads nothing before it is read, and then block by block: %s', (half) => {
    const floats = pseudoRandom(5 * 2 ** 20 + 3);
    const { tensor, largest } = watched(floats);
    const converted = halfTensor(tensor, half, 'w');
    expect([converted.dtype, converted.dims, converted.byteLength]).toEqual([half, [floats.length], floats.length * 2]);
    expect([largest(), converted.storage.kind]).toEqual([0, 'external']);
    const expected = new Uint8Array(encodeHalf(half, floats).buffer);
    expect(Buffer.compare(converted.storage.bytes(), expected)).toBe(0);
    expect(largest()).toBe(8 * 2 ** 20);
    for (const [offset, length] of [
      [0, 2],
      [1, 1],
      [3, 6],
      [8, 0],
      [2 ** 22 - 3, 9],
      [expected.length - 1, 1],
    ] as const) {
      expect(Buffer.compare(converted.storage.range(offset, length), expected.subarray(offset, offset + length))).toBe(
        0,
      );
    }
  });

  it('keeps infinities and refuses a finite number that would become one', () => {
    const infinite = floatTensor([Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN, 65519]);
    expect([...new Uint16Array(halfTensor(infinite, 'float16', 'w').storage.bytes().buffer)]).toEqual([
      0x7c00, 0xfc00, 0x7e00, 0x7bff,
    ]);
    for (const [half, value] of [
      ['float16', 65520],
      ['float16', -1e9],
      ['bfloat16', 3.4e38],
    ] as const) {
      const converted = halfTensor(floatTensor([1, value]), half, 'w');
      expect(() => converted.storage.bytes()).toThrow(InvariantError);
    }
    expect(() => halfTensor(int64Tensor([1]), 'float16', 'w')).toThrow('int64');
  });
});
