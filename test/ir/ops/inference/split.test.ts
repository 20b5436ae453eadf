import { describe, expect, it } from 'vitest';
import { intAttribute, intsAttribute } from '../../../../src/ir/attribute.js';
import { floatTensor, int64Tensor } from '../../../../src/ir/tensor.js';
import { type Given, inferOne, typed } from './infer_one.js';

const axis = (value: number | bigint) => intAttribute('axis', value);
const parts = (value: number) => intAttribute('num_outputs', value);

describe('Split', () => {
  it('gives parts of the lengths asked for, by attribute before 13, by input since', () => {
    const old = { opset: 11, outputs: 2, attributes: [axis(-1), intsAttribute('split', [1, 3])] };
    expect(inferOne('Split', [typed('float', ['N', 4])], old).types).toEqual(['float[N, 1]', 'float[N, 3]']);
    const input: readonly Given[] = [typed('float', ['N', 4]), int64Tensor([1, 3])];
    expect(inferOne('Split', input, { outputs: 2, attributes: [axis(1)] }).types).toEqual([
      'float[N, 1]',
      'float[N, 3]',
    ]);
    const first: readonly Given[] = [typed('float', ['N', 4]), floatTensor([4])];
    expect(inferOne('Split', first, { opset: 1, attributes: [axis(1)] }).types).toEqual(['float[N, ?]']);
  });

  it('gives equal parts otherwise', () => {
    const three = { opset: 13, outputs: 3 };
    expect(inferOne('Split', [typed('float', [6, 2])], three).types).toEqual(Array(3).fill('float[2, 2]'));
    expect(inferOne('Split', [typed('float', ['N'])], three).types).toEqual(Array(3).fill('float[floor(N/3)]'));
    expect(inferOne('Split', [typed('float', [7])], three)).toMatchObject({
      types: Array(3).fill('float[*]'),
      codes: ['infer/split'],
    });
  });

  it('gives a smaller last part since 18', () => {
    const uneven = { outputs: 3, attributes: [parts(3)] };
    expect(inferOne('Split', [typed('float', [7])], uneven).types).toEqual(['float[3]', 'float[3]', 'float[1]']);
    expect(inferOne('Split', [typed('float', ['N'])], { outputs: 2, attributes: [parts(2)] }).types).toEqual([
      'float[floor((N + 1)/2)]',
      'float[N - floor((N + 1)/2)]',
    ]);
    expect(inferOne('Split', [typed('float', [2])], { outputs: 4, attributes: [parts(4)] }).types[0]).toBe('float[?]');
    expect(inferOne('Split', [typed('float', [6])], { outputs: 2, attributes: [parts(3)] }).codes).toEqual([
      'infer/split',
    ]);
  });

  it('knows the other axes where lengths are not known', () => {
    const lengths = { outputs: 2 };
    expect(inferOne('Split', [typed('float', ['N', 4]), typed('int64', [2])], lengths).types).toEqual([
      'float[?, 4]',
      'float[?, 4]',
    ]);
    expect(inferOne('Split', [typed('float'), int64Tensor([1, 2])], lengths).types).toEqual(['float[*]', 'float[*]']);
    expect(inferOne('Split', [typed('float', [4]), int64Tensor([])], lengths)).toMatchObject({
      types: ['float[?]', 'float[?]'],
      codes: [],
    });
  });

  it('reports lengths and axes that do not fit', () => {
    const codes = (...lengths: readonly number[]) =>
      inferOne('Split', [typed('float', [4]), int64Tensor(lengths)], { outputs: 2 }).codes;
    expect([codes(1, 2), codes(-1, 5), codes(1, 1, 2)]).toEqual(Array(3).fill(['infer/split']));
    for (const wrong of [1, -2, 2n ** 62n]) {
      expect(inferOne('Split', [typed('float', [4])], { outputs: 2, attributes: [axis(wrong)] })).toMatchObject({
        types: ['float[*]', 'float[*]'],
        codes: ['infer/axis'],
      });
    }
  });

  it('gives the parts their elements', () => {
    const input = [int64Tensor([1, 2, 3, 4, 5, 6], [2, 3]), int64Tensor([1, 2])];
    expect(inferOne('Split', input, { outputs: 2, attributes: [axis(1)] }).contents).toEqual(['1, 4', '2, 3, 5, 6']);
  });
});
