import { describe, expect, it } from 'vitest';
import { intAttribute, stringAttribute } from '../../../../src/ir/attribute.js';
import { floatTensor, int64Tensor, type Tensor, tensorFromData } from '../../../../src/ir/tensor.js';
import { inferOne, typed } from './infer_one.js';
import { inferSteps } from './infer_steps.js';

const bools = (...values: readonly number[]): Tensor =>
  tensorFromData('bool', [values.length], Uint8Array.from(values));
const int32s = (...values: readonly number[]): Tensor =>
  tensorFromData('int32', [values.length], Int32Array.from(values));
const broadcast = [intAttribute('broadcast', 1)];

describe('operators of one input', () => {
  it('have its type and shape, as far as they are known', () => {
    for (const opType of ['Relu', 'Erf', 'Gelu', 'Round', 'PRelu', 'Swish', 'Softmax', 'Hardmax', 'Clip']) {
      expect(inferOne(opType, [typed('float16', ['N', null, 3])]).types).toEqual(['float16[N, ?, 3]']);
      expect(inferOne(opType, [typed('float')]).types).toEqual(['float[*]']);
      expect(inferOne(opType, ['untyped']).types).toEqual(['?[*]']);
    }
  });

  it('that tell something of each element give bools', () => {
    for (const opType of ['IsNaN', 'IsInf'])
      expect(inferOne(opType, [typed('float', ['N'])]).types).toEqual(['bool[N]']);
  });

  it('pass on what is no tensor', () => {
    const sequence = { kind: 'sequence', element: typed('float', [2]) } as const;
    expect(inferOne('Identity', [sequence]).types).toEqual(['sequence(float[2])']);
  });

  it('of one axis report an axis that does not exist', () => {
    const axis = { attributes: [intAttribute('axis', 2)] };
    expect(inferOne('Softmax', [typed('float', ['N', 4])], axis)).toMatchObject({
      types: ['float[*]'],
      codes: ['infer/axis'],
    });
    expect(inferOne('Softmax', [typed('float', ['N', 4])], { ...axis, opset: 11 }).types).toEqual(['float[N, 4]']);
    expect(inferOne('LogSoftmax', [typed('float', [])]).codes).toEqual([]);
  });

  it('Dropout has a mask, of bools since 10', () => {
    const mask = (opset: number) => inferOne('Dropout', [typed('float', ['N'])], { opset, outputs: 2 }).types[1];
    expect([mask(7), mask(10), mask(13)]).toEqual(['float[N]', 'bool[N]', 'bool[N]']);
  });
});

