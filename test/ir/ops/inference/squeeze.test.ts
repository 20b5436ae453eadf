import { describe, expect, it } from 'vitest';
import { intsAttribute } from '../../../../src/ir/attribute.js';
import { int64Tensor } from '../../../../src/ir/tensor.js';
import { inferOne, type Size, typed } from './infer_one.js';

const withAxes = (opType: string, sizes: readonly Size[] | undefined, ...axes: readonly (number | bigint)[]) =>
  inferOne(opType, [typed('float', sizes), int64Tensor(axes)]);

describe('Squeeze', () => {
  it('takes axes out, counted from either end', () => {
    expect(withAxes('Squeeze', [1, 'N', 1, 4], 0, -2).types).toEqual(['float[N, 4]']);
    expect(withAxes('Squeeze', ['N', null, 4], 1).types).toEqual(['float[N, 4]']);
    expect(withAxes('Squeeze', [1, 4], 0, -2).types).toEqual(['float[4]']);
  });

  it('has its axes as an attribute before 13', () => {
    const old = (sizes: readonly Size[]) =>
      inferOne('Squeeze', [typed('float', sizes)], { opset: 12, attributes: [intsAttribute('axes', [1])] });
    expect(old(['N', 1, 4]).types).toEqual(['float[N, 4]']);
  });

  it('without axes takes out every 1, where sizes tell which those are', () => {
    expect(inferOne('Squeeze', [typed('float', [1, 3, 1, 0])]).types).toEqual(['float[3, 0]']);
    expect(inferOne('Squeeze', [typed('float', [1, 'N'])]).types).toEqual(['float[*]']);
    expect(inferOne('Squeeze', [typed('float', [1, null])], { opset: 11 }).types).toEqual(['float[*]']);
    expect(withAxes('Squeeze', [3, 1]).types).toEqual(['float[*]']);
    expect(withAxes('Squeeze', [3, 2]).types).toEqual(['float[3, 2]']);
  });

  it('knows how many axes stay where it knows how many go', () => {
    expect(inferOne('Squeeze', [typed('float', [1, 2, 3]), typed('int64', [1])]).types).toEqual(['float[?, ?]']);
    expect(inferOne('Squeeze', [typed('float', [1, 2, 3]), typed('int64')]).types).toEqual(['float[*]']);
    expect(inferOne('Squeeze', [typed('float'), int64Tensor([0])]).types).toEqual(['float[*]']);
  });

  it('reports axes that do not exist or are not 1', () => {
    for (const axes of [[3], [-4], [1], [2n ** 62n]]) {
      expect(withAxes('Squeeze', [1, 2, 1], ...axes)).toMatchObject({ types: ['float[*]'], codes: ['infer/axis'] });
    }
  });

  it('keeps the elements', () => {
    expect(inferOne('Squeeze', [int64Tensor([7]), int64Tensor([0])])).toMatchObject({
      types: ['int64[]'],
      contents: ['7'],
    });
  });
});

describe('Unsqueeze', () => {
  it('puts axes in where the result has them', () => {
    expect(withAxes('Unsqueeze', ['N', 4], 0, -1).types).toEqual(['float[1, N, 4, 1]']);
    expect(withAxes('Unsqueeze', ['N', null], 1).types).toEqual(['float[N, 1, ?]']);
    expect(withAxes('Unsqueeze', [3]).types).toEqual(['float[3]']);
    const attributes = [intsAttribute('axes', [0, 2])];
    expect(inferOne('Unsqueeze', [typed('float', ['N'])], { opset: 11, attributes }).types).toEqual(['float[1, N, 1]']);
  });

  it('knows the rank where it knows how many axes come', () => {
    expect(inferOne('Unsqueeze', [typed('float', [2]), typed('int64', [2])]).types).toEqual(['float[?, ?, ?]']);
    expect(inferOne('Unsqueeze', [typed('float', []), typed('int64', [2])]).types).toEqual(['float[1, 1]']);
    expect(inferOne('Unsqueeze', [typed('float', []), typed('int64', [2 ** 40])]).types).toEqual(['float[*]']);
    expect(inferOne('Unsqueeze', [typed('float'), int64Tensor([0])]).types).toEqual(['float[*]']);
  });

  it('reports axes that do not exist or stand twice', () => {
    for (const axes of [[3], [-4], [0, 0], [0, -4], [2n ** 62n]]) {
      expect(withAxes('Unsqueeze', [2, 3], ...axes)).toMatchObject({ types: ['float[*]'], codes: ['infer/axis'] });
    }
  });

  it('keeps the elements', () => {
    expect(inferOne('Unsqueeze', [int64Tensor([7], []), int64Tensor([0])])).toMatchObject({
      types: ['int64[1]'],
      contents: ['7'],
    });
  });
});
