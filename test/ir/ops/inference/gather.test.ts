import { describe, expect, it } from 'vitest';
import { intAttribute } from '../../../../src/ir/attribute.js';
import { int64Tensor } from '../../../../src/ir/tensor.js';
import { inferOne, typed } from './infer_one.js';
import { inferSteps } from './infer_steps.js';

const axis = (value: number | bigint) => ({ attributes: [intAttribute('axis', value)] });

describe('Gather', () => {
  it('puts the axes of the indices in place of its axis', () => {
    const data = typed('float', ['N', 5, 6]);
    expect(inferOne('Gather', [data, typed('int64', ['M', 2])], axis(-2)).types).toEqual(['float[N, M, 2, 6]']);
    expect(inferOne('Gather', [data, typed('int64', [])]).types).toEqual(['float[5, 6]']);
    expect(inferOne('Gather', [data, typed('int64', [null])]).types).toEqual(['float[?, 5, 6]']);
  });

  it('knows no shape where a rank is unknown', () => {
    expect(inferOne('Gather', [typed('float', [2, 3]), typed('int64')]).types).toEqual(['float[*]']);
    expect(inferOne('Gather', [typed('float'), typed('int64', [2])]).types).toEqual(['float[*]']);
  });

  it('reports an axis that does not exist', () => {
    for (const wrong of [2, -3, 2n ** 62n]) {
      expect(inferOne('Gather', [typed('float', [2, 3]), 'untyped'], axis(wrong))).toMatchObject({
        types: ['float[*]'],
        codes: ['infer/axis'],
      });
    }
    expect(inferOne('Gather', [typed('float', []), typed('int64', [])]).codes).toEqual(['infer/axis']);
  });

  it('takes elements, those it knows', () => {
    const steps = inferSteps({ x: typed('float', ['N', null, 4]), i: typed('int64', []) }, [
      ['shape', 'Shape', ['x']],
      ['first', 'Gather', ['shape', int64Tensor([0], [])]],
      ['some', 'Gather', ['shape', int64Tensor([-1, 1, 0])]],
      ['outside', 'Gather', ['shape', int64Tensor([3, 0])]],
      ['any', 'Gather', ['shape', 'i']],
    ]);
    expect(steps.content('first')).toBe('N');
    expect(steps.content('some')).toBe('4, ?, N');
    expect(steps.content('outside')).toBe('?, N');
    expect(steps.content('any')).toBeUndefined();
  });

  it('takes elements along any axis', () => {
    const rows = int64Tensor([1, 2, 3, 4, 5, 6], [2, 3]);
    expect(inferOne('Gather', [rows, int64Tensor([2, 0])], axis(1)).contents).toEqual(['3, 1, 6, 4']);
    expect(inferOne('Gather', [rows, int64Tensor([1], [1, 1])])).toMatchObject({
      types: ['int64[1, 1, 3]'],
      contents: ['4, 5, 6'],
    });
  });
});

describe('GatherElements', () => {
  it('has the shape of the indices', () => {
    expect(inferOne('GatherElements', [typed('float', [5, 5]), typed('int64', ['N', 2])]).types).toEqual([
      'float[N, 2]',
    ]);
    expect(inferOne('GatherElements', [typed('float', [5, 5]), 'untyped']).types).toEqual(['float[?, ?]']);
  });

  it('reports ranks that differ and axes that do not exist', () => {
    const inputs = [typed('float', [5, 5]), typed('int64', [2])];
    expect(inferOne('GatherElements', inputs)).toMatchObject({ types: ['float[*]'], codes: ['infer/axis'] });
    expect(inferOne('GatherElements', [typed('float', [5]), 'untyped'], axis(1)).codes).toEqual(['infer/axis']);
  });

  it('takes elements from the place of their index', () => {
    const rows = int64Tensor([1, 2, 3, 4], [2, 2]);
    const indices = int64Tensor([0, 0, 1, -2], [2, 2]);
    expect(inferOne('GatherElements', [rows, indices], axis(1)).contents).toEqual(['1, 1, 4, 3']);
  });
});

describe('GatherND', () => {
  const batch = (value: number | bigint) => ({ attributes: [intAttribute('batch_dims', value)] });

  it('replaces the axes that an index names', () => {
    const data = typed('float', ['N', 3, 4]);
    expect(inferOne('GatherND', [data, typed('int64', ['M', 2])]).types).toEqual(['float[M, 4]']);
    expect(inferOne('GatherND', [data, typed('int64', ['M', 7, 1])], batch(1)).types[0]).toBe('float[M, 7, 4]');
    expect(inferOne('GatherND', [data, typed('int64', ['M', null])]).types).toEqual(['float[*]']);
    expect(inferOne('GatherND', [data, 'untyped']).types).toEqual(['float[*]']);
  });

  it('reports indices that are too deep, and batches that do not fit', () => {
    const data = typed('float', [2, 3]);
    expect(inferOne('GatherND', [data, typed('int64', [5, 3])])).toMatchObject({
      types: ['float[*]'],
      codes: ['infer/axis'],
    });
    expect(inferOne('GatherND', [data, typed('int64', [])]).codes).toEqual(['infer/axis']);
    expect(inferOne('GatherND', [data, typed('int64', [5, 1])], batch(1)).codes).toEqual(['infer/axis']);
    for (const wrong of [-1, 2, 2n ** 62n]) {
      expect(inferOne('GatherND', [data, typed('int64', [2, 1])], batch(wrong)).codes).toEqual(['infer/axis']);
    }
  });

  it('takes elements', () => {
    const rows = int64Tensor([1, 2, 3, 4], [2, 2]);
    expect(inferOne('GatherND', [rows, int64Tensor([0, 1, -1, 0], [2, 2])]).contents).toEqual(['2, 3']);
    expect(inferOne('GatherND', [rows, int64Tensor([1], [1, 1])]).contents).toEqual(['3, 4']);
    expect(inferOne('GatherND', [rows, int64Tensor([1, 0], [2, 1])], batch(1)).contents).toEqual(['2, 3']);
  });
});
