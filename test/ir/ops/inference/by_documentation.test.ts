import { describe, expect, it } from 'vitest';
import { type Attribute, intAttribute, stringAttribute } from '../../../../src/ir/attribute.js';
import { symbol } from '../../../../src/ir/dim.js';
import { int64Tensor, tensorFromData } from '../../../../src/ir/tensor.js';
import { type Given, inferOne, type Size, typed } from './infer_one.js';

const x = (sizes?: readonly Size[]) => typed('float', sizes);
const half = (sizes?: readonly Size[]) => typed('float16', sizes);
const int8 = (sizes?: readonly Size[]) => typed('int8', sizes);
const int32 = (sizes?: readonly Size[]) => typed('int32', sizes);
const ints = (values: Readonly<Record<string, number>>): Attribute[] =>
  Object.entries(values).map(([name, value]) => intAttribute(name, value));
const infer = (opType: string, inputs: readonly Given[], outputs = 1, attributes: readonly Attribute[] = []) =>
  inferOne(opType, inputs, { domain: 'com.microsoft', outputs, attributes });

/** ONNX Runtime's build for the CPU has no kernels for these: what is expected was derived from the documentation. */
describe('operators without a kernel on the CPU, by their documentation', () => {
  it('multiply weights packed in blocks', () => {
    const bytes = typed('uint8', [8, 'k']);
    const fp4 = (sizes: readonly Size[]) => infer('MatMulBlockQuantizedFp4Weight', [half(sizes), bytes]).types;
    expect(fp4(['B', 'S', null])).toEqual(['float16[B, S, 8]']);
    const fp8 = (a: Given, b: Given) => infer('MatMulBlockQuantizedFp8Weight', [a, b]);
    expect(fp8(half(['B', 'K']), typed('float8e4m3fn', ['N', 'K'])).types).toEqual(['float16[B, N]']);
    expect(fp8(half(['B', 'K']), typed('float8e4m3fn')).types).toEqual(['float16[B, ?]']);
    expect(fp8(half([2, 3]), typed('float8e4m3fn', [8, 4])).codes).toEqual(['infer/matmul']);
    expect(infer('MatMulBlockQuantizedFp4Weight', [half([2, 7]), typed('uint8', [8, 4])]).codes).toEqual([
      'infer/matmul',
    ]);
  });

  it('transform signals to half as many frequencies and back', () => {
    expect(infer('Rfft', [x(['B', 16])]).types).toEqual(['float[B, 9, 2]']);
    expect(infer('Irfft', [x(['B', 9, 2])], 1, ints({ signal_ndim: 1 })).types).toEqual(['float[B, 16]']);
    expect(infer('Rfft', [x(['B', 16, 16])], 1, ints({ signal_ndim: 2 })).types).toEqual(['float[?, ?, ?, 2]']);
    expect(infer('Rfft', [x([])]).codes).toEqual(['infer/rank']);
  });

  it('look up rows of a table', () => {
    expect(infer('TorchEmbedding', [x(['N', 'M']), typed('int64', ['B', 'S'])]).types).toEqual(['float[B, S, M]']);
    expect(infer('TorchEmbedding', [x(['N']), typed('int64', ['B'])]).codes).toEqual(['infer/rank']);
  });

  it('keep shapes and strides of what they pack', () => {
    const packed = infer('QuantizeBFP', [x(['A', 3])], 3);
    expect(packed.types).toEqual(['uint8[?]', 'int64[2]', 'int64[2]']);
    expect(packed.contents).toEqual([undefined, 'A, 3', undefined]);
    const bytes = typed('uint8', ['n']);
    const unpacked = (shape: Given) => infer('DequantizeBFP', [bytes, shape, 'untyped'], 1, ints({ dtype: 10 })).types;
    expect(unpacked(int64Tensor([4, 5]))).toEqual(['float16[4, 5]']);
    expect(unpacked(typed('int64', [2]))).toEqual(['float16[?, ?]']);
    expect(infer('DequantizeWithOrder', [int8(['A', 3])], 1, ints({ to: 10 })).types).toEqual(['float16[A, 3]']);
    expect(infer('DequantizeWithOrder', [int8(['A'])], 1, ints({ to: 1 })).types).toEqual(['float[*]']);
  });

  it('rotate queries and keys, check numbers and multiply complex ones', () => {
    const rotated = [x(['B', 'S', 8]), half(['B', 2, 'S', 8]), half(), half(['B', 1, 'S', 8]), half()];
    expect(infer('GemmaRotaryEmbedding', rotated, 2).types).toEqual(['float16[B, 2, S, 8]', 'float16[B, 1, S, 8]']);
    expect(infer('IsAllFinite', [x(['A']), x()]).types).toEqual(['bool[]']);
    expect(infer('ComplexMul', [x(['A', 2]), x(['A', 2])]).types).toEqual(['float[A, 2]']);
    expect(infer('ComplexMulConj', [x(['A', 2]), x([2])]).types).toEqual(['float[*]']);
  });

  it('attend with projections in integers', () => {
    const given: Given[] = Array.from({ length: 18 }, () => 'untyped');
    given[0] = int8(['B', 'S', 16]);
    given[7] = int8([16, 'H']);
    given[13] = x([32]);
    expect(infer('QOrderedAttention', given).types).toEqual(['int8[B, S, 32]']);
    given[7] = int8([16, 8]);
    expect(infer('QOrderedAttention', given).codes).toEqual(['infer/attention']);
    expect(infer('QOrderedLongformerAttention', [int8(['B', 'S', 16])]).types).toEqual(['int8[B, S, 16]']);
  });

  it('attend to pages of keys and values, which they write in place', () => {
    const heads = ints({ num_heads: 4, kv_num_heads: 2 });
    const cache = int8(['N', 16, 2, 8]);
    const paged = (query: Given, key: Given, attributes = heads) =>
      infer('PagedAttention', [query, key, key, cache, cache], 3, attributes).types;
    expect(paged(half(['T', 32]), half(['T', 16]))).toEqual([
      'float16[T, 32]',
      ...['int8[N, 16, 2, 8]', 'int8[N, 16, 2, 8]'],
    ]);
    expect(paged(half(['T', 64]), null)[0]).toBe('float16[T, 32]');
    const latent = [...heads, stringAttribute('kv_cache_layout', 'LATENT')];
    expect(paged(half(['T', 64]), null, latent)[0]).toBe('float16[T, ?]');
    expect(paged(half(['T', 64]), null, [...latent, intAttribute('v_head_size', 6)])[0]).toBe('float16[T, 24]');
    expect(infer('PagedAttention', [half(['T', 63]), null, null], 1, heads).codes).toEqual(['infer/attention']);
  });

  it('carry states of sequences that lie behind each other', () => {
    const given = [half(['T', 'C']), half(['C', 1, 4]), int32(['n']), null, half(['B', 'C', null]), int32(['B'])];
    const attributes = ints({ dilation: 2, state_update_capacity: 3 });
    expect(infer('VarlenCausalConvWithState', given, 3, attributes).types).toEqual([
      'float16[T, C]',
      'float16[B, C, 6]',
      'float16[B, 3, C]',
    ]);
    const short = [half(['T', 3]), half([4, 1, 4]), int32(), null, half()];
    expect(infer('VarlenCausalConvWithState', short).codes).toEqual(['infer/size']);
  });

  it('keep a matrix a head of sequences that lie behind each other', () => {
    const tokens = [half(['T', 2, 8]), half(['T', 2, 8]), half(['T', 6, 4])];
    const given = [...tokens, null, null, null, x(['B', 6, 4, 8])];
    expect(infer('GatedDeltaNet', given, 3, ints({ state_update_capacity: 2 })).types).toEqual([
      'float16[T, 6, 4]',
      'float[B, 6, 4, 8]',
      'float[B, 92]',
    ]);
    const batched = [half(['B', 'S', 2, 8]), half(), half([null, null, 6, 4])];
    expect(infer('GatedDeltaNet', batched, 2).types).toEqual(['float16[B, S, 6, 4]', 'float[B, 6, 4, 8]']);
    expect(infer('GatedDeltaNet', [half([1, 2, 3]), half([1, 2, 4]), half()]).codes).toEqual(['infer/size']);
    expect(infer('GatedDeltaNet', [half([1, 2]), half(), half()]).codes).toEqual(['infer/attention']);
  });
});

