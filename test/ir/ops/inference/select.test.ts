import { describe, expect, it } from 'vitest';
import { intAttribute } from '../../../../src/ir/attribute.js';
import { int64Tensor, type Tensor, tensorFromData } from '../../../../src/ir/tensor.js';
import { inferOne, typed } from './infer_one.js';
import { inferSteps } from './infer_steps.js';

const axis = (value: number | bigint) => ({ attributes: [intAttribute('axis', value)] });
const bools = (...values: readonly number[]): Tensor =>
  tensorFromData('bool', [values.length], Uint8Array.from(values));

describe('Compress', () => {
  const x = typed('float', ['N', 4]);

  it('keeps the other axes, or none', () => {
    expect(inferOne('Compress', [x, typed('bool', [3])], axis(-1)).types).toEqual(['float[N, ?]']);
    expect(inferOne('Compress', [x, typed('bool', [3])]).types).toEqual(['float[?]']);
    expect(inferOne('Compress', [typed('float'), bools(1)], axis(0)).types).toEqual(['float[*]']);
  });

  it('counts a condition that is known, if the axis reaches as far', () => {
    expect(inferOne('Compress', [x, bools(1, 0, 1)], axis(1)).types).toEqual(['float[N, 2]']);
    expect(inferOne('Compress', [x, bools(0, 1, 0)], axis(0)).types).toEqual(['float[?, 4]']);
    expect(inferOne('Compress', [x, bools(0, 0)], axis(0)).types).toEqual(['float[0, 4]']);
    expect(inferOne('Compress', [typed('float', [2, 2]), bools(0, 1, 1)]).types).toEqual(['float[2]']);
    expect(inferOne('Compress', [typed('float', [2]), bools(0, 1, 1)]).types).toEqual(['float[?]']);
  });

  it('reports an axis that does not exist', () => {
    for (const wrong of [2, 2n ** 62n]) {
      expect(inferOne('Compress', [x, bools(1)], axis(wrong))).toMatchObject({
        types: ['float[*]'],
        codes: ['infer/axis'],
      });
    }
  });
});

describe('NonZero', () => {
  it('has a row an axis', () => {
    expect(inferOne('NonZero', [typed('float', ['N', null])]).types).toEqual(['int64[2, ?]']);
    expect(inferOne('NonZero', [typed('float')]).types).toEqual(['int64[?, ?]']);
    expect(inferOne('NonZero', [typed('float', [])]).types).toEqual(['int64[?, ?]']);
  });

  it('finds the elements that are known not to be 0', () => {
    expect(inferOne('NonZero', [int64Tensor([3, 0, 0, 4], [2, 2])])).toMatchObject({
      types: ['int64[2, 2]'],
      contents: ['0, 1, 0, 1'],
    });
    expect(inferOne('NonZero', [int64Tensor([0])])).toMatchObject({ types: ['int64[1, 0]'], contents: [''] });
    const steps = inferSteps({ x: typed('float', ['N', 2]) }, [
      ['shape', 'Shape', ['x']],
      ['y', 'NonZero', ['shape']],
    ]);
    expect(steps.type('y')).toBe('int64[1, ?]');
  });
});

describe('Unique', () => {
  const unique = (sizes: readonly (number | string | null)[] | undefined, options = {}) =>
    inferOne('Unique', [typed('float', sizes)], { outputs: 4, ...options });

  it('says of each element, or of each slice, which it is', () => {
    expect(unique(['N', 4]).types).toEqual(['float[?]', 'int64[?]', 'int64[4*N]', 'int64[?]']);
    expect(unique(['N', 4], axis(-2)).types).toEqual(['float[?, 4]', 'int64[?]', 'int64[N]', 'int64[?]']);
    expect(unique(undefined).types).toEqual(['float[?]', 'int64[?]', 'int64[?]', 'int64[?]']);
    expect(unique(undefined, axis(0)).types[0]).toBe('float[*]');
  });

  it('reports an axis that does not exist', () => {
    expect(unique([3], axis(1))).toMatchObject({ codes: ['infer/axis'] });
  });
});
