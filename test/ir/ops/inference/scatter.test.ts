import { describe, expect, it } from 'vitest';
import { intAttribute, stringAttribute } from '../../../../src/ir/attribute.js';
import { int64Tensor } from '../../../../src/ir/tensor.js';
import { inferOne, typed } from './infer_one.js';
import { inferSteps } from './infer_steps.js';

describe('operators that scatter', () => {
  const data = typed('float', ['N', null]);

  it('keep the shape of the data', () => {
    for (const opType of ['Scatter', 'ScatterElements']) {
      const inputs = [data, typed('int64', [2, 2]), typed('float', [2, 2])];
      expect(inferOne(opType, inputs, { opset: 11 }).types).toEqual(['float[N, ?]']);
    }
    expect(inferOne('ScatterND', [data, typed('int64', ['M', 1]), 'untyped']).types).toEqual(['float[N, ?]']);
    expect(inferOne('ScatterND', [typed('float'), 'untyped', 'untyped']).types).toEqual(['float[*]']);
  });

  it('report ranks, axes and depths that do not fit', () => {
    const failed = { types: ['float[*]'], codes: ['infer/axis'] };
    expect(inferOne('ScatterElements', [data, typed('int64', [2]), 'untyped'])).toMatchObject(failed);
    const attributes = [intAttribute('axis', 2n ** 62n)];
    expect(inferOne('ScatterElements', [data, 'untyped', 'untyped'], { attributes })).toMatchObject(failed);
    expect(inferOne('ScatterND', [data, typed('int64', [4, 3]), 'untyped'])).toMatchObject(failed);
    expect(inferOne('ScatterND', [data, typed('int64', []), 'untyped'])).toMatchObject(failed);
  });

  it('replace elements', () => {
    const steps = inferSteps({ x: typed('float', ['N', 4, 'M']), i: typed('int64', [1, 1]) }, [
      ['shape', 'Shape', ['x']],
      ['one', 'ScatterND', ['shape', int64Tensor([-2], [1, 1]), int64Tensor([1])]],
      ['two', 'ScatterElements', ['shape', int64Tensor([0, 1]), int64Tensor([8, 9])]],
      ['any', 'ScatterND', ['shape', 'i', int64Tensor([1])]],
    ]);
    expect(steps.content('one')).toBe('N, 1, M');
    expect(steps.content('two')).toBe('8, 9, M');
    expect(steps.content('any')).toBeUndefined();
  });

  it('leave open what is written twice or reduced', () => {
    const into = (opType: string, indices: readonly number[], dims: readonly number[], reduction: string) =>
      inferOne(opType, [int64Tensor([1, 2, 3]), int64Tensor(indices, dims), int64Tensor([8, 9])], {
        attributes: [stringAttribute('reduction', reduction)],
      }).contents[0];
    expect(into('ScatterND', [0, 0], [2, 1], 'none')).toBe('?, 2, 3');
    expect(into('ScatterElements', [0, -1], [2], 'add')).toBe('?, 2, ?');
    expect(into('ScatterElements', [0, 5], [2], 'none')).toBeUndefined();
  });
});
