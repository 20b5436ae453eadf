import { describe, expect, it } from 'vitest';
import { intAttribute, intsAttribute } from '../../../../src/ir/attribute.js';
import { int64Tensor } from '../../../../src/ir/tensor.js';
import { inferOne, type Size, typed } from './infer_one.js';

const perm = (...axes: readonly (number | bigint)[]) => ({ attributes: [intsAttribute('perm', axes)] });

describe('Transpose', () => {
  it('puts axes in the order of perm, or reverses them', () => {
    expect(inferOne('Transpose', [typed('float', ['N', 3, null])], perm(2, 0, 1)).types).toEqual(['float[?, N, 3]']);
    expect(inferOne('Transpose', [typed('float', ['N', 3, 4])]).types).toEqual(['float[4, 3, N]']);
    expect(inferOne('Transpose', [typed('float', [])]).types).toEqual(['float[]']);
  });

  it('knows the rank by perm alone', () => {
    expect(inferOne('Transpose', [typed('float')], perm(1, 0)).types).toEqual(['float[?, ?]']);
    expect(inferOne('Transpose', [typed('float')]).types).toEqual(['float[*]']);
  });

  it('reports what is no permutation of its axes', () => {
    for (const axes of [[0, 0], [0, 2], [-1, 0], [0, 1, 2], [0], [0, 2n ** 62n]]) {
      expect(inferOne('Transpose', [typed('float', [2, 3])], perm(...axes))).toMatchObject({
        types: ['float[*]'],
        codes: ['infer/axis'],
      });
    }
  });

  it('moves the elements', () => {
    const input = int64Tensor([1, 2, 3, 4, 5, 6], [1, 2, 3]);
    expect(inferOne('Transpose', [input], perm(2, 0, 1)).contents).toEqual(['1, 4, 2, 5, 3, 6']);
    expect(inferOne('Transpose', [input], perm(1, 2, 0)).contents).toEqual(['1, 2, 3, 4, 5, 6']);
  });
});

describe('DepthToSpace and SpaceToDepth', () => {
  const moved = (opType: string, sizes: readonly Size[] | undefined, block: number | bigint) =>
    inferOne(opType, [typed('float', sizes)], { attributes: [intAttribute('blocksize', block)] });

  it('trade the depth for height and width', () => {
    expect(moved('DepthToSpace', ['N', 12, 'H', 5], 2).types).toEqual(['float[N, 3, 2*H, 10]']);
    expect(moved('DepthToSpace', ['N', 'C', null, 5], 2).types).toEqual(['float[N, floor(C/4), ?, 10]']);
    expect(moved('SpaceToDepth', ['N', 3, 'H', 6], 2).types).toEqual(['float[N, 12, floor(H/2), 3]']);
    expect(moved('SpaceToDepth', undefined, 2).types).toEqual(['float[?, ?, ?, ?]']);
  });

  it('report what has no whole number of blocks', () => {
    expect(moved('DepthToSpace', [1, 6, 2, 2], 2)).toMatchObject({ types: ['float[*]'], codes: ['infer/block'] });
    expect(moved('SpaceToDepth', [1, 3, 5, 4], 2).codes).toEqual(['infer/block']);
    expect(moved('SpaceToDepth', [1, 3, 4], 2).codes).toEqual(['infer/rank']);
    for (const block of [0, -2]) expect(moved('SpaceToDepth', [1, 3, 4, 4], block).codes).toEqual(['infer/block']);
    expect(moved('DepthToSpace', ['N', 'C', 'H', 'W'], 2n ** 62n).codes).toEqual([]);
    expect(inferOne('DepthToSpace', [typed('float', ['N', 4, 1, 1])]).types).toEqual(['float[N, ?, ?, ?]']);
  });
});
