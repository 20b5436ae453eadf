import { describe, expect, it } from 'vitest';
import { inferOne, type Size, typed } from './infer_one.js';

const x = (sizes?: readonly Size[]) => typed('float', sizes);
const domain = 'com.microsoft';

describe('fused elementwise operators', () => {
  it('have the shape of their data', () => {
    for (const opType of ['BiasAdd', 'BiasSoftmax', 'GatedAdd']) {
      expect(inferOne(opType, [x(['N', 4]), x([4])], { domain }).types).toEqual(['float[N, 4]']);
    }
    expect(inferOne('RotaryEmbedding', [x(['N', 4])], { domain }).types).toEqual(['float[N, 4]']);
    expect(inferOne('BiasDropout', [x(['N', 4]), x([4])], { domain, outputs: 2 }).types).toEqual([
      'float[N, 4]',
      'bool[N, 4]',
    ]);
  });

  it('halve the last axis where one half gates the other', () => {
    const halves = (sizes?: readonly Size[]) => inferOne('BiasSplitGelu', [x(sizes)], { domain });
    expect(halves(['N', 8]).types).toEqual(['float[N, 4]']);
    expect(halves().types).toEqual(['float[*]']);
    expect(halves(['N', 7]).codes).toEqual(['infer/halves']);
    expect(halves([]).codes).toEqual(['infer/halves']);
  });
});
