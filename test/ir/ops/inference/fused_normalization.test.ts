import { describe, expect, it } from 'vitest';
import { inferOne, type Size, typed } from './infer_one.js';

const x = (sizes?: readonly Size[]) => typed('float', sizes);
const half = (sizes?: readonly Size[]) => typed('float16', sizes);
const ids = (sizes?: readonly Size[]) => typed('int32', sizes);
const domain = 'com.microsoft';

describe('SkipLayerNormalization', () => {
  it('keeps the shape, to which the other operand stretches', () => {
    const given = [half(['B', 'S', 8]), half([1, 'S', 8]), half([8])];
    expect(inferOne('SkipLayerNormalization', given, { domain, outputs: 4 }).types).toEqual([
      'float16[B, S, 8]',
      'float[B, S, 1]',
      'float[B, S, 1]',
      'float16[B, S, 8]',
    ]);
    expect(inferOne('SkipSimplifiedLayerNormalization', [half(), half([8])], { domain, outputs: 2 }).types).toEqual([
      'float16[*]',
      'float[*]',
    ]);
  });
});

describe('EmbedLayerNormalization', () => {
  it('adds the hidden size of its tables', () => {
    const given = [ids(['B', 'S']), ids(['B', 'S']), half([100, 8]), half([10, null]), null, half([8]), half([8])];
    expect(inferOne('EmbedLayerNormalization', given, { domain, outputs: 3 }).types).toEqual([
      'float16[B, S, 8]',
      'int32[B]',
      'float16[B, S, 8]',
    ]);
    expect(inferOne('EmbedLayerNormalization', [ids(), null, x([100, 8]), x()], { domain }).types).toEqual([
      'float[?, ?, 8]',
    ]);
  });

  it('reports tables that do not fit each other', () => {
    const given = [ids([2, 3]), null, x([100, 8]), x([10, 9])];
    expect(inferOne('EmbedLayerNormalization', given, { domain }).codes).toEqual(['infer/embedding']);
    expect(inferOne('EmbedLayerNormalization', [ids([2]), null, x(), x()], { domain }).codes).toEqual([
      'infer/embedding',
    ]);
  });

  it('has the type of the scale where its tables are quantized', () => {
    const bytes = (sizes: readonly Size[]) => typed('uint8', sizes);
    const given = [ids([2, 3]), null, bytes([9, 8]), bytes([9, 8]), null, bytes([8]), bytes([8]), null, x([])];
    expect(inferOne('QEmbedLayerNormalization', given, { domain, outputs: 2 }).types).toEqual([
      'float[2, 3, 8]',
      'int32[2]',
    ]);
  });
});

describe('GroupNorm', () => {
  it('keeps the shape', () => {
    const given = [half(['N', 'H', 'W', 8]), x([8]), x([8]), half([1, 1, 8])];
    expect(inferOne('GroupNorm', given.slice(0, 3), { domain }).types).toEqual(['float16[N, H, W, 8]']);
    expect(inferOne('SkipGroupNorm', given, { domain, outputs: 2 }).types).toEqual([
      'float16[N, H, W, 8]',
      'float16[N, H, W, 8]',
    ]);
  });
});