describe('windows of states, which only other devices have, by their documentation', () => {
  it('stand in front of the states of a convolution', () => {
    const given = [x(['B', 'L', 'C']), x([3, 1, 4]), null, x([2, 'B', 6, 3])];
    const attributes = ints({ channels_last: 1, dilation: 2, state_window: 2 });
    expect(infer('CausalConvWithState', given, 2, attributes).types).toEqual(['float[B, L, C]', 'float[2, B, 6, C]']);
    expect(infer('CausalConvWithState', [x(['B', 'C', 'H', 'W']), x()], 2, ints({ ndim: 2 })).types).toEqual([
      'float[B, C, H, W]',
      'float[*]',
    ]);
    expect(infer('CausalConvWithState', [x([1, 2]), x([2, 1, 3])]).codes).toEqual(['infer/rank']);
    expect(infer('CausalConvWithState', [x([1, 2, 5]), x([3, 1, 3])]).codes).toEqual(['infer/size']);
  });

  it('stand in front of the states of attention', () => {
    const given = [half(['B', 'T', 8]), half(['B', 'T', 4]), half(['B', 'T', 6]), x([3, 'B', 2, 2, 3])];
    const attributes = ints({ q_num_heads: 4, kv_num_heads: 2, state_window: 3 });
    expect(infer('LinearAttention', given, 2, attributes).types).toEqual(['float16[B, T, 12]', 'float[3, B, 2, 2, 3]']);
    const none = ints({ q_num_heads: 0, kv_num_heads: 2 });
    expect(infer('LinearAttention', given.slice(0, 3), 2, none).codes).toEqual(['infer/heads']);
  });
});

