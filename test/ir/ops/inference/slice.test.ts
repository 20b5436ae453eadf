import { describe, expect, it } from 'vitest';
import { intAttribute, intsAttribute } from '../../../../src/ir/attribute.js';
import { int64Tensor } from '../../../../src/ir/tensor.js';
import { type Given, inferOne, type Size, typed } from './infer_one.js';
import { inferSteps } from './infer_steps.js';

type Bound = number | bigint;
const max = 2n ** 63n - 1n;

/** The shape of a slice of [size, 7] along axis 0. */
const sliced = (size: Size, start: Bound, end: Bound, step: Bound = 1) =>
  inferOne('Slice', [
    typed('float', [size, 7]),
    int64Tensor([start]),
    int64Tensor([end]),
    int64Tensor([0]),
    int64Tensor([step]),
  ]).types[0];

describe('Slice', () => {
  it('clamps positions to a known axis', () => {
    expect(sliced(5, 1, 3)).toBe('float[2, 7]');
    expect(sliced(5, -2, max)).toBe('float[2, 7]');
    expect(sliced(5, -9, 9)).toBe('float[5, 7]');
    expect(sliced(5, 4, 2)).toBe('float[0, 7]');
    expect(sliced(5, 0, 5, 2)).toBe('float[3, 7]');
    expect(sliced(0, 0, 1)).toBe('float[0, 7]');
  });

  it('keeps the size where nothing is cut off, even an unknown one', () => {
    expect(sliced(null, 0, max)).toBe('float[?, 7]');
    expect(sliced('N', 0, max)).toBe('float[N, 7]');
    expect(sliced('N', 0, 2 ** 31 - 1)).toBe('float[N, 7]');
    expect(sliced(null, 1, max)).toBe('float[?, 7]');
  });

  it('says what is left of a size that is no number', () => {
    expect(sliced('N', 1, max)).toBe('float[max(N, 1) - 1, 7]');
    expect(sliced('N', 0, -1)).toBe('float[max(N, 1) - 1, 7]');
    expect(sliced('N', 0, 3)).toBe('float[min(N, 3), 7]');
    expect(sliced('N', -1, max)).toBe('float[min(N, 1), 7]');
    expect(sliced('N', 0, max, 2)).toBe('float[floor((N + 1)/2), 7]');
  });

  it('steps backward', () => {
    expect(sliced(5, 3, 0, -1)).toBe('float[3, 7]');
    expect(sliced(5, -1, -max, -2)).toBe('float[3, 7]');
    expect(sliced('N', -1, -(2n ** 63n), -1)).toBe('float[N, 7]');
    expect(sliced('N', -1, -(2 ** 31), -1)).toBe('float[N, 7]');
    expect(sliced('N', max, -max, -1)).toBe('float[N, 7]');
  });

  it('leaves open what runtimes and the reference do differently', () => {
    expect(sliced(5, -9, -max, -1)).toBe('float[?, 7]');
    expect(sliced(5, 3, max, -1)).toBe('float[?, 7]');
  });

  it('has attributes before 10, of the first axes where none are named', () => {
    const old = (...attributes: Parameters<typeof intsAttribute>[]) =>
      inferOne('Slice', [typed('float', ['N', 5, 6])], {
        opset: 9,
        attributes: attributes.map((each) => intsAttribute(...each)),
      });
    expect(old(['starts', [1, 2]], ['ends', [max, max]], ['axes', [2, -2]]).types).toEqual(['float[N, 3, 5]']);
    expect(old(['starts', [0, 1]], ['ends', [max, 3]]).types).toEqual(['float[N, 2, 6]']);
    expect(old(['starts', [0]]).types).toEqual(['float[?, 5, 6]']);
    expect(old().types).toEqual(['float[?, ?, ?]']);
  });

  it('leaves only those axes unknown whose ends are', () => {
    const types = (...inputs: readonly Given[]) => inferOne('Slice', [typed('float', ['N', 5]), ...inputs]).types[0];
    expect(types(typed('int64', [1]), int64Tensor([3]), int64Tensor([1]))).toBe('float[N, ?]');
    expect(types(int64Tensor([1]), int64Tensor([3]), typed('int64', [1]))).toBe('float[?, ?]');
    expect(types(int64Tensor([1]), int64Tensor([3]), int64Tensor([1]), typed('int64', [1]))).toBe('float[N, ?]');
    expect(types(typed('int64', [1]), typed('int64', [1]))).toBe('float[?, 5]');
    expect(types(typed('int64'), typed('int64'))).toBe('float[?, ?]');
    expect(inferOne('Slice', [typed('float'), int64Tensor([0]), int64Tensor([1])]).types).toEqual(['float[*]']);
  });

  it('follows ends that are computed', () => {
    const steps = inferSteps(
      { x: typed('float', ['N', 8]), y: typed('float', ['N', 8]), z: typed('float', ['M', 8]) },
      [
        ['n', 'Shape', ['x'], [intAttribute('end', 1)]],
        ['whole', 'Slice', ['y', int64Tensor([0]), 'n', int64Tensor([0])]],
        ['less', 'Sub', ['n', int64Tensor([1])]],
        ['tail', 'Slice', ['y', 'less', 'n', int64Tensor([0])]],
        ['part', 'Slice', ['z', int64Tensor([0]), 'n', int64Tensor([0])]],
      ],
    );
    expect(steps.type('whole')).toBe('float[N, 8]');
    expect(steps.type('part')).toBe('float[min(M, N), 8]');
    // N − 1 is counted from the other end where N is 0.
    expect(steps.type('tail')).toBe('float[?, 8]');
  });

  it('reports starts, ends, axes and steps that do not fit', () => {
    const codes = (...inputs: readonly (readonly Bound[])[]) =>
      inferOne('Slice', [typed('float', [4, 5]), ...inputs.map((each) => int64Tensor(each))]);
    for (const inputs of [
      [[0], [1, 2]],
      [[0], [1], [2]],
      [[0], [1], [2n ** 62n]],
      [
        [0, 0],
        [1, 1],
        [1, -1],
      ],
      [[0], [1], [0], [0]],
      [
        [0, 0, 0],
        [1, 1, 1],
      ],
    ]) {
      expect(codes(...inputs)).toMatchObject({ types: ['float[*]'], codes: ['infer/slice'] });
    }
  });

  it('cuts elements', () => {
    const cut = (input: Given, ...inputs: readonly (readonly Bound[])[]) =>
      inferOne('Slice', [input, ...inputs.map((each) => int64Tensor(each))]).contents[0];
    const row = int64Tensor([1, 2, 3, 4, 5]);
    expect(cut(row, [1], [max])).toBe('2, 3, 4, 5');
    expect(cut(row, [-1], [-max], [0], [-2])).toBe('5, 3, 1');
    expect(cut(row, [3], [3])).toBe('');
    const pairs = int64Tensor([1, 2, 3, 4, 5, 6], [3, 2]);
    expect(cut(pairs, [-1], [-max], [0], [-1])).toBe('5, 6, 3, 4, 1, 2');
    expect(cut(pairs, [1], [2], [1])).toBe('2, 4, 6');
  });
});
