import { describe, expect, it } from 'vitest';
import { intAttribute, intsAttribute } from '../../../../src/ir/attribute.js';
import { int64Tensor } from '../../../../src/ir/tensor.js';
import { inferOne, type Size, typed } from './infer_one.js';
import { inferSteps, type Step } from './infer_steps.js';

const reshape = (sizes: readonly Size[] | undefined, ...target: readonly (number | bigint)[]) =>
  inferOne('Reshape', [typed('float', sizes), int64Tensor(target)]);

/** A shape put together of single sizes of `x` and numbers. */
const shapeOf = (...parts: readonly (number | readonly [value: string, axis: number])[]): readonly Step[] => {
  const names = parts.map((_, index) => `part${index}`);
  const picked = parts.map((part, index): Step => {
    const name = names[index]!;
    if (typeof part === 'number') return [name, 'Identity', [int64Tensor([part])]];
    return [name, 'Shape', [part[0]], [intAttribute('start', part[1]), intAttribute('end', part[1] + 1)]];
  });
  return [...picked, ['target', 'Concat', names, [intAttribute('axis', 0)]]];
};

describe('Reshape', () => {
  it('takes the sizes as they are asked for', () => {
    expect(reshape([2, 3, 4], 4, 6).types).toEqual(['float[4, 6]']);
    expect(reshape(undefined, 4, 6).types).toEqual(['float[4, 6]']);
    expect(reshape([1], ...[]).types).toEqual(['float[]']);
  });

  it('copies a size where 0 stands, unless zero is allowed', () => {
    expect(reshape(['N', null, 4], 0, 0, 2, 2).types).toEqual(['float[N, ?, 2, 2]']);
    expect(reshape(undefined, 0, 4).types).toEqual(['float[?, 4]']);
    const allowed = inferOne('Reshape', [typed('float', [0, 3]), int64Tensor([3, 0])], {
      attributes: [intAttribute('allowzero', 1)],
    });
    expect(allowed.types).toEqual(['float[3, 0]']);
    expect(reshape([2], 2, 0).codes).toEqual(['infer/reshape']);
  });

  it('leaves what −1 stands for to the other sizes', () => {
    expect(reshape([2, 3, 4], 2, -1).types).toEqual(['float[2, 12]']);
    expect(reshape(['N', 3, 4], -1, 6).types).toEqual(['float[2*N, 6]']);
    expect(reshape(['N', 3, 'M'], 0, -1).types).toEqual(['float[N, 3*M]']);
    expect(reshape(['N', 6], -1, 4).types).toEqual(['float[N + floor(N/2), 4]']);
    expect(reshape([null, 3, 4], 0, -1).types).toEqual(['float[?, 12]']);
    expect(reshape([null, 3, 4], -1, 12).types).toEqual(['float[?, 12]']);
    expect(reshape(undefined, 2, -1).types).toEqual(['float[2, ?]']);
    expect(reshape([0, 3], -1).types).toEqual(['float[0]']);
    expect(reshape(['N', 0, 3], 0, 0, -1).types).toEqual(['float[N, 0, ?]']);
  });

  it('reports numbers of elements that differ, and shapes that are none', () => {
    for (const target of [
      [4, 5],
      [5, -1],
      [-1, -1],
      [-2, 12],
    ]) {
      expect(reshape([2, 3, 4], ...target)).toMatchObject({ types: ['float[*]'], codes: ['infer/reshape'] });
    }
    expect(reshape(['N', 4], 0, 3).codes).toEqual([]);
    expect(reshape([2], 2n ** 62n, -1).types).toEqual(['float[?, ?]']);
  });

  it('knows the rank of a shape of which it knows the length', () => {
    expect(inferOne('Reshape', [typed('float', [2, 3]), typed('int64', [3])]).types).toEqual(['float[?, ?, ?]']);
    expect(inferOne('Reshape', [typed('float', [2, 3]), typed('int64', ['N'])]).types).toEqual(['float[*]']);
    expect(inferOne('Reshape', [typed('float', [2, 3]), typed('int64', [2 ** 40])]).types).toEqual(['float[*]']);
  });

  it('has the shape as an attribute before 5', () => {
    const attributes = [intsAttribute('shape', [0, -1])];
    expect(inferOne('Reshape', [typed('float', ['N', 2, 3])], { opset: 1, attributes }).types).toEqual(['float[N, 6]']);
    expect(inferOne('Reshape', [typed('float', ['N', 2, 3])], { opset: 1 }).types).toEqual(['float[*]']);
  });

  it('follows sizes that are computed', () => {
    const x = typed('float', ['N', 'S', 768]);
    const heads = inferSteps({ x }, [...shapeOf(['x', 0], ['x', 1], 12, 64), ['y', 'Reshape', ['x', 'target']]]);
    expect(heads.type('y')).toBe('float[N, S, 12, 64]');
    const flat = inferSteps({ x }, [
      ['flat', 'Reshape', ['x', int64Tensor([-1, 768])]],
      ...shapeOf(['x', 0], ['x', 1], 768),
      ['y', 'Reshape', ['flat', 'target']],
    ]);
    expect(flat.type('flat')).toBe('float[N*S, 768]');
    expect(flat.type('y')).toBe('float[N, S, 768]');
  });

  it('tells what becomes of a size that copies another where it is 0', () => {
    const x = typed('float', ['N', 12, 'S', 64]);
    const rest = inferSteps({ x }, [...shapeOf(-1, ['x', 2], 64), ['y', 'Reshape', ['x', 'target']]]);
    expect(rest.type('y')).toBe('float[12*N*min(S, 1), 12*max(S, 1) - 11*S, 64]');
    const empty = inferSteps({ x, y: typed('float', [1, 0]) }, [
      ...shapeOf(['x', 2], 0),
      ['z', 'Reshape', ['y', 'target']],
    ]);
    expect(empty.type('z')).toBe('float[?, 0]');
  });

  it('tells a size that is not known by the others', () => {
    const steps = inferSteps({ x: typed('float', ['N', 4, 6]), n: typed('int64', [1]) }, [
      ['target', 'Concat', ['n', int64Tensor([8])], [intAttribute('axis', 0)]],
      ['y', 'Reshape', ['x', 'target']],
    ]);
    expect(steps.type('y')).toBe('float[3*N, 8]');
  });

  it('keeps the elements', () => {
    expect(inferOne('Reshape', [int64Tensor([1, 2, 3, 4]), int64Tensor([2, -1])])).toMatchObject({
      types: ['int64[2, 2]'],
      contents: ['1, 2, 3, 4'],
    });
  });
});

