import { describe, expect, it } from 'vitest';
import { intsAttribute, stringAttribute } from '../../../../src/ir/attribute.js';
import { int64Tensor } from '../../../../src/ir/tensor.js';
import { type Given, inferOne, typed } from './infer_one.js';
import { inferSteps } from './infer_steps.js';

const pad = (input: Given, ...rest: readonly Given[]) => inferOne('Pad', [input, ...rest]);

describe('Pad', () => {
  const x = typed('float', ['N', null, 5]);

  it('adds what comes before and after each axis', () => {
    expect(pad(x, int64Tensor([0, 0, 1, 0, 0, 2])).types).toEqual(['float[N, ?, 8]']);
    expect(pad(x, int64Tensor([1, 1, -1, 0, 0, 0])).types).toEqual(['float[N + 1, ?, 4]']);
    expect(pad(typed('float', ['N']), int64Tensor([-2, 0])).types).toEqual(['float[N - 2]']);
  });

  it('has pads as an attribute before 11, called paddings in 1', () => {
    const old = (opset: number, name: string) =>
      inferOne('Pad', [typed('float', [2, 3])], { opset, attributes: [intsAttribute(name, [0, 1, 0, 1])] }).types;
    expect(old(1, 'paddings')).toEqual(['float[2, 5]']);
    expect(old(2, 'pads')).toEqual(['float[2, 5]']);
    expect(old(10, 'paddings')).toEqual(['float[?, ?]']);
  });

  it('pads only the axes that are named since 18', () => {
    expect(pad(x, int64Tensor([1, 2]), null, int64Tensor([-1])).types).toEqual(['float[N, ?, 8]']);
    expect(pad(x, int64Tensor([1, 2]), null, typed('int64', [1])).types).toEqual(['float[?, ?, ?]']);
    expect(pad(x, typed('int64', [2]), null, int64Tensor([2])).types).toEqual(['float[N, ?, ?]']);
  });

  it('knows the rank by the number of pads', () => {
    expect(pad(typed('float'), int64Tensor([1, 0, 0, 0])).types).toEqual(['float[?, ?]']);
    expect(pad(typed('float'), typed('int64', [4])).types).toEqual(['float[?, ?]']);
    expect(pad(typed('float'), int64Tensor([1, 0]), null, int64Tensor([1])).types).toEqual(['float[*]']);
    expect(pad(x, typed('int64')).types).toEqual(['float[?, ?, ?]']);
  });

  it('reports pads that do not fit', () => {
    for (const pads of [
      [1, 2],
      [0, 0, -3, 0, 0, -3],
      [-(2n ** 62n), 0, 0, 0, 0, 0],
    ]) {
      const failed = pad(typed('float', [4, 4, 5]), int64Tensor(pads));
      expect(failed).toMatchObject({ types: ['float[*]'], codes: ['infer/pads'] });
    }
    expect(pad(x, int64Tensor([0, 0]), null, int64Tensor([3])).codes).toEqual(['infer/pads']);
    expect(pad(typed('float', [4]), int64Tensor([2n ** 62n, 2n ** 62n])).types).toEqual(['float[?]']);
  });

  it('fills elements up', () => {
    expect(pad(int64Tensor([1, 2]), int64Tensor([1, 2])).contents).toEqual(['0, 1, 2, 0, 0']);
    expect(pad(int64Tensor([1, 2]), int64Tensor([-1, 1]), int64Tensor([9], [])).contents).toEqual(['2, 9']);
    const attributes = [stringAttribute('mode', 'edge')];
    expect(inferOne('Pad', [int64Tensor([1, 2]), int64Tensor([1, 2])], { attributes }).contents).toEqual([undefined]);
  });

  it('follows pads as PyTorch writes them', () => {
    const steps = inferSteps({ x: typed('float', ['N', 3, 'H', 'W']) }, [
      ['zeros', 'ConstantOfShape', [int64Tensor([4])], [zero]],
      ['all', 'Concat', [int64Tensor([1, 2, 3, 4]), 'zeros'], [{ name: 'axis', kind: 'int', value: 0n }]],
      ['pairs', 'Reshape', ['all', int64Tensor([-1, 2])]],
      [
        'reversed',
        'Slice',
        ['pairs', int64Tensor([-1]), int64Tensor([-(2n ** 63n) + 1n]), int64Tensor([0]), int64Tensor([-1])],
      ],
      ['columns', 'Transpose', ['reversed'], [intsAttribute('perm', [1, 0])]],
      ['pads', 'Reshape', ['columns', int64Tensor([-1])]],
      ['y', 'Pad', ['x', 'pads']],
    ]);
    expect(steps.content('pads')).toBe('0, 0, 3, 1, 0, 0, 4, 2');
    expect(steps.type('y')).toBe('float[N, 3, H + 7, W + 3]');
  });
});

const zero = { name: 'value', kind: 'tensor', value: int64Tensor([0]) } as const;

describe('CenterCropPad', () => {
  const x = typed('float', ['N', 10, null]);
  const axes = (...values: readonly (number | bigint)[]) => ({ attributes: [intsAttribute('axes', values)] });

  it('gives axes the sizes asked for', () => {
    expect(inferOne('CenterCropPad', [x, int64Tensor([4, 5, 6])]).types).toEqual(['float[4, 5, 6]']);
    expect(inferOne('CenterCropPad', [x, int64Tensor([7])], axes(-1)).types).toEqual(['float[N, 10, 7]']);
    expect(inferOne('CenterCropPad', [x, typed('int64', [1])], axes(1)).types).toEqual(['float[N, ?, ?]']);
    expect(inferOne('CenterCropPad', [typed('float'), int64Tensor([7])]).types).toEqual(['float[*]']);
  });

  it('reports axes that do not fit', () => {
    for (const given of [axes(0, 1), axes(3), axes(2n ** 62n)]) {
      expect(inferOne('CenterCropPad', [x, int64Tensor([7])], given)).toMatchObject({
        types: ['float[*]'],
        codes: ['infer/axis'],
      });
    }
  });
});
