import { describe, expect, it } from 'vitest';
import { intAttribute } from '../../../../src/ir/attribute.js';
import { int64Tensor, tensorFromData } from '../../../../src/ir/tensor.js';
import { inferOne, typed } from './infer_one.js';
import { inferSteps } from './infer_steps.js';

const scalar = (value: number | bigint) => int64Tensor([value], []);

describe('operators that keep the shape', () => {
  it('do, and want two axes', () => {
    for (const opType of ['Trilu', 'ReverseSequence', 'TensorScatter']) {
      expect(inferOne(opType, [typed('float', ['N', null])]).types).toEqual(['float[N, ?]']);
      expect(inferOne(opType, [typed('float')]).types).toEqual(['float[*]']);
      expect(inferOne(opType, [typed('float', ['N'])])).toMatchObject({ types: ['float[*]'], codes: ['infer/rank'] });
    }
  });

  it('EyeLike may have another type', () => {
    expect(inferOne('EyeLike', [typed('int32', ['N', 4])]).types).toEqual(['int32[N, 4]']);
    expect(inferOne('EyeLike', [typed('int32')]).types).toEqual(['int32[?, ?]']);
    const attributes = [intAttribute('dtype', 11)];
    expect(inferOne('EyeLike', [typed('int32', ['N', 4])], { attributes }).types).toEqual(['double[N, 4]']);
    expect(inferOne('EyeLike', [typed('int32', [2])])).toMatchObject({ types: ['int32[*]'], codes: ['infer/rank'] });
  });
});

describe('CumSum and CumProd', () => {
  it('keep the shape', () => {
    expect(inferOne('CumSum', [typed('float', ['N', null]), typed('int64', [])]).types).toEqual(['float[N, ?]']);
    expect(inferOne('CumSum', [typed('float'), scalar(1)]).types).toEqual(['float[*]']);
  });

  it('report an axis that does not exist', () => {
    for (const axis of [1, -2, 2n ** 62n]) {
      const failed = inferOne('CumSum', [typed('float', ['N']), scalar(axis)]);
      expect(failed).toMatchObject({ types: ['float[*]'], codes: ['infer/axis'] });
    }
  });

  it('accumulate elements', () => {
    const flags = (exclusive: number, reverse: number) => ({
      attributes: [intAttribute('exclusive', exclusive), intAttribute('reverse', reverse)],
    });
    const of = (opType: string, exclusive: number, reverse: number) =>
      inferOne(opType, [int64Tensor([1, 2, 3]), scalar(0)], { opset: 26, ...flags(exclusive, reverse) }).contents[0];
    expect([of('CumSum', 0, 0), of('CumSum', 1, 0)]).toEqual(['1, 3, 6', '0, 1, 3']);
    expect([of('CumSum', 0, 1), of('CumSum', 1, 1)]).toEqual(['6, 5, 3', '5, 3, 0']);
    expect([of('CumProd', 0, 0), of('CumProd', 1, 1)]).toEqual(['1, 2, 6', '6, 3, 1']);
    const wide = tensorFromData('int32', [2], Int32Array.of(2 ** 31 - 1, 1));
    expect(inferOne('CumSum', [wide, scalar(0)]).contents).toEqual(['2147483647, ?']);
  });

  it('stop where an element is not known', () => {
    const steps = inferSteps({ x: typed('float', ['N', null, 4]) }, [
      ['shape', 'Shape', ['x']],
      ['sum', 'CumSum', ['shape', scalar(0)]],
      ['before', 'CumSum', ['shape', scalar(0)], [intAttribute('exclusive', 1)]],
    ]);
    expect(steps.content('sum')).toBe('N, ?, ?');
    expect(steps.content('before')).toBe('0, N, ?');
  });
});
