import { describe, expect, it } from 'vitest';
import { type Attribute, intAttribute, intsAttribute } from '../../../../src/ir/attribute.js';
import { type Given, inferOne, type Size, typed } from './infer_one.js';

const x = (sizes?: readonly Size[]) => typed('float', sizes);
const heads = intAttribute('num_heads', 4);
const attention = (inputs: readonly Given[], attributes: readonly Attribute[] = [heads], opType = 'Attention') =>
  inferOne(opType, inputs, { domain: 'com.microsoft', outputs: 2, attributes });

describe('attention that projects its input', () => {
  it('has a third of what weights and bias have', () => {
    expect(attention([x(['B', 'S', 32]), x([32, 192]), x([192])]).types).toEqual([
      'float[B, S, 64]',
      'float[2, B, 4, S, 16]',
    ]);
    expect(attention([x(['B', 'S', 32]), x([32, 'H'])]).types[0]).toBe('float[B, S, floor(H/3)]');
    expect(attention([x(), x([32, 192])]).types).toEqual(['float[*]', 'float[2, ?, 4, ?, 16]']);
  });

  it('has the hidden size of the values where it is told', () => {
    const sizes = [heads, intsAttribute('qkv_hidden_sizes', [64, 64, 32])];
    expect(attention([x(['B', 'S', 32]), x([32, 160]), x([160])], sizes).types).toEqual([
      'float[B, S, 32]',
      'float[2, B, 4, S, ?]',
    ]);
  });

  it('puts keys and values behind those of before', () => {
    const given = [x(['B', 'S', 32]), x([32, 192]), x([192]), null, x([2, 'B', 4, 'P', 16])];
    expect(attention(given).types[1]).toBe('float[2, B, 4, P + S, 16]');
    expect(attention(given, [heads, intAttribute('past_present_share_buffer', 1)]).types[1]).toBe(
      'float[2, B, 4, ?, 16]',
    );
    expect(attention([x(['B', 'S', 32]), x([32, 192]), x([192]), null, 'untyped']).types[1]).toBe(
      'float[?, ?, ?, ?, ?]',
    );
  });

  it('has the type of the bias where the input is quantized', () => {
    const bytes = (sizes: readonly Size[]) => typed('uint8', sizes);
    expect(attention([bytes(['B', 'S', 32]), bytes([32, 192]), x([192])], [heads], 'QAttention').types[0]).toBe(
      'float[B, S, 64]',
    );
  });

  it('reports what does not fit', () => {
    expect(attention([x([2, 32]), x([32, 192])]).codes).toEqual(['infer/attention']);
    expect(attention([x([1, 2, 32]), x([32, 191])]).codes).toEqual(['infer/attention']);
    expect(attention([x([1, 2, 32]), x([32, 192]), x([96])]).codes).toEqual(['infer/attention']);
    expect(attention([x([1, 2, 32]), x()], [intAttribute('num_heads', -4)]).codes).toEqual(['infer/attention']);
    expect(attention([x([1, 2, 32]), x()], [heads, intsAttribute('qkv_hidden_sizes', [1])]).codes).toEqual([
      'infer/attention',
    ]);
  });

  it('keeps the number of packed tokens', () => {
    const options = { domain: 'com.microsoft', attributes: [heads] };
    expect(inferOne('PackedAttention', [x(['T', 32]), x([32, 192]), x([192])], options).types).toEqual([
      'float[T, 64]',
    ]);
    expect(inferOne('PackedAttention', [x([1, 2, 32]), x([32, 192])], options).codes).toEqual(['infer/attention']);
    expect(inferOne('LongformerAttention', [x(['B', 'S', 32])], options).types).toEqual(['float[B, S, 32]']);
  });
});
