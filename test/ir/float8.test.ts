import { describe, expect, it } from 'vitest';
import { decodeE4m3, encodeE4m3 } from '../../src/ir/float8.js';

const patterns = Array.from({ length: 0x7f }, (_, bits) => bits);

describe('float8e4m3fn', () => {
  it('has the numbers of the format at its ends', () => {
    const [least, largestSubnormal, leastNormal, one, largest] = [0x01, 0x07, 0x08, 0x38, 0x7e].map(decodeE4m3);
    expect([least, largestSubnormal, leastNormal, one, largest]).toEqual([2 ** -9, 7 * 2 ** -9, 2 ** -6, 1, 448]);
    expect([0x7f, 0xff].map(decodeE4m3)).toEqual([Number.NaN, Number.NaN]);
    expect(Object.is(decodeE4m3(0x80), -0)).toBe(true);
  });

  it('encodes what it decodes, on both sides of zero', () => {
    for (const bits of patterns) {
      expect(encodeE4m3(decodeE4m3(bits))).toBe(bits);
      expect(encodeE4m3(decodeE4m3(bits | 0x80))).toBe(bits | 0x80);
    }
    expect(encodeE4m3(Number.NaN)).toBe(0x7f);
  });

  it('rounds what lies in the middle to the even neighbour, and the rest to the nearer one', () => {
    for (const bits of patterns.slice(0, -1)) {
      const [low, high] = [decodeE4m3(bits), decodeE4m3(bits + 1)];
      const middle = (low + high) / 2;
      expect(encodeE4m3(middle)).toBe(bits % 2 === 0 ? bits : bits + 1);
      expect(encodeE4m3(middle * (1 - 2 ** -40))).toBe(bits);
      expect(encodeE4m3(middle * (1 + 2 ** -40))).toBe(bits + 1);
    }
  });

  it('saturates', () => {
    expect([449, 464, 1e30, Number.POSITIVE_INFINITY].map(encodeE4m3)).toEqual([0x7e, 0x7e, 0x7e, 0x7e]);
    expect([-449, Number.NEGATIVE_INFINITY].map(encodeE4m3)).toEqual([0xfe, 0xfe]);
  });
});
