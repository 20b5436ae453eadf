import { describe, expect, it } from 'vitest';
import { intAttribute } from '../../../../src/ir/attribute.js';
import { int64Tensor } from '../../../../src/ir/tensor.js';
import { type Given, inferOne, type Size, typed } from './infer_one.js';

const x = (sizes?: readonly Size[]) => typed('float', sizes);
const infer = (opType: string, inputs: readonly Given[], outputs = 1, heads = 4) =>
  inferOne(opType, inputs, { domain: 'com.microsoft', outputs, attributes: [intAttribute('num_heads', heads)] });

describe('padding of sequences', () => {
  it('is removed, so that nobody knows how many tokens are left', () => {
    expect(infer('RemovePadding', [x(['B', 'S', 8])], 4).types).toEqual([
      'float[?, 8]',
      'int32[B, S]',
      'int32[B + 1]',
      'int32[1]',
    ]);
    expect(infer('RemovePadding', [x([2, 3])]).codes).toEqual(['infer/rank']);
  });

  it('is put back', () => {
    expect(infer('RestorePadding', [x(['T', 8]), typed('int32', ['B', 'S'])]).types).toEqual(['float[B, S, 8]']);
    expect(infer('RestorePadding', [x(['T', 8]), typed('int32', [1, 2, 3])]).codes).toEqual(['infer/rank']);
  });
});

describe('bias by position', () => {
  it('has the lengths it is given', () => {
    const lengths = [int64Tensor([5]), typed('int64', [1])];
    expect(infer('RelativePositionBias', [x([32, 'H']), ...lengths]).types).toEqual(['float[1, H, 5, ?]']);
  });

  it('has the length of the queries twice', () => {
    expect(infer('GatedRelativePositionBias', [x(['B', 'S', 8])]).types).toEqual(['float[B, 4, S, S]']);
    expect(infer('GatedRelativePositionBias', [x(['T', 8])]).types).toEqual(['float[*]']);
    expect(infer('GatedRelativePositionBias', [x()], 1, 0).codes).toEqual(['infer/heads']);
  });
});
