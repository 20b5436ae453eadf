import { describe, expect, it } from 'vitest';
import { type Attribute, intAttribute, stringAttribute } from '../../../../src/ir/attribute.js';
import {
  elementCount,
  floatTensor,
  int64Tensor,
  type Tensor,
  tensorFromBytes,
  tensorFromData,
  tensorFromStrings,
} from '../../../../src/ir/tensor.js';
import { pseudoRandom } from '../../../build_model.js';
import { inferAndRun, type RunInput } from './infer_and_run.js';
import type { Size } from './infer_one.js';

const floats = (dims: readonly number[], seed = 1): Tensor => floatTensor(pseudoRandom(elementCount(dims), seed), dims);
const x = (sizes: readonly Size[], ...dims: number[]): RunInput => [sizes, floats(dims)];
const int32 = (values: readonly number[], dims: readonly number[] = [values.length]): Tensor =>
  tensorFromData('int32', dims, Int32Array.from(values));
const ids = (sizes: readonly Size[], values: readonly number[], dims: readonly number[]): RunInput => [
  sizes,
  int64Tensor(values, dims),
];
const bytes = (dtype: 'uint4' | 'uint8', dims: readonly number[]): Tensor => {
  const count = elementCount(dims) / (dtype === 'uint4' ? 2 : 1);
  return tensorFromBytes(dtype, dims, new Uint8Array(count).fill(0x53));
};
const words = (dims: readonly number[], texts: readonly string[]): Tensor =>
  tensorFromStrings(
    dims,
    texts.map((text) => new TextEncoder().encode(text)),
  );
const ints = (values: Readonly<Record<string, number>>): Attribute[] =>
  Object.entries(values).map(([name, value]) => intAttribute(name, value));

type Case = readonly [
  opType: string,
  inputs: readonly RunInput[],
  types: readonly string[],
  attributes?: readonly Attribute[],
];

const square = floatTensor([2, 1, 1, 3, 5, 1, 1, 2], [2, 2, 2]);

function attentionLstm(): RunInput[] {
  const attention = [floats([1, 2, 3]), floats([1, 4, 3]), floats([1, 3]), floats([2, 5, 4]), int32([5, 4])];
  const cell = [x(['S', 'B', 'I'], 3, 2, 4), floats([1, 8, 8]), floats([1, 8, 2])];
  return [...cell, null, null, null, null, null, ...attention];
}

const bifurcation = (): RunInput[] => [
  ids(['S'], [1, 5, 3, 4], [4]),
  ids(['C'], [2], [1]),
  int64Tensor([0], []),
  ids(['P'], [1, 5, 3, 2, 1], [5]),
];

const crops = (size: RunInput): RunInput[] => [
  x(['N', 'C', 'H', 'W'], 2, 3, 8, 8),
  [['R', 4], floatTensor([0, 0, 1, 1, 0.2, 0.2, 0.7, 0.9, 0, 0, 0.5, 0.5], [3, 4])],
  [['R'], int32([0, 1, 1])],
  size,
];

const quantized = (dtype: 'uint4' | 'uint8', dims: readonly number[], scales: readonly number[]): RunInput[] => [
  bytes(dtype, dims),
  ids(['I', 'J'], [0, 3, 7, 1, 2, 2], [2, 3]),
  floats(scales),
];

/** Heads of queries and keys of 2 elements, of values of 3. */
const linear = (queries: number, keys: number): RunInput[] => [
  x(['B', 'T', queries * 2], 1, 3, queries * 2),
  x(['B', 'T', keys * 2], 1, 3, keys * 2),
  x(['B', 'T', keys * 3], 1, 3, keys * 3),
];

const hashes = (past: RunInput): RunInput[] => [
  ids(['B', 'S'], [1, 2, 3, 4, 5, 6], [2, 3]),
  int64Tensor([3, 5, 7]),
  int64Tensor([11, 13, 17, 19, 23, 29]),
  past,
];

function ngrams(): Attribute[] {
  return ints({ max_ngram_size: 3, n_head_per_ngram: 3, pad_id: 0 });
}

