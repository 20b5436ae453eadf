import { describe, expect, it } from 'vitest';
import { intAttribute } from '../../../../src/ir/attribute.js';
import { type Given, inferOne, type Size, typed } from './infer_one.js';

const x = (sizes?: readonly Size[]) => typed('float', sizes);
const half = (sizes?: readonly Size[]) => typed('float16', sizes);

describe('Attention', () => {
  const attention = (inputs: readonly Given[], outputs = 1, heads?: readonly [number, number]) => {
    const attributes = heads ? [intAttribute('q_num_heads', heads[0]), intAttribute('kv_num_heads', heads[1])] : [];
    return inferOne('Attention', inputs, { opset: 23, outputs, attributes });
  };

  it('has the heads and length of the queries and the size of the values', () => {
    const given = [x(['B', 8, 'S', 16]), x(['B', 2, 'T', 16]), half(['B', 2, 'T', 4])];
    expect(attention(given, 4).types).toEqual([
      'float[B, 8, S, 4]',
      'float[B, 2, T, 16]',
      'float16[B, 2, T, 4]',
      'float[B, 8, S, T]',
    ]);
  });

  it('packs heads in one axis where its inputs do', () => {
    const given = [x(['B', 'S', 64]), x(['B', 'T', 16]), x(['B', 'T', 8])];
    expect(attention(given, 4, [8, 2]).types).toEqual([
      'float[B, S, 32]',
      'float[B, 2, T, 8]',
      'float[B, 2, T, 4]',
      'float[B, 8, S, T]',
    ]);
    expect(attention([x(['B', 'S', 64]), x(['B', 'T', 64]), x(['B', 'T', 'V'])], 1, [4, 4]).types).toEqual([
      'float[B, S, V]',
    ]);
  });

  it('puts keys and values behind those of before', () => {
    const given = [x(['B', 8, 'S', 16]), x(['B', 2, 'T', 16]), x(['B', 2, 'T', 4]), null];
    const past = [x(['B', 2, 'P', 16]), x(['B', 2, 'P', 4])];
    expect(attention([...given, ...past], 4).types).toEqual([
      'float[B, 8, S, 4]',
      'float[B, 2, P + T, 16]',
      'float[B, 2, P + T, 4]',
      'float[B, 8, S, P + T]',
    ]);
    expect(attention([...given, 'untyped', 'untyped'], 2).types[1]).toBe('float[B, 2, ?, 16]');
  });

  it('knows the rank only from the queries', () => {
    expect(attention([x(), x([1, 2, 3, 4]), x([1, 2, 3, 4])], 2).types).toEqual(['float[*]', 'float[1, 2, 3, 4]']);
    expect(attention([x([1, 2, 3, 4]), x(), x()], 2).types).toEqual(['float[1, 2, 3, ?]', 'float[1, ?, ?, 4]']);
  });

  it('reports what does not fit', () => {
    const key = x([1, 2, 3, 4]);
    expect(attention([x([1, 2, 3]), key, key], 1, [2, 2]).codes).toEqual(['infer/attention']);
    expect(attention([x([1, 2]), key, key]).codes).toEqual(['infer/attention']);
    expect(attention([x([2, 2, 3, 4]), key, key]).codes).toEqual(['infer/attention']);
    expect(attention([x([1, 2, 3, 4]), key, x([1, 2, 5, 4])]).codes).toEqual(['infer/attention']);
    expect(attention([x([1, 2, 8]), x([1, 2, 8]), x([1, 2, 8])], 1, [-1, 0]).codes).toEqual(['infer/attention']);
    expect(attention([x([1, 2, 3, 4]), key, key, null, x([1, 2, 4]), x()]).codes).toEqual(['infer/attention']);
  });
});

describe('FlexAttention', () => {
  const flex = (...inputs: Given[]) => inferOne('FlexAttention', inputs, { domain: 'ai.onnx.preview' });

  it('has the heads and length of the queries and the size of the values', () => {
    expect(flex(x(['B', 8, 'S', 16]), x(['B', 2, 'T', 16]), x(['B', 2, 'T', 4])).types).toEqual(['float[B, 8, S, 4]']);
  });

  it('takes no packed heads', () => {
    expect(flex(x(['B', 'S', 16]), x(), x()).codes).toEqual(['infer/attention']);
  });
});
