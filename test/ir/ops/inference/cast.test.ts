import { describe, expect, it } from 'vitest';
import { intAttribute, stringAttribute } from '../../../../src/ir/attribute.js';
import { int64Tensor, tensorFromData } from '../../../../src/ir/tensor.js';
import { inferOne, typed } from './infer_one.js';
import { inferSteps } from './infer_steps.js';

const to = (code: number | bigint) => intAttribute('to', code);

describe('casts', () => {
  it('have the type that is asked for and the shape of the input', () => {
    expect(inferOne('Cast', [typed('float', ['N', null])], { attributes: [to(7)] }).types).toEqual(['int64[N, ?]']);
    expect(inferOne('Cast', [typed('float')], { attributes: [to(10)] }).types).toEqual(['float16[*]']);
    expect(inferOne('CastLike', [typed('float', ['N']), typed('int8', [3])]).types).toEqual(['int8[N]']);
    expect(inferOne('CastLike', [typed('float', ['N']), 'untyped']).types).toEqual(['?[N]']);
  });

  it('spell the type out before 6', () => {
    const spelled = (name: string) =>
      inferOne('Cast', [typed('float', [2])], { opset: 5, attributes: [stringAttribute('to', name)] }).types;
    expect(spelled('INT32')).toEqual(['int32[2]']);
    expect(spelled('UINT16')).toEqual(['uint16[2]']);
    expect(spelled('nonsense')).toEqual(['?[2]']);
  });

  it('leave the type open where no number names one', () => {
    expect(inferOne('Cast', [typed('float', [2])], { attributes: [to(2n ** 62n)] }).types).toEqual(['?[2]']);
    expect(inferOne('Cast', [typed('float', [2])]).types).toEqual(['?[2]']);
  });

  it('keep elements that fit the type', () => {
    const values = int64Tensor([5, -1, 2n ** 40n]);
    const cast = (code: number) => inferOne('Cast', [values], { attributes: [to(code)] }).contents[0];
    expect(cast(6)).toBe('5, -1, ?');
    expect(cast(2)).toBe('5, ?, ?');
    expect(cast(9)).toBe('1, 1, 1');
    expect(cast(1)).toBeUndefined();
    expect(inferOne('CastLike', [values, typed('int32', [])]).contents).toEqual(['5, -1, ?']);
  });

  it('keep sizes where the type has 32 bits or more', () => {
    const steps = inferSteps({ x: typed('float', ['N', 3]) }, [
      ['shape', 'Shape', ['x']],
      ['int32', 'Cast', ['shape'], [to(6)]],
      ['int16', 'Cast', ['shape'], [to(5)]],
      ['less', 'Sub', ['shape', int64Tensor([1])]],
      ['unsigned', 'Cast', ['less'], [to(13)]],
      ['plus', 'Add', ['shape', int64Tensor([1, 0])]],
      ['bool', 'Cast', ['plus'], [to(9)]],
    ]);
    expect(steps.content('int32')).toBe('N, 3');
    expect(steps.content('int16')).toBe('?, 3');
    expect(steps.content('unsigned')).toBe('?, 2');
    expect(steps.content('bool')).toBe('1, 1');
  });

  it('of bits want elements of one width', () => {
    const attributes = [to(6)];
    expect(inferOne('BitCast', [typed('float', ['N'])], { opset: 26, attributes }).types).toEqual(['int32[N]']);
    expect(inferOne('BitCast', [typed('double', ['N'])], { opset: 26, attributes })).toMatchObject({
      types: ['int32[*]'],
      codes: ['infer/bit-width'],
    });
    const bits = tensorFromData('uint32', [1], Uint32Array.of(1));
    expect(inferOne('BitCast', [bits], { opset: 26, attributes }).contents).toEqual([undefined]);
  });
});