describe('operators that broadcast', () => {
  it('align shapes at the last axis', () => {
    expect(inferOne('Add', [typed('float', ['N', 1, 4]), typed('float', [3, 1])]).types).toEqual(['float[N, 3, 4]']);
    expect(inferOne('Pow', [typed('float', ['N']), typed('int64', [])]).types).toEqual(['float[N]']);
    expect(inferOne('Less', [typed('float', ['N']), typed('float', [1])]).types).toEqual(['bool[N]']);
    expect(inferOne('Where', [typed('bool', ['N', 1]), typed('int32', [4]), 'untyped']).types).toEqual(['int32[*]']);
    expect(inferOne('Where', [typed('bool', ['N', 1]), 'untyped', typed('int32', [])]).types).toEqual(['int32[*]']);
    expect(inferOne('Sum', [typed('float', ['N']), typed('float', [1]), typed('float', [2, 1])]).types).toEqual([
      'float[2, N]',
    ]);
  });

  it('know a size that only one side tells where it is not 1', () => {
    expect(inferOne('Mul', [typed('float', [null, 4]), typed('float', ['N', null])]).types).toEqual(['float[?, 4]']);
    expect(inferOne('Mul', [typed('float', ['N']), typed('float', ['M'])]).types).toEqual(['float[broadcast(M, N)]']);
    expect(inferOne('Mul', [typed('float', [0]), typed('float', [1])]).types).toEqual(['float[0]']);
  });

  it('know nothing of the shape beside an unknown rank', () => {
    expect(inferOne('Add', [typed('float', [2, 3]), typed('float')]).types).toEqual(['float[*]']);
  });

  it('report sizes that cannot meet', () => {
    expect(inferOne('Add', [typed('float', [2, 3]), typed('float', [4])])).toMatchObject({
      types: ['float[*]'],
      codes: ['infer/broadcast'],
    });
  });

  it('before 7 have the first shape where the second is stretched, else one shape', () => {
    const a = typed('float', ['N', 3, 4, 5]);
    const stretched = inferOne('Add', [a, typed('float', [3, 4])], { opset: 6, attributes: broadcast });
    expect(stretched).toMatchObject({ types: ['float[N, 3, 4, 5]'], codes: [] });
    expect(inferOne('Add', [typed('float', ['N', null]), typed('float', [null, 4])], { opset: 6 }).types).toEqual([
      'float[N, 4]',
    ]);
    expect(inferOne('Add', [typed('float'), typed('float', [2])], { opset: 6 }).types).toEqual(['float[2]']);
    expect(inferOne('Equal', [typed('int64', [2]), typed('int64', [3])], { opset: 1 }).codes).toEqual([
      'infer/broadcast',
    ]);
  });

  it('before 7 put the elements of the second where its axis says', () => {
    const rows = int64Tensor([1, 2, 3, 4], [2, 2]);
    const attributes = [...broadcast, intAttribute('axis', 0)];
    expect(inferOne('Add', [rows, int64Tensor([10, 20])], { opset: 6, attributes }).contents).toEqual([
      '11, 12, 23, 24',
    ]);
    expect(inferOne('Add', [rows, int64Tensor([10, 20])], { opset: 6, attributes: broadcast }).contents).toEqual([
      '11, 22, 13, 24',
    ]);
    expect(inferOne('Add', [rows, int64Tensor([10], [1, 1])], { opset: 6, attributes }).contents).toEqual([
      '11, 12, 13, 14',
    ]);
  });

  it('of any number of inputs take one shape before 8', () => {
    const inputs = [typed('float', ['N', 1]), typed('float', ['N', 1])];
    expect(inferOne('Max', inputs, { opset: 7 }).types).toEqual(['float[N, 1]']);
    expect(inferOne('Max', [typed('float', [2]), typed('float', [1])], { opset: 7 }).codes).toEqual([
      'infer/broadcast',
    ]);
    expect(inferOne('Max', [typed('float', [2]), typed('float', [1])], { opset: 8 }).types).toEqual(['float[2]']);
    expect(inferOne('Max', []).types).toEqual(['?[*]']);
  });

  it('SwiGLU wants one shape', () => {
    expect(inferOne('SwiGLU', [typed('float', ['N', null]), typed('float', [null, 8])], { opset: 28 }).types).toEqual([
      'float[N, 8]',
    ]);
  });
});

