import { describe, expect, it } from 'vitest';
import { intAttribute, intsAttribute } from '../../../../src/ir/attribute.js';
import { inferOne, typed } from './infer_one.js';

const dtype = (code: number | bigint) => intAttribute('dtype', code);

describe('random operators', () => {
  it('have the shape and type that attributes give', () => {
    const attributes = [intsAttribute('shape', [2, 0, 3]), dtype(11)];
    expect(inferOne('RandomNormal', [], { attributes }).types).toEqual(['double[2, 0, 3]']);
    expect(inferOne('RandomUniform', [], { attributes: [intsAttribute('shape', [])], opset: 1 }).types).toEqual([
      'float[]',
    ]);
    expect(inferOne('RandomUniform', []).types).toEqual(['float[*]']);
  });

  it('have the shape of the input, and its type unless another is given', () => {
    for (const opType of ['RandomNormalLike', 'RandomUniformLike', 'Bernoulli']) {
      expect(inferOne(opType, [typed('float16', ['N', null])]).types).toEqual(['float16[N, ?]']);
      expect(inferOne(opType, [typed('float16', ['N'])], { attributes: [dtype(9)] }).types).toEqual(['bool[N]']);
      expect(inferOne(opType, [typed('float16')]).types).toEqual(['float16[*]']);
      expect(inferOne(opType, ['untyped']).types).toEqual(['?[*]']);
    }
  });

  it('draw as many samples a row as they are asked for', () => {
    const samples = (count: number | bigint) => ({ attributes: [intAttribute('sample_size', count)] });
    expect(inferOne('Multinomial', [typed('float', ['N', 10])]).types).toEqual(['int32[N, 1]']);
    expect(inferOne('Multinomial', [typed('float', ['N', 10])], samples(7)).types).toEqual(['int32[N, 7]']);
    expect(inferOne('Multinomial', [typed('float')], { attributes: [dtype(7)] }).types).toEqual(['int64[?, 1]']);
    expect(inferOne('Multinomial', [typed('float', ['N', 10])], samples(2n ** 62n)).types).toEqual(['int32[N, ?]']);
  });

  it('report what cannot be, and keep the type', () => {
    const negative = inferOne('RandomNormal', [], { attributes: [intsAttribute('shape', [2, -1])] });
    expect(negative).toMatchObject({ types: ['float[*]'], codes: ['infer/negative-size'] });
    expect(inferOne('Multinomial', [typed('float', [10])])).toMatchObject({
      types: ['int32[*]'],
      codes: ['infer/rank'],
    });
    const none = inferOne('Multinomial', [typed('float', [1, 10])], { attributes: [intAttribute('sample_size', -1)] });
    expect(none.codes).toEqual(['infer/negative-size']);
    expect(inferOne('RandomNormal', [], { attributes: [dtype(2n ** 40n)] }).types).toEqual(['?[*]']);
  });
});