describe('Flatten', () => {
  const flatten = (sizes: readonly Size[] | undefined, axis?: number) =>
    inferOne('Flatten', [typed('float', sizes)], {
      attributes: axis === undefined ? [] : [intAttribute('axis', axis)],
    });

  it('joins the axes before and from its axis on', () => {
    expect(flatten(['N', 3, 'M', 2]).types).toEqual(['float[N, 6*M]']);
    expect(flatten(['N', 3, 4], -1).types).toEqual(['float[3*N, 4]']);
    expect(flatten(['N', 3], 0).types).toEqual(['float[1, 3*N]']);
    expect(flatten(['N', 3], 2).types).toEqual(['float[3*N, 1]']);
    expect(flatten([], 0).types).toEqual(['float[1, 1]']);
    expect(flatten([2, null, 0], 1).types).toEqual(['float[2, 0]']);
  });

  it('knows that there are two axes where it knows no more', () => {
    expect(flatten(undefined).types).toEqual(['float[?, ?]']);
    expect(flatten(undefined, 0).types).toEqual(['float[1, ?]']);
  });

  it('reports an axis that does not exist', () => {
    expect(flatten([2, 3], 3)).toMatchObject({ types: ['float[*]'], codes: ['infer/axis'] });
    expect(flatten([2, 3], -3)).toMatchObject({ types: ['float[*]'], codes: ['infer/axis'] });
  });
});
