import { describe, expect, it } from 'vitest';
import { type Attribute, intAttribute } from '../../../../src/ir/attribute.js';
import { type Tensor, tensorFromData } from '../../../../src/ir/tensor.js';
import { type Given, inferOne, type Size, typed } from './infer_one.js';

const x = (sizes?: readonly Size[]) => typed('float', sizes);
const ints = (sizes?: readonly Size[]) => typed('int32', sizes);
const scalar = (value: number): Tensor => tensorFromData('int32', [], Int32Array.of(value));
const fused = (opType: string, inputs: readonly Given[], outputs: number, attributes: readonly Attribute[]) =>
  inferOne(opType, inputs, { domain: 'com.microsoft', outputs, attributes });

describe('MultiHeadAttention', () => {
  const attention = (inputs: readonly Given[], outputs = 1, heads = 4) =>
    fused('MultiHeadAttention', inputs, outputs, [intAttribute('num_heads', heads)]);

  it('has the hidden size of the values, in whatever form they come', () => {
    const query = x(['B', 'S', 64]);
    expect(attention([query, x(['B', 'T', 64]), x(['B', 'T', 32])]).types).toEqual(['float[B, S, 32]']);
    expect(attention([query, x(['B', 4, 'T', 16]), x(['B', 4, 'T', 16])]).types).toEqual(['float[B, S, 64]']);
    expect(attention([query, x(['B', 'T', 4, 2, 16])]).types).toEqual(['float[B, S, 64]']);
    expect(attention([x(['B', 'S', 4, 3, 16])]).types).toEqual(['float[B, S, 64]']);
    expect(attention([query, x(), null]).types).toEqual(['float[B, S, ?]']);
  });

  it('gives keys and values, behind those of before', () => {
    const given = [x(['B', 'S', 64]), x(['B', 'T', 64]), x(['B', 'T', 32])];
    expect(attention(given, 3).types).toEqual(['float[B, S, 32]', 'float[B, 4, T, 16]', 'float[B, 4, T, 8]']);
    const past = [null, null, null, x(['B', 4, 'P', 16]), x(['B', 4, 'P', 8])];
    expect(attention([...given, ...past], 4).types).toEqual([
      'float[B, S, 32]',
      'float[B, 4, P + T, 16]',
      'float[B, 4, P + T, 8]',
      '?[B, 4, S, ?]',
    ]);
  });

  it('does not know the length of a shared buffer', () => {
    const given = [x([1, 1, 8]), x([1, 1, 8]), x([1, 1, 8]), null, null, null, x([1, 4, 9, 2]), x([1, 4, 9, 2])];
    expect(attention([...given, ints([1])], 2).types[1]).toBe('float[1, 4, ?, 2]');
  });

  it('reports what does not fit', () => {
    expect(attention([x([1, 8])]).codes).toEqual(['infer/attention']);
    expect(attention([x([1, 2, 8]), x(), x([8])]).codes).toEqual(['infer/attention']);
    expect(attention([x([1, 2, 8])], 1, -1).codes).toEqual(['infer/attention']);
  });
});

describe('GroupQueryAttention', () => {
  const attention = (inputs: readonly Given[], outputs = 1, more: readonly Attribute[] = []) => {
    const heads = [intAttribute('num_heads', 8), intAttribute('kv_num_heads', 2)];
    return fused('GroupQueryAttention', inputs, outputs, [...heads, ...more]);
  };
  const keys = x(['B', 'S', 32]);
  const past = x(['B', 2, 'P', 16]);

  it('has the shape of the queries, or their part of what is packed', () => {
    expect(attention([x(['B', 'S', 128]), keys, keys, null, null, ints(), ints([])]).types).toEqual([
      'float[B, S, 128]',
    ]);
    expect(attention([x(['B', 'S', 192]), null, null, null, null, ints(), ints([])]).types).toEqual([
      'float[B, S, 128]',
    ]);
  });

  it('grows the buffer to the longest sequence', () => {
    const given = [x(['B', 'S', 128]), keys, keys, past, past, ints()];
    expect(attention([...given, scalar(7)], 4).types).toEqual([
      'float[B, S, 128]',
      'float[B, 2, max(P, 7), 16]',
      'float[B, 2, max(P, 7), 16]',
      'float[B, 8, S, 7]',
    ]);
    expect(attention([...given, ints([])], 2).types[1]).toBe('float[B, 2, ?, 16]');
    expect(attention([...given, ints([])], 2, [intAttribute('sliding_window_cache', 1)]).types[1]).toBe(
      'float[B, 2, P, 16]',
    );
  });

  it('makes the buffer where there is none before', () => {
    const given = [x(['B', 'S', 192]), null, null, null, null, ints(), scalar(7)];
    expect(attention(given, 2).types).toEqual(['float[B, S, 128]', 'float[B, 2, 7, 16]']);
  });

  it('reports heads that do not divide the queries', () => {
    expect(attention([x([1, 2, 100]), keys, keys]).codes).toEqual(['infer/attention']);
    expect(attention([x([1, 2]), keys, keys]).codes).toEqual(['infer/attention']);
    const none = [intAttribute('num_heads', 0), intAttribute('kv_num_heads', 0)];
    expect(fused('GroupQueryAttention', [x([1, 2, 8])], 1, none).codes).toEqual(['infer/attention']);
  });
});

describe('attention on packed or sparse sequences', () => {
  it('keeps the number of tokens', () => {
    const attributes = [intAttribute('num_heads', 4)];
    expect(fused('PackedMultiHeadAttention', [x(['T', 4, 3, 16])], 1, attributes).types).toEqual(['float[T, 64]']);
    const given = [x(['T', 64]), x(['T', 64]), x(['T', 32])];
    expect(fused('PackedMultiHeadAttention', given, 1, attributes).types).toEqual(['float[T, 32]']);
  });

  it('keeps its buffers', () => {
    const attributes = [intAttribute('num_heads', 2), intAttribute('kv_num_heads', 1)];
    const past = x(['B', 1, 'P', 4]);
    expect(fused('SparseAttention', [x(['B', 'S', 16]), null, null, past, past], 3, attributes).types).toEqual([
      'float[B, S, 8]',
      'float[B, 1, P, 4]',
      'float[B, 1, P, 4]',
    ]);
  });
});
