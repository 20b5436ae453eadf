import { describe, expect, it } from 'vitest';
import { intAttribute } from '../../../../src/ir/attribute.js';
import { type Given, inferOne, type Size, typed } from './infer_one.js';

const bytes = (sizes?: readonly Size[]) => typed('uint8', sizes);
const scale = typed('float', []);
const zero = bytes([]);
const infer = (opType: string, ...inputs: Given[]) =>
  inferOne(opType, inputs, { domain: 'com.microsoft', attributes: [intAttribute('axis', -1)] });

describe('elementwise operators on 8-bit integers', () => {
  it('broadcast their operands', () => {
    expect(infer('QLinearAdd', bytes(['N', 1, 3]), scale, zero, bytes([4, 1]), scale, zero, scale).types).toEqual([
      'uint8[N, 4, 3]',
    ]);
    expect(infer('QLinearMul', bytes([2]), scale, null, bytes(), scale).types).toEqual(['uint8[*]']);
    expect(infer('MulInteger', bytes([2, 1]), zero, bytes([3])).types).toEqual(['int32[2, 3]']);
    const where = [typed('bool', [2, 1]), typed('int8', [3]), scale, zero, typed('int8', [1])];
    expect(infer('QLinearWhere', ...where).types).toEqual(['int8[2, 3]']);
  });

  it('keep the shape of one operand', () => {
    for (const opType of ['QLinearSigmoid', 'QLinearLeakyRelu', 'QLinearSoftmax']) {
      expect(infer(opType, bytes(['N', 3]), scale, zero, scale, zero).types).toEqual(['uint8[N, 3]']);
    }
  });

  it('report operands that do not fit each other', () => {
    expect(infer('QLinearAdd', bytes([2]), scale, zero, bytes([3])).codes).toEqual(['infer/broadcast']);
  });
});

describe('QLinearConcat', () => {
  it('joins every third input', () => {
    const given = [scale, zero, bytes(['N', 2]), scale, zero, bytes(['N', 'K']), scale, zero];
    expect(infer('QLinearConcat', ...given).types).toEqual(['uint8[N, K + 2]']);
    expect(infer('QLinearConcat', scale, zero).types).toEqual(['uint8[*]']);
  });

  it('reports what cannot be joined', () => {
    expect(infer('QLinearConcat', scale, zero, bytes([1, 2]), scale, zero, bytes([2, 2])).codes).toEqual([
      'infer/concat',
    ]);
    expect(infer('QLinearConcat', scale, zero, bytes([1, 2]), scale, zero, bytes([2])).codes).toEqual(['infer/concat']);
  });
});
