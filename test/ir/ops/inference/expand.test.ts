import { describe, expect, it } from 'vitest';
import { tensorAttribute } from '../../../../src/ir/attribute.js';
import { floatTensor, int64Tensor } from '../../../../src/ir/tensor.js';
import { inferOne, type Size, typed } from './infer_one.js';
import { inferSteps } from './infer_steps.js';

describe('Expand', () => {
  const expand = (sizes: readonly Size[] | undefined, ...target: readonly (number | bigint)[]) =>
    inferOne('Expand', [typed('float', sizes), int64Tensor(target)]);

  it('broadcasts to the shape asked for, in both directions', () => {
    expect(expand(['N', 1], 2, 1, 6).types).toEqual(['float[2, N, 6]']);
    expect(expand([3, 4], 1).types).toEqual(['float[3, 4]']);
    expect(expand([1], 0).types).toEqual(['float[0]']);
    expect(expand(['N'], 1).types).toEqual(['float[N]']);
  });

  it('knows what neither side can stretch', () => {
    expect(expand([null, 1], 5, 4).types).toEqual(['float[5, 4]']);
    expect(inferOne('Expand', [typed('float', [3, 1]), typed('int64', [3])]).types).toEqual(['float[?, 3, ?]']);
    expect(inferOne('Expand', [typed('float', [3, 1]), 'untyped']).types).toEqual(['float[*]']);
    expect(expand(undefined, 2, 3).types).toEqual(['float[*]']);
    expect(expand([1], -1).types).toEqual(['float[?]']);
  });

  it('reports what does not broadcast', () => {
    expect(expand([3], 4)).toMatchObject({ types: ['float[*]'], codes: ['infer/broadcast'] });
  });

  it('repeats elements', () => {
    expect(inferOne('Expand', [int64Tensor([1, 2], [2, 1]), int64Tensor([2, 2])]).contents).toEqual(['1, 1, 2, 2']);
    expect(inferOne('Expand', [int64Tensor([1], []), int64Tensor([2 ** 30])]).contents).toEqual([undefined]);
  });
});

describe('Tile', () => {
  it('multiplies sizes', () => {
    expect(inferOne('Tile', [typed('float', ['N', null]), int64Tensor([3, 2])]).types).toEqual(['float[3*N, ?]']);
    expect(inferOne('Tile', [typed('float', [null, 0]), int64Tensor([0, 2])]).types).toEqual(['float[0, 0]']);
    expect(inferOne('Tile', [typed('float', ['N', 0]), typed('int64', [2])]).types).toEqual(['float[?, 0]']);
    expect(inferOne('Tile', [typed('float'), typed('int64', [2])]).types).toEqual(['float[?, ?]']);
  });

  it('repeats one axis before 6', () => {
    const inputs = [typed('float', ['N', 4]), floatTensor([3], []), floatTensor([1], [])];
    expect(inferOne('Tile', inputs, { opset: 5 }).types).toEqual(['float[?, ?]']);
    expect(inferOne('Tile', [typed('float', ['N', 4]), 'untyped', 'untyped'], { opset: 1 }).types).toEqual([
      'float[?, ?]',
    ]);
  });

  it('reports repeats that do not fit', () => {
    for (const repeats of [[2], [1, -1]]) {
      expect(inferOne('Tile', [typed('float', [2, 3]), int64Tensor(repeats)])).toMatchObject({
        types: ['float[*]'],
        codes: ['infer/tile'],
      });
    }
    expect(inferOne('Tile', [typed('float', [2 ** 40]), int64Tensor([2 ** 40])]).types).toEqual(['float[?]']);
  });

  it('repeats elements', () => {
    expect(inferOne('Tile', [int64Tensor([1, 2]), int64Tensor([2])]).contents).toEqual(['1, 2, 1, 2']);
    expect(inferOne('Tile', [int64Tensor([1, 2], [2, 1]), int64Tensor([1, 2])]).contents).toEqual(['1, 1, 2, 2']);
  });
});

describe('ConstantOfShape', () => {
  const ofValue = (value: number) => ({ attributes: [tensorAttribute('value', int64Tensor([value]))] });

  it('has the shape that its input gives, of floats unless its value is other', () => {
    expect(inferOne('ConstantOfShape', [int64Tensor([2, 0])]).types).toEqual(['float[2, 0]']);
    expect(inferOne('ConstantOfShape', [int64Tensor([])]).types).toEqual(['float[]']);
    expect(inferOne('ConstantOfShape', [typed('int64', [2])], ofValue(1)).types).toEqual(['int64[?, ?]']);
    expect(inferOne('ConstantOfShape', [typed('int64', ['N'])]).types).toEqual(['float[*]']);
  });

  it('is filled with its value', () => {
    expect(inferOne('ConstantOfShape', [int64Tensor([3])], ofValue(-1)).contents).toEqual(['-1, -1, -1']);
    expect(inferOne('ConstantOfShape', [int64Tensor([2 ** 40])], ofValue(1)).contents).toEqual([undefined]);
    const floats = { attributes: [tensorAttribute('value', floatTensor([1]))] };
    expect(inferOne('ConstantOfShape', [int64Tensor([1])], floats)).toMatchObject({
      types: ['float[1]'],
      contents: [undefined],
    });
  });

  it('reports a size below 0', () => {
    expect(inferOne('ConstantOfShape', [int64Tensor([2, -1])])).toMatchObject({
      types: ['float[*]'],
      codes: ['infer/negative-size'],
    });
  });
});

describe('the shape that PyTorch expands to', () => {
  it('is found behind its −1', () => {
    const steps = inferSteps({ x: typed('float', [1, 'N']) }, [
      ['shape', 'Shape', ['x']],
      ['ones', 'ConstantOfShape', [int64Tensor([2])], [tensorAttribute('value', int64Tensor([1]))]],
      ['minus', 'Mul', ['ones', int64Tensor([-1])]],
      ['isMinus', 'Equal', [int64Tensor([4, -1]), 'minus']],
      ['target', 'Where', ['isMinus', 'ones', int64Tensor([4, -1])]],
      ['y', 'Expand', ['x', 'target']],
    ]);
    expect(steps.content('target')).toBe('4, 1');
    expect(steps.type('y')).toBe('float[4, N]');
  });
});