describe('operators whose data cannot be made here, by their documentation', () => {
  it('multiply a sparse matrix, or a blob of weights of the sizes given', () => {
    const sparse = { kind: 'sparse', dtype: 'float', shape: [symbol('K'), symbol('M')] } as const;
    expect(infer('SparseToDenseMatMul', [sparse, x(['K', 5])], 1, ints({ transA: 1 })).types).toEqual(['float[M, 5]']);
    const blob = typed('uint8', ['n']);
    expect(infer('MatMulFpQ4', [x(['B', 'S', 32]), blob, int64Tensor([32, 8])]).types).toEqual(['float[B, S, 8]']);
    expect(infer('MatMulFpQ4', [x(['B', 32]), blob, typed('int64', [2])]).types).toEqual(['float[B, ?]']);
    expect(infer('MatMulFpQ4', [x([2, 31]), blob, int64Tensor([32, 8])]).codes).toEqual(['infer/matmul']);
  });
});

describe('com.microsoft operators that contradict themselves', () => {
  const cases: readonly (readonly [string, readonly Given[], string, (readonly Attribute[])?])[] = [
    ['CDist', [x([3, 4]), x([5, 6])], 'infer/rank'],
    ['DynamicTimeWarping', [x([2, 3, 4])], 'infer/rank'],
    ['ExpandDims', [x([2, 3]), tensorFromData('int32', [], Int32Array.of(3))], 'infer/axis'],
    ['Inverse', [x([2, 3])], 'infer/square'],
    ['Unique', [x([2, 3])], 'infer/rank'],
    ['UnfoldTensor', [x([2, 3])], 'infer/axis', ints({ size: 4 })],
    ['UnfoldTensor', [x([2, 3])], 'infer/axis', ints({ size: 2, dim: 2 })],
    ['Tokenizer', [typed('string', [1, 2, 3])], 'infer/rank'],
    ['WordConvEmbedding', [int32([2, 3]), x([2])], 'infer/rank'],
    ['GatherBlockQuantized', [typed('uint4', [4, 4]), int32([2]), x()], 'infer/axis', ints({ gather_axis: 2 })],
    ['NGramHashMapping', [int32([2, 3])], 'infer/sequence', ints({ max_ngram_size: 1, n_head_per_ngram: 1 })],
    ['EngramGate', [x([1, 2, 3, 4]), x([1, 2, 3, 5]), x([1, 2, 4])], 'infer/attention'],
    ['Pad', [x([2, 3]), int64Tensor([1, 2])], 'infer/pads'],
    ['CropAndResize', [x(), x([2, 4]), int32([3]), int32([2])], 'infer/batch'],
  ];
  for (const [index, [opType, inputs, code, attributes = []]] of cases.entries()) {
    it(`${opType} reports ${code}: case ${index}`, () => {
      expect(infer(opType, inputs, 1, attributes).codes).toEqual([code]);
    });
  }
});
