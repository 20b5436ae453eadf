import { describe, expect, it } from 'vitest';
import { intAttribute } from '../../../../src/ir/attribute.js';
import { int64Tensor } from '../../../../src/ir/tensor.js';
import { type Given, inferOne, typed } from './infer_one.js';
import { inferSteps } from './infer_steps.js';

const concat = (axis: number | bigint, ...inputs: readonly Given[]) =>
  inferOne('Concat', inputs, { attributes: [intAttribute('axis', axis)] });

describe('Concat', () => {
  it('adds sizes up along its axis', () => {
    expect(concat(1, typed('float', ['N', 3]), typed('float', ['N', 'M'])).types).toEqual(['float[N, M + 3]']);
    expect(concat(-2, typed('float', [2, 3]), typed('float', [0, 3])).types).toEqual(['float[2, 3]']);
    expect(concat(0, typed('float', ['N'])).types).toEqual(['float[N]']);
  });

  it('knows the other axes as any input knows them', () => {
    expect(concat(1, typed('float', [null, 3]), typed('float', ['N', 2])).types).toEqual(['float[N, 5]']);
    expect(concat(1, typed('float', ['N', 3]), typed('float', [4, null])).types).toEqual(['float[4, ?]']);
    expect(concat(1, typed('float', ['N', 3]), typed('float')).types).toEqual(['float[N, ?]']);
    expect(concat(1, typed('float'), 'untyped').types).toEqual(['float[*]']);
    expect(concat(0, 'untyped', typed('float', [3])).types).toEqual(['float[?]']);
  });

  it('has axis 1 before 4 where none is given, and none later', () => {
    const inputs = [typed('float', [2, 3]), typed('float', [2, 4])];
    expect(inferOne('Concat', inputs, { opset: 3 }).types).toEqual(['float[2, 7]']);
    expect(inferOne('Concat', inputs, { opset: 4 }).types).toEqual(['float[*]']);
  });

  it('joins nothing where an input is empty and of rank 1 among others of a higher rank', () => {
    expect(concat(0, typed('float', [0]), typed('float', ['N', 3]))).toMatchObject({
      types: ['float[N, 3]'],
      codes: [],
    });
    expect(concat(0, typed('float', [0]), typed('float')).types).toEqual(['float[*]']);
  });

  it('reports ranks, axes and sizes that do not fit', () => {
    expect(concat(2, typed('float', [2, 3]))).toMatchObject({ types: ['float[*]'], codes: ['infer/axis'] });
    expect(concat(2n ** 62n, typed('float', [2, 3])).codes).toEqual(['infer/axis']);
    expect(concat(0, typed('float', [2, 3]), typed('float', [2])).codes).toEqual(['infer/axis']);
    expect(concat(0, typed('float', [2, 3]), typed('float', [2, 4]))).toMatchObject({
      types: ['float[*]'],
      codes: ['infer/concat'],
    });
  });

  it('joins elements, unknown ones too', () => {
    const steps = inferSteps({ x: typed('float', ['N', 4]), n: typed('int64', [1]), m: typed('int64', ['M']) }, [
      ['shape', 'Shape', ['x']],
      ['known', 'Concat', ['shape', int64Tensor([7])], [intAttribute('axis', 0)]],
      ['partly', 'Concat', ['n', 'shape'], [intAttribute('axis', -1)]],
      ['unknown', 'Concat', ['m', 'shape'], [intAttribute('axis', 0)]],
    ]);
    expect(steps.content('known')).toBe('N, 4, 7');
    expect(steps.content('partly')).toBe('?, N, 4');
    expect(steps.content('unknown')).toBeUndefined();
    expect(steps.type('unknown')).toBe('int64[M + 2]');
  });

  it('joins the elements of any axis', () => {
    const square = int64Tensor([1, 2, 3, 4], [2, 2]);
    expect(concat(1, square, int64Tensor([5, 6], [2, 1])).contents).toEqual(['1, 2, 5, 3, 4, 6']);
    expect(concat(0, square, int64Tensor([5, 6], [1, 2])).contents).toEqual(['1, 2, 3, 4, 5, 6']);
  });
});
