import { describe, expect, it } from 'vitest';
import { intAttribute } from '../../../../src/ir/attribute.js';
import { type Given, inferOne, type Size, typed } from './infer_one.js';

const x = (sizes?: readonly Size[]) => typed('float16', sizes);

describe('CausalConvWithState', () => {
  const convolve = (...inputs: Given[]) => inferOne('CausalConvWithState', inputs, { opset: 27, outputs: 2 });

  it('keeps the shape and the last positions', () => {
    expect(convolve(x(['B', 'C', 'L']), x(['C', 1, 4])).types).toEqual(['float16[B, C, L]', 'float16[B, C, 3]']);
    expect(convolve(x(['B', 'C', 'L']), x([64, 1, 'k'])).types).toEqual(['float16[B, 64, L]', 'float16[B, 64, k - 1]']);
  });

  it('takes sizes from whichever input knows them', () => {
    expect(convolve(x(), x(), x([8]), x([2, null, 3])).types).toEqual(['float16[2, 8, ?]', 'float16[2, 8, 3]']);
    expect(convolve(x(), x()).types).toEqual(['float16[?, ?, ?]', 'float16[?, ?, ?]']);
  });

  it('reports ranks and sizes that do not fit', () => {
    expect(convolve(x([1, 2]), x([2, 1, 3])).codes).toEqual(['infer/rank']);
    expect(convolve(x([1, 2, 5]), x([3, 1, 3])).codes).toEqual(['infer/size']);
    expect(convolve(x([1, 2, 5]), x([2, 1, 3]), null, x([1, 2, 3])).codes).toEqual(['infer/size']);
  });
});

describe('LinearAttention', () => {
  const attend = (inputs: readonly Given[], queryHeads: number, heads: number) =>
    inferOne('LinearAttention', inputs, {
      opset: 27,
      outputs: 2,
      attributes: [intAttribute('q_num_heads', queryHeads), intAttribute('kv_num_heads', heads)],
    });
  const packed = (query: Size, key: Size, value: Size) => [
    x(['B', 'T', query]),
    x(['B', 'T', key]),
    x(['B', 'T', value]),
  ];

  it('packs the values of all query heads and keeps a state a head', () => {
    expect(attend(packed(64, 32, 48), 8, 4).types).toEqual(['float16[B, T, 96]', 'float16[B, 4, 8, 12]']);
    expect(attend(packed('Q', 'K', 'V'), 4, 4).types).toEqual([
      'float16[B, T, V]',
      'float16[B, 4, floor(Q/4), floor(V/4)]',
    ]);
  });

  it('takes the type and sizes of the state from the one before', () => {
    const past = typed('float', ['B', 4, 8, 12]);
    expect(attend([x(), x(), x(), past], 8, 4).types).toEqual(['float16[B, ?, 96]', 'float[B, 4, 8, 12]']);
    expect(attend([x(), x(), x(), 'untyped'], 8, 4).types[1]).toBe('?[?, 4, ?, ?]');
  });

  it('reports heads that do not divide what they are packed in', () => {
    expect(attend(packed(64, 30, 48), 8, 4).codes).toEqual(['infer/heads']);
    expect(attend(packed(64, 32, 48), 0, 4).codes).toEqual(['infer/heads']);
    expect(attend(packed(64, 64, 48), 8, 4).codes).toEqual(['infer/size']);
    expect(attend([x([1, 2, 3, 4]), x(), x()], 1, 1).codes).toEqual(['infer/rank']);
  });
});