function tokens(): Attribute[] {
  const separators: Attribute = { name: 'separators', kind: 'strings', value: [new TextEncoder().encode(' ')] };
  return [separators, stringAttribute('pad_value', '#'), ...ints({ mark: 0, mincharnum: 1 })];
}

const cases: readonly Case[] = [
  ['AttnLSTM', attentionLstm(), ['float[S, 1, B, 2]', 'float[1, B, 2]', 'float[1, B, 2]'], ints({ hidden_size: 2 })],
  ['BifurcationDetector', bifurcation(), ['int64[?]', 'int64[*]']],
  ['CDist', [x(['M', 'N'], 3, 4), x(['K', 4], 5, 4)], ['float[M, K]'], [stringAttribute('metric', 'euclidean')]],
  [
    'CausalConvWithState',
    [x(['B', 'C', 'L'], 2, 3, 5), x(['C', 1, 'k'], 3, 1, 4), null, x(['B', 'C', null], 2, 3, 3)],
    ['float[B, C, L]', 'float[B, C, k - 1]'],
  ],
  [
    'CausalConvWithState',
    [x(['B', 'L', 'C'], 2, 5, 3), floats([3, 1, 4])],
    ['float[B, L, C]', 'float[B, 6, C]'],
    ints({ channels_last: 1, dilation: 2 }),
  ],
  ['CropAndResize', crops(int32([2, 5])), ['float[R, C, 2, 5]']],
  ['CropAndResize', crops([[2], int32([2, 5])]), ['float[R, C, ?, ?]']],
  ['DynamicTimeWarping', [x(['M', 'N'], 3, 4)], ['int32[2, ?]']],
  [
    'EngramGate',
    [
      x(['B', 'S', 2, 'D'], 1, 3, 2, 4),
      x([null, null, 'H', null], 1, 3, 2, 4),
      x(['B', 'S', 'D'], 1, 3, 4),
      floats([2, 4]),
      floats([2, 4]),
    ],
    ['float[B, S, 2, D]'],
  ],
  ['ExpandDims', [x(['A', 'B'], 2, 3), int32([-1], [])], ['float[A, B, 1]']],
  ['ExpandDims', [x(['A', 'B'], 2, 3), int32([1], [])], ['float[A, 1, B]']],
  ['ExpandDims', [x(['A', 'B'], 2, 3), [[], int32([0], [])]], ['float[?, ?, ?]']],
  ['GatherBlockQuantized', quantized('uint4', [8, 32], [8, 2]), ['float[I, J, 32]'], ints({ block_size: 16 })],
  ['GatherBlockQuantized', quantized('uint8', [8, 16], [8, 2]), ['float[I, J, 32]'], ints({ block_size: 16 })],
  ['GatherBlockQuantized', quantized('uint8', [8, 32], [8, 2]), ['float[I, J, 32]'], ints({ block_size: 16, bits: 8 })],
  ['GatherBlockQuantized', quantized('uint8', [8, 8], [8, 2]), ['float[I, J, 32]'], ints({ block_size: 16, bits: 2 })],
  [
    'GatherBlockQuantized',
    quantized('uint4', [3, 8, 32], [3, 8, 2]),
    ['float[3, I, J, 32]'],
    ints({ block_size: 16, gather_axis: 1, quantize_axis: 2 }),
  ],
  ['GatherND', [x(['A', 'B', 'C'], 2, 3, 4), ids(['I', 2], [0, 1, 1, 2], [2, 2])], ['float[I, C]']],
  ['GridSample', [x(['N', 'C', 'H', 'W'], 2, 3, 4, 5), x(['N', 'P', 'Q', 2], 2, 6, 7, 2)], ['float[N, C, P, Q]']],
  ['Inverse', [[['B', 'M', 'M'], square]], ['float[B, M, M]']],
  [
    'LinearAttention',
    linear(4, 2),
    ['float[B, T, 12]', '?[B, 2, 2, 3]'],
    [...ints({ q_num_heads: 4, kv_num_heads: 2 }), stringAttribute('update_rule', 'linear')],
  ],
  [
    'LinearAttention',
    linear(2, 4),
    ['float[B, T, 12]', '?[B, 4, 2, 3]'],
    [...ints({ q_num_heads: 2, kv_num_heads: 4 }), stringAttribute('update_rule', 'linear')],
  ],
  [
    'LinearAttentionGate',
    [x(['B', 'T', 'H'], 1, 2, 3), floats([3]), floats([3]), x(['B', 'T', 'H'], 1, 2, 3)],
    ['float[B, T, H]', 'float[B, T, H]'],
  ],
  ['MurmurHash3', [ids(['A', 'B'], [1, 2, 3, 4], [2, 2])], ['uint32[A, B]']],
  ['MurmurHash3', [x(['A', 'B'], 2, 2)], ['int32[A, B]'], ints({ positive: 0 })],
  ['MurmurHash3', [[['A', 'B'], words([1, 2], ['one', 'two'])]], ['uint32[A, B]']],
  ['NGramHashMapping', hashes(null), ['int64[B, S, 6]', 'int64[B, 2]'], ngrams()],
  ['NGramHashMapping', hashes(ids(['B', null], [1, 2, 3, 4], [2, 2])), ['int64[B, S, 6]', 'int64[B, 2]'], ngrams()],
  [
    'NGramRepeatBlock',
    [ids(['B', 'S'], [1, 2, 1], [1, 3]), x(['B', 'V'], 1, 5)],
    ['float[B, V]'],
    ints({ ngram_size: 2 }),
  ],
  ['Pad', [x(['A', 3], 2, 3), int64Tensor([1, 0, 2, -1])], ['float[A + 3, 2]']],
  ['Pad', [x(['A', 3], 2, 3), int64Tensor([1, 0, 2, 4], [1, 4])], ['float[A + 3, 7]']],
  ['Pad', [x(['A', 3], 2, 3), ids([null, null], [1, 0, 2, 4], [1, 4])], ['float[?, ?]']],
  ['Range', [int64Tensor([1], []), int64Tensor([8], []), int64Tensor([3], [])], ['int64[3]']],
  ['Range', [int64Tensor([1]), int64Tensor([8])], ['int64[7]']],
  ['Range', [int64Tensor([8]), int64Tensor([1])], ['int64[0]']],
  ['Range', [floatTensor([0.5], []), floatTensor([3], []), floatTensor([1], [])], ['float[3]']],
  ['Range', [ids([], [2], []), int64Tensor([8], [])], ['int64[?]']],
  ['SampleOp', [x(['A', 'B'], 2, 3)], ['float[A, B]']],
  ['Tokenizer', [[['C'], words([2], ['a bc', 'd e f'])]], ['string[*]'], tokens()],
  ['Tokenizer', [[[2], words([2], ['a bc', 'd e f'])]], ['string[2, ?]'], tokens()],
  ['Tokenizer', [[[1, 2], words([1, 2], ['a bc', 'd e f'])]], ['string[1, 2, ?]'], tokens()],
  ['Tokenizer', [[['C'], words([0], [])]], ['string[*]'], tokens()],
  ['UnfoldTensor', [x(['A', 'L'], 2, 9)], ['float[A, floor(L/2) - 1, 4]'], ints({ size: 4, step: 2 })],
  ['UnfoldTensor', [x(['L', 'A'], 9, 2)], ['float[L - 2, A, 3]'], ints({ size: 3, dim: 0 })],
  ['Unique', [x(['N'], 5)], ['float[?]', 'int64[N]', 'int64[?]']],
  [
    'WordConvEmbedding',
    [[['W', 'L'], int32([1, 2, 3, 1, 2, 3], [2, 3])], x(['F', 1, 2, 4], 5, 1, 2, 4), floats([5]), floats([6, 4])],
    ['float[W, F]'],
  ],
];

describe('what is inferred of com.microsoft operators', () => {
  for (const [index, [opType, inputs, types, attributes = []]] of cases.entries()) {
    it(`${opType} is what ONNX Runtime computes: case ${index}`, async () => {
      const result = await inferAndRun(opType, inputs, { attributes, outputs: types.length });
      expect(result).toEqual({ types, wrong: [] });
    });
  }
});
