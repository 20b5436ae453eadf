import { Tensor as RuntimeTensor } from 'onnxruntime-common';
import { describe, expect, it } from 'vitest';
import { feedTensor } from '../../../src/calibrate/sources/feed_values.js';
import { floatTensor } from '../../../src/ir/tensor.js';
import { diagnosticOf, input, values } from './sample_files.js';

const scalar = input('x', []);

describe('feedTensor', () => {
  it('takes a tensor as it is', () => {
    const tensor = floatTensor([1]);
    expect(feedTensor(tensor, input('x', [1]), 'here')).toBe(tensor);
  });

  it('takes tensors of ONNX Runtime', () => {
    const tensor = feedTensor(new RuntimeTensor('float32', [1, 2], [2, 1]), input('x', ['N', 1]), 'here');
    expect(tensor).toMatchObject({ dtype: 'float', dims: [2, 1] });
    const bool = feedTensor(new RuntimeTensor('bool', [true, false], [2]), input('x', [2], 'bool'), 'here');
    expect(bool.dtype).toBe('bool');
    expect(values(bool)).toEqual([1, 0]);
    const text = feedTensor(new RuntimeTensor('string', ['a', 'é'], [2]), input('x', [2], 'string'), 'here');
    expect(text.strings?.map((bytes) => Buffer.from(bytes).toString())).toEqual(['a', 'é']);
  });

  it.each([
    [Float32Array.of(1), 'float'],
    [Float64Array.of(1), 'double'],
    [Int8Array.of(1), 'int8'],
    [Uint8Array.of(1), 'uint8'],
    [Uint8ClampedArray.of(1), 'uint8'],
    [Int16Array.of(1), 'int16'],
    [Uint16Array.of(1), 'uint16'],
    [Int32Array.of(1), 'int32'],
    [Uint32Array.of(1), 'uint32'],
    [BigInt64Array.of(1n), 'int64'],
    [BigUint64Array.of(1n), 'uint64'],
  ] as const)('takes %o for its own type', (data, dtype) => {
    expect(feedTensor(data, input('x', [1]), 'here')).toMatchObject({ dtype, dims: [1] });
    expect(feedTensor({ data, dims: [1, 1] }, { name: 'x', type: undefined }, 'here')).toMatchObject({
      dtype,
      dims: [1, 1],
    });
  });

  it('takes typed arrays for the other types they carry', () => {
    expect(feedTensor(Uint16Array.of(0x3c00), input('x', [1], 'float16'), 'here').dtype).toBe('float16');
    expect(feedTensor(Uint8Array.of(1), input('x', [1], 'bool'), 'here').dtype).toBe('bool');
    expect(feedTensor({ data: Uint16Array.of(1), dims: [1], type: 'bfloat16' }, scalar, 'here').dtype).toBe('bfloat16');
  });

  it('fills in one open dimension', () => {
    expect(feedTensor(new Float32Array(6), input('x', ['N', 3]), 'here').dims).toEqual([2, 3]);
    expect(feedTensor(new Float32Array(0), input('x', [undefined, 3]), 'here').dims).toEqual([0, 3]);
    expect(feedTensor([], input('x', ['N']), 'here').dims).toEqual([0]);
  });

  it('takes plain numbers for the type of the input', () => {
    expect(values(feedTensor([1, 2], input('x', [2], 'int64'), 'here'))).toEqual([1n, 2n]);
    expect(values(feedTensor([0.1], input('x', [1]), 'here'))).toEqual([Math.fround(0.1)]);
    expect(values(feedTensor([1], input('x', [1], 'float16'), 'here'))).toEqual([0x3c00]);
    expect(values(feedTensor([true, 0], input('x', [2], 'bool'), 'here'))).toEqual([1, 0]);
    expect(values(feedTensor({ data: [3], type: 'int32' }, input('x', [1]), 'here'))).toEqual([3]);
    const open = { name: 'x', type: undefined };
    expect(feedTensor({ data: [3], dims: [1] }, open, 'here').dtype).toBe('float');
    expect(feedTensor({ data: [3n], dims: [1] }, open, 'here').dtype).toBe('int64');
    expect(feedTensor({ data: [true], dims: [1] }, open, 'here').dtype).toBe('bool');
    expect(feedTensor({ data: ['a'], dims: [1] }, open, 'here').dtype).toBe('string');
  });

  it('takes one value for a scalar or a single element', () => {
    expect(feedTensor(16_000, input('x', [], 'int64'), 'here')).toMatchObject({ dtype: 'int64', dims: [] });
    expect(feedTensor(16_000n, input('x', [1], 'int64'), 'here').dims).toEqual([1]);
    expect(feedTensor('text', input('x', ['N'], 'string'), 'here').dims).toEqual([1]);
    expect(feedTensor(true, { name: 'x', type: undefined }, 'here')).toMatchObject({ dtype: 'bool', dims: [] });
  });

  it.each([
    ['an unknown type', { data: [1], type: 'float33' }, scalar, 'data/bad-value'],
    ['a type that is no text', { data: [1], type: 1 }, scalar, 'data/bad-value'],
    ['sizes that are none', { data: [1], dims: [-1] }, scalar, 'data/bad-value'],
    ['dims that are no list', { data: [1], dims: 1 }, scalar, 'data/bad-value'],
    ['undefined', undefined, scalar, 'data/bad-value'],
    ['null', null, scalar, 'data/bad-value'],
    ['an object', {}, scalar, 'data/bad-value'],
    ['nested arrays', [[1]], input('x', [1, 1]), 'data/bad-value'],
    ['holes', new Array(1), input('x', [1]), 'data/bad-value'],
    ['a DataView', new DataView(new ArrayBuffer(4)), input('x', [1]), 'data/bad-value'],
    [
      'a class that does not carry the type',
      { data: Float64Array.of(1), type: 'float32' },
      input('x', [1]),
      'data/wrong-type',
    ],
    ['bools other than 0 and 1', Uint8Array.of(2), input('x', [1], 'bool'), 'data/wrong-type'],
    ['a fraction for integers', [0.5], input('x', [1], 'int64'), 'data/wrong-type'],
    ['a number out of range', [256], input('x', [1], 'uint8'), 'data/wrong-type'],
    ['a text for numbers', ['1'], input('x', [1]), 'data/wrong-type'],
    ['a number for texts', [1], input('x', [1], 'string'), 'data/wrong-type'],
    ['numbers for a type that is not written', [1], input('x', [1], 'int4'), 'data/wrong-type'],
    ['too few elements', new Float32Array(3), input('x', [2, 2]), 'data/wrong-shape'],
    ['elements that leave a rest', new Float32Array(5), input('x', ['N', 2]), 'data/wrong-shape'],
    ['two open dimensions', new Float32Array(4), input('x', ['N', 'M']), 'data/wrong-shape'],
    ['an unknown rank', new Float32Array(4), input('x'), 'data/wrong-shape'],
    ['dims that the data do not fill', { data: [1, 2], dims: [3] }, input('x', [2]), 'data/wrong-shape'],
    ['elements beside a dimension of 0', new Float32Array(4), input('x', ['N', 0]), 'data/wrong-shape'],
  ])('refuses %s', async (_, value, spec, code) => {
    expect(await diagnosticOf(() => feedTensor(value, spec, 'here'))).toMatchObject({ code, where: 'here, "x"' });
  });
});