describe('elements of integers and bools', () => {
  const of = (opType: string, ...inputs: readonly Tensor[]) => inferOne(opType, inputs).contents[0];

  it('are computed exactly', () => {
    const a = int64Tensor([7, -7, 0]);
    expect(of('Add', a, int64Tensor([1], [1]))).toBe('8, -6, 1');
    expect(of('Div', a, int64Tensor([2], []))).toBe('3, -3, 0');
    expect(of('Mod', a, int64Tensor([3], []))).toBe('1, 2, 0');
    expect(of('Pow', a, int64Tensor([2], []))).toBe('49, 49, 0');
    expect(of('Max', a, int64Tensor([1]), int64Tensor([-1]))).toBe('7, 1, 1');
    expect(of('Abs', a)).toBe('7, 7, 0');
    expect(of('Sign', a)).toBe('1, -1, 0');
    expect(of('Relu', a)).toBe('7, 0, 0');
    expect(of('Clip', a, int64Tensor([-1], []), int64Tensor([5], []))).toBe('5, -1, 0');
    expect(of('Clip', a, int64Tensor([3], []), int64Tensor([1], []))).toBe('1, 1, 1');
    expect(of('GreaterOrEqual', a, int64Tensor([0], []))).toBe('1, 0, 1');
    expect(of('Where', bools(1, 0, 1), a, int64Tensor([9], []))).toBe('7, 9, 0');
    expect(of('Xor', bools(1, 0), bools(1, 1))).toBe('0, 1');
    expect(of('Not', bools(1, 0))).toBe('0, 1');
    expect(inferOne('Mod', [a, int64Tensor([3], [])], { attributes: [intAttribute('fmod', 1)] }).contents).toEqual([
      '1, -1, 0',
    ]);
    expect(inferOne('Clip', [a, null, int64Tensor([5], [])]).contents).toEqual(['5, -7, 0']);
  });

  it('of bits are too', () => {
    expect(of('BitwiseAnd', int32s(12, -1), int32s(10, 6))).toBe('8, 6');
    expect(of('BitwiseNot', int32s(0, -5))).toBe('-1, 4');
    const bytes = (...values: readonly number[]) => tensorFromData('uint8', [values.length], Uint8Array.from(values));
    expect(of('BitwiseNot', bytes(1))).toBe('254');
    const shifted = (direction: string, ...counts: readonly number[]) =>
      inferOne('BitShift', [bytes(0x81, 0x81), bytes(...counts)], {
        attributes: [stringAttribute('direction', direction)],
      }).contents[0];
    expect(shifted('LEFT', 1, 8)).toBe('2, ?');
    expect(shifted('RIGHT', 1, 7)).toBe('64, 1');
  });

  it('stay exact past 2^53, and are unknown where they wrap around', () => {
    const big = int64Tensor([2n ** 53n + 1n, 2n ** 63n - 1n]);
    expect(of('Add', big, int64Tensor([2], []))).toBe('9007199254740995, ?');
    expect(of('Div', int64Tensor([-(2n ** 63n)]), int64Tensor([-1]))).toBeUndefined();
    expect(of('Mul', int32s(65536, 2), int32s(65536, 3))).toBe('?, 6');
    expect(of('Div', int64Tensor([1, 4]), int64Tensor([0, 2]))).toBe('?, 2');
  });

  it('are unknown one by one', () => {
    const steps = inferSteps({ x: typed('float', ['N', null, 4]) }, [
      ['shape', 'Shape', ['x']],
      ['less', 'Sub', ['shape', int64Tensor([1])]],
      ['none', 'Mul', ['shape', int64Tensor([2, 0, 3])]],
      ['isFour', 'Equal', ['shape', int64Tensor([4])]],
      ['isNegative', 'Less', ['shape', int64Tensor([0])]],
      ['either', 'Where', ['isFour', 'shape', int64Tensor([1])]],
      ['half', 'Div', ['shape', int64Tensor([2])]],
    ]);
    expect(steps.content('less')).toBe('N - 1, ?, 3');
    expect(steps.content('none')).toBe('2*N, 0, 12');
    expect(steps.content('isFour')).toBe('?, ?, 1');
    expect(steps.content('isNegative')).toBe('0, ?, 0');
    expect(steps.content('either')).toBe('?, ?, 4');
    expect(steps.content('half')).toBe('floor(N/2), ?, 2');
  });

  it('may be certain beside an input of which nothing is known', () => {
    expect(inferOne('And', [typed('bool', []), tensorFromData('bool', [], Uint8Array.of(0))]).contents).toEqual(['0']);
    expect(inferOne('Or', [typed('bool', [2]), bools(1, 0)]).contents).toEqual(['1, ?']);
    expect(inferOne('Mul', [typed('int64', ['N']), int64Tensor([0])]).contents).toEqual([undefined]);
  });

  it('are not followed for floats, nor for tensors that are no shapes', () => {
    expect(of('Add', floatTensor([1, 2]), floatTensor([3, 4]))).toBeUndefined();
    expect(of('Add', int64Tensor(Array.from({ length: 300 }, () => 1)), int64Tensor([1]))).toBeUndefined();
  });
});
