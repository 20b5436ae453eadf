import { describe, expect, it } from 'vitest';
import {
  type Attribute,
  floatAttribute,
  intAttribute,
  intsAttribute,
  stringAttribute,
} from '../../../src/ir/attribute.js';
import { Editor } from '../../../src/ir/editor.js';
import { subgraphCosts } from '../../../src/ir/ops/cost/control_flow.js';
import { costRule, nodeCost } from '../../../src/ir/ops/cost/node_cost.js';
import { Inference } from '../../../src/ir/ops/inference/inference.js';
import { allOperatorSchemas, operatorSchema } from '../../../src/ir/ops/operator_schema.js';
import { nodeTraits, operatorTraitTable } from '../../../src/ir/ops/traits.js';
import { floatTensor, int64Tensor, tensorFromData } from '../../../src/ir/tensor.js';
import { costOf, costText, oneNode } from './cost_of.js';
import { typed } from './inference/infer_one.js';

const ms = 'com.microsoft';
const strings = (name: string, values: readonly string[]): Attribute => ({
  name,
  kind: 'strings',
  value: values.map((text) => new TextEncoder().encode(text)),
});

describe('the table of costs', () => {
  // They depend on the data, or on how a kernel does it, in ways that sizes do not tell.
  const unpriced = [
    'DFT',
    'ImageDecoder',
    'MelWeightMatrix',
    'RegexFullMatch',
    'STFT',
    'SequenceMap',
    'StringConcat',
    'StringNormalizer',
    'StringSplit',
    'TfIdfVectorizer',
  ];

  it('prices every operator of the default domain but those that are named here', () => {
    const names = new Set(allOperatorSchemas().flatMap(({ domain, name }) => (domain === '' ? [name] : [])));
    const missing = [...names].filter(
      (name) => costRule('', name) === undefined && !Object.hasOwn(subgraphCosts, name),
    );
    expect(missing.sort()).toEqual(unpriced);
  });

  it('prices every elementwise operator on numbers', () => {
    const elementwise = Object.entries(operatorTraitTable['']!).filter(
      ([, { elementwise }]) => elementwise !== undefined,
    );
    const missing = elementwise.map(([name]) => name).filter((name) => costRule('', name) === undefined);
    expect(missing).toEqual(['RegexFullMatch', 'StringConcat']);
    expect(elementwise.length).toBeGreaterThan(60);
  });

  it('knows nothing of an operator that nobody knows', () => {
    expect(costOf('Frobnicate', [typed('float', [2, 3])])).toEqual(['?', '?', '?', '?']);
    expect(costOf('Relu', [typed('float', [2, 3])], { domain: 'my.ops' })).toEqual(['?', '?', '?', '?']);
    expect(costOf('Gelu', [typed('float', [2, 3])], { opset: 19 })).toEqual(['?', '?', '?', '?']);
    expect(nodeTraits(oneNode('Gelu', [], { opset: 19 }))).toBeUndefined();
    expect(operatorSchema('', 'Gelu', 19)).toBeUndefined();
  });

  it('says what it can where a size is not known', () => {
    expect(costOf('MatMul', [typed('float', [2, null]), typed('float', [null, 3])])).toEqual(['?', '0', '?', '24']);
    expect(costOf('Relu', [typed('float')])).toEqual(['0', '?', '?', '?']);
    // Nothing times what is not known is nothing.
    expect(costOf('Conv', [typed('float', [0, 3, 8, 8]), typed('float', [4, null, 3, 3])])[0]).toBe('0');
  });
});

describe('the cost of convolutions', () => {
  it('is C/group · kernel for each result, and an addition for a bias', () => {
    const x = typed('float', ['n', 4, 8, 8]);
    const w = typed('float', [6, 2, 3, 3]);
    const attributes = [intAttribute('group', 2)];
    // [n, 6, 6, 6]: 216 results of 2·9 products
    expect(costOf('Conv', [x, w], { attributes })).toEqual(['3888*n', '0', '1024*n + 432', '864*n']);
    expect(costOf('Conv', [x, w, typed('float', [6])], { attributes })).toEqual([
      '3888*n',
      '216*n',
      '1024*n + 456',
      '864*n',
    ]);
  });

  it('is M/group · kernel for each element that a transposed one reads', () => {
    const given = [typed('float', [1, 4, 5, 5]), typed('float', [4, 3, 2, 2]), typed('float', [6])];
    // 100 elements meet 3·4 weights; [1, 6, 6, 6] results
    expect(costOf('ConvTranspose', given, { attributes: [intAttribute('group', 2)] })).toEqual([
      '1200',
      '216',
      String(4 * (100 + 48 + 6)),
      '864',
    ]);
  });

  it('counts the requantization of 8-bit ones', () => {
    const scale = typed('float', []);
    const zero = typed('uint8', []);
    const x = typed('uint8', [1, 2, 4, 4]);
    const w = typed('int8', [3, 2, 1, 1]);
    // 48 results: 2 products, 4 operations and a bias each
    expect(
      costOf('QLinearConv', [
        x,
        scale,
        zero,
        w,
        typed('float', [3]),
        typed('int8', [3]),
        typed('float', []),
        zero,
        typed('int32', [3]),
      ]),
    ).toEqual(['96', String(48 * 5), String(32 + 4 + 1 + 6 + 12 + 3 + 4 + 1 + 12), '48']);
    expect(costOf('ConvInteger', [x, w]).slice(0, 2)).toEqual(['96', '0']);
  });

  it('counts what deformable ones interpolate', () => {
    const given = [typed('float', [1, 2, 3, 3]), typed('float', [4, 2, 2, 2]), typed('float', [1, 8, 2, 2])];
    // 16 results of 8 products; 2 channels · 4 places · 4 positions are read between four elements
    expect(costOf('DeformConv', given).slice(0, 2)).toEqual(['128', String(32 * 7)]);
  });

  it('counts the activation of fused ones', () => {
    const given = [typed('float', [1, 2, 4, 4]), typed('float', [3, 2, 1, 1]), typed('float', [3])];
    const fused = (name: string) =>
      costOf('FusedConv', given, { domain: ms, attributes: [stringAttribute('activation', name)] }).slice(0, 2);
    expect(fused('Relu')).toEqual(['96', '96']);
    expect(fused('Sigmoid')).toEqual(['96', String(48 * 5)]);
    expect(fused('Frobnicate')).toEqual(['96', '?']);
  });
});

describe('the cost of matrix products', () => {
  it('is the inner size for each result, batches stretched', () => {
    expect(costOf('MatMul', [typed('float16', ['b', 5, 7]), typed('float16', [7, 3])])).toEqual([
      '105*b',
      '0',
      '70*b + 42',
      '30*b',
    ]);
    expect(costOf('MatMul', [typed('float', [7]), typed('float', [7])])).toEqual(['7', '0', '56', '4']);
    expect(costOf('MatMulInteger', [typed('uint8', [2, 4]), typed('int8', [4, 3])])).toEqual(['24', '0', '20', '24']);
  });

  it('adds what Gemm does with alpha, beta and C', () => {
    const given = [typed('float', [4, 2]), typed('float', [3, 4]), typed('float', [3])];
    const turned = [intAttribute('transA', 1), intAttribute('transB', 1)];
    expect(costOf('Gemm', given, { attributes: turned }).slice(0, 2)).toEqual(['24', '6']);
    const weighted = [...turned, floatAttribute('alpha', 2), floatAttribute('beta', 0.5)];
    expect(costOf('Gemm', given, { attributes: weighted }).slice(0, 2)).toEqual(['24', '15']);
    expect(costOf('Gemm', given, { attributes: [...turned, floatAttribute('beta', 0)] })[1]).toBe('0');
  });

  it('follows the transposed batches of FusedMatMul', () => {
    const given = [typed('float', [5, 2, 4]), typed('float', [2, 5, 3])];
    // [5, 2, 4] read as [2, 4, 5]: 2·4·3 results of 5
    const attributes = [intAttribute('transA', 1), intAttribute('transBatchA', 1)];
    expect(costOf('FusedMatMul', given, { domain: ms, attributes }).slice(0, 2)).toEqual(['120', '0']);
  });

  it('puts packed weights back to numbers', () => {
    const attributes = [
      intAttribute('K', 32),
      intAttribute('N', 8),
      intAttribute('bits', 4),
      intAttribute('block_size', 32),
    ];
    const given = [typed('float', ['t', 32]), typed('uint8', [8, 1, 16]), typed('float', [8])];
    expect(costOf('MatMulNBits', given, { domain: ms, attributes })).toEqual(['256*t', '512', '128*t + 160', '32*t']);
  });

  it('quantizes the left side of DynamicQuantizeMatMul', () => {
    const given = [
      typed('float', [2, 4]),
      typed('int8', [4, 3]),
      typed('float', [1]),
      typed('int8', [1]),
      typed('float', [3]),
    ];
    expect(costOf('DynamicQuantizeMatMul', given, { domain: ms }).slice(0, 2)).toEqual(['24', String(8 * 6 + 6 * 2)]);
  });

  it('contracts Einsum from left to right', () => {
    const einsum = (equation: string, ...shapes: (number | string)[][]) =>
      costOf(
        'Einsum',
        shapes.map((shape) => typed('float', shape)),
        { attributes: [stringAttribute('equation', equation)] },
      ).slice(0, 2);
    expect(einsum('bij,bjk->bik', ['b', 2, 3], ['b', 3, 4])).toEqual(['24*b', '0']);
    expect(einsum('ij,ij->ij', [2, 3], [2, 3])).toEqual(['0', '6']);
    expect(einsum('ij->ji', [2, 3])).toEqual(['0', '0']);
    expect(einsum('ij->i', [2, 3])).toEqual(['0', '6']);
    // k is summed first (2·5), then ij,i
    expect(einsum('ij,ik->j', [2, 3], [2, 5])).toEqual(['6', '10']);
    // [2,3]·[3,4] and [2,4]·[4,5]
    expect(einsum('ij,jk,kl->il', [2, 3], [3, 4], [4, 5])).toEqual([String(24 + 40), '0']);
    expect(einsum('...ij,...jk', [7, 2, 3], [7, 3, 4])).toEqual(['168', '0']);
    expect(einsum('ij,,', [2, 3])).toEqual(['?', '?']);
  });
});

describe('the cost of attention', () => {
  it('is queries · keys · both sizes of a head, and six operations a score', () => {
    const q = typed('float', [2, 3, 5, 8]);
    const k = typed('float', [2, 3, 7, 8]);
    const v = typed('float', [2, 3, 7, 4]);
    const scores = 2 * 3 * 5 * 7;
    expect(costOf('Attention', [q, k, v]).slice(0, 2)).toEqual([String(scores * 12), String(scores * 6)]);
    const attributes = [intAttribute('is_causal', 1), floatAttribute('softcap', 30)];
    const mask = typed('float', [5, 7]);
    expect(costOf('Attention', [q, k, v, mask], { attributes })[1]).toBe(String(scores * 11));
  });

  it('counts keys of before, in symbols', () => {
    const attributes = [intAttribute('q_num_heads', 2), intAttribute('kv_num_heads', 1)];
    const given = [
      typed('float', [1, 1, 16]),
      typed('float', [1, 1, 8]),
      typed('float', [1, 1, 8]),
      null,
      typed('float', [1, 1, 'past', 8]),
      typed('float', [1, 1, 'past', 8]),
    ];
    expect(costOf('Attention', given, { attributes, outputs: 3 })[0]).toBe('32*past + 32');
  });

  it('projects the input of com.microsoft ones', () => {
    const given = [typed('float', [1, 's', 16]), typed('float', [16, 48]), typed('float', [48])];
    const attributes = [intAttribute('num_heads', 4)];
    expect(costOf('Attention', given, { domain: ms, attributes }).slice(0, 2)).toEqual([
      '32*s*s + 768*s',
      '24*s*s + 48*s',
    ]);
    const quantized = [
      typed('uint8', [1, 's', 16]),
      typed('int8', [16, 48]),
      typed('float', [48]),
      typed('float', []),
      typed('float', []),
    ];
    expect(costOf('QAttention', quantized, { domain: ms, attributes })[0]).toBe('32*s*s + 768*s');
  });

  it('takes the forms of MultiHeadAttention', () => {
    const attributes = [intAttribute('num_heads', 2)];
    const options = { domain: ms, attributes };
    const q = typed('float', [1, 3, 8]);
    const k = typed('float', [1, 5, 8]);
    expect(costOf('MultiHeadAttention', [q, k, k], options).slice(0, 2)).toEqual([String(30 * 8), String(30 * 6)]);
    const heads = typed('float', [1, 2, 5, 4]);
    expect(costOf('MultiHeadAttention', [q, heads, heads], options)[0]).toBe(String(30 * 8));
    expect(costOf('MultiHeadAttention', [typed('float', [1, 3, 2, 3, 4])], options)[0]).toBe(String(18 * 8));
  });

  it('reads the length of grouped keys from their count, or does not know', () => {
    const attributes = [intAttribute('num_heads', 4), intAttribute('kv_num_heads', 2)];
    const options = { domain: ms, attributes, outputs: 3 };
    const q = typed('float', [1, 3, 32]);
    const k = typed('float', [1, 3, 16]);
    const lengths = typed('int32', [1]);
    const total = tensorFromData('int32', [], Int32Array.of(9));
    const given = [q, k, k, null, null, lengths];
    expect(costOf('GroupQueryAttention', [...given, total], options).slice(0, 2)).toEqual([
      String(4 * 3 * 9 * 16),
      String(4 * 3 * 9 * 7),
    ]);
    expect(costOf('GroupQueryAttention', [...given, typed('int32', [])], options)[0]).toBe('?');
  });

  it('follows the state of LinearAttention', () => {
    const linear = (rule: string) =>
      costOf(
        'LinearAttention',
        [
          typed('float', [1, 's', 8]),
          typed('float', [1, 's', 4]),
          typed('float', [1, 's', 6]),
          null,
          typed('float', [1, 's', 1]),
          typed('float', [1, 's', 1]),
        ],
        {
          opset: 27,
          outputs: 2,
          attributes: [
            stringAttribute('update_rule', rule),
            intAttribute('q_num_heads', 2),
            intAttribute('kv_num_heads', 1),
          ],
        },
      ).slice(0, 2);
    // A state of 4·6; two queries read it, one update writes it; 2·6 results a token are scaled.
    expect(linear('linear')).toEqual([`${24 * 3}*s`, '12*s']);
    expect(linear('gated_delta')).toEqual([`${24 * 4}*s`, `${12 + 24 + 1 + 12}*s`]);
  });
});

describe('the cost of recurrent operators', () => {
  const x = typed('float', ['t', 2, 3]);
  const hidden = [intAttribute('hidden_size', 4)];

  it('is gates · hidden · (input + hidden) a step and direction', () => {
    const lstm = [x, typed('float', [1, 16, 3]), typed('float', [1, 16, 4])];
    // 8 units a step: 4 sums, 3 + 1 for the cell, three sigmoids and two tanhs
    expect(costOf('LSTM', lstm, { attributes: hidden }).slice(0, 2)).toEqual([
      `${2 * 16 * 7}*t`,
      `${8 * (4 + 4 + 12 + 2)}*t`,
    ]);
    expect(costOf('LSTM', [...lstm, typed('float', [1, 32])], { attributes: hidden })[1]).toBe(`${8 * 26}*t`);
    const gru = [x, typed('float', [1, 12, 3]), typed('float', [1, 12, 4])];
    expect(costOf('GRU', gru, { attributes: hidden }).slice(0, 2)).toEqual([`${2 * 12 * 7}*t`, `${8 * (8 + 9)}*t`]);
  });

  it('doubles in both directions, and follows the activations that are named', () => {
    const given = [x, typed('float', [2, 4, 3]), typed('float', [2, 4, 4])];
    const both = [...hidden, stringAttribute('direction', 'bidirectional')];
    expect(costOf('RNN', given, { attributes: both }).slice(0, 2)).toEqual([`${2 * 2 * 4 * 7}*t`, `${16 * 2}*t`]);
    const named = [...both, strings('activations', ['Relu', 'Sigmoid'])];
    expect(costOf('RNN', given, { attributes: named })[1]).toBe(`${16 + 8 * 1 + 8 * 4}*t`);
    expect(costOf('RNN', given, { attributes: [...both, strings('activations', ['Relu', 'Mine'])] })[1]).toBe('?');
  });
});

describe('the cost of pooling, reductions and normalizations', () => {
  const x = typed('float', [1, 2, 4, 4]);

  it('counts windows', () => {
    const attributes = [intsAttribute('kernel_shape', [2, 2]), intsAttribute('strides', [2, 2])];
    expect(costOf('MaxPool', [x], { attributes })).toEqual(['0', '32', '128', '32']);
    expect(costOf('AveragePool', [x], { attributes })[1]).toBe('40');
    expect(costOf('LpPool', [x], { attributes })[1]).toBe(String(64 + 8));
    expect(costOf('GlobalAveragePool', [x])[1]).toBe('34');
    expect(costOf('GlobalMaxPool', [x])[1]).toBe('32');
  });

  it('counts what is reduced, and what comes out', () => {
    const axes = int64Tensor([2, 3]);
    expect(costOf('ReduceSum', [x, axes])).toEqual(['0', '32', String(128 + 16), '8']);
    expect(costOf('ReduceMean', [x, axes])[1]).toBe('34');
    expect(costOf('ReduceL2', [x, axes])[1]).toBe('66');
    expect(costOf('ArgMax', [x])[1]).toBe('32');
    expect(costOf('ReduceSum', [x], { attributes: [intAttribute('noop_with_empty_axes', 1)] })[1]).toBe('?');
  });

  it('counts normalizations by element', () => {
    const channels = typed('float', [2]);
    expect(costOf('Softmax', [x])[1]).toBe(String(32 * 5));
    expect(costOf('BatchNormalization', [x, channels, channels, channels, channels])[1]).toBe('64');
    expect(costOf('LayerNormalization', [x, typed('float', [4]), typed('float', [4])])[1]).toBe(String(32 * 7));
    expect(costOf('RMSNormalization', [x, typed('float', [4])])[1]).toBe(String(32 * 4));
    expect(costOf('LRN', [x], { attributes: [intAttribute('size', 3)] })[1]).toBe(String(32 * 8));
    expect(
      costOf('SkipLayerNormalization', [typed('float', [1, 2, 4]), typed('float', [1, 2, 4]), typed('float', [4])], {
        domain: ms,
      })[1],
    ).toBe(String(8 * 7));
  });
});

describe('the cost of elementwise operators', () => {
  it('is a number of operations an element of the result', () => {
    const x = typed('float', ['n', 3]);
    expect(costOf('Add', [x, typed('float', [3])])).toEqual(['0', '3*n', '12*n + 12', '12*n']);
    expect(costOf('Sigmoid', [x])[1]).toBe('12*n');
    expect(costOf('Clip', [x, floatTensor([0], []), null])[1]).toBe('3*n');
    expect(costOf('Gelu', [x], { attributes: [stringAttribute('approximate', 'tanh')] })[1]).toBe('27*n');
    expect(costOf('Sum', [x, x, x])[1]).toBe('6*n');
    expect(costOf('QuickGelu', [x], { domain: ms })[1]).toBe('18*n');
    expect(costOf('BiasGelu', [x, typed('float', [3])], { domain: ms })[1]).toBe('18*n');
    expect(costOf('QuantizeLinear', [x, typed('float', []), typed('uint8', [])])).toEqual([
      '0',
      '12*n',
      '12*n + 5',
      '3*n',
    ]);
  });

  it('turns only part of a head', () => {
    const caches = [typed('float', [9, 2]), typed('float', [9, 2])];
    const options = (turned: number) => ({ attributes: [intAttribute('rotary_embedding_dim', turned)] });
    const x = typed('float', [1, 2, 5, 8]);
    expect(costOf('RotaryEmbedding', [x, ...caches], options(4))[1]).toBe(String(10 * 4 * 3));
    expect(costOf('RotaryEmbedding', [x, ...caches], options(0))[1]).toBe(String(80 * 3));
  });

  it('interpolates along the axes that change', () => {
    const mode = { attributes: [stringAttribute('mode', 'linear')] };
    const scales = floatTensor([1, 1, 2, 2]);
    const x = typed('float', [1, 2, 3, 3]);
    expect(costOf('Resize', [x, null, scales], mode)[1]).toBe(String(72 * 7));
    expect(costOf('Resize', [x, null, floatTensor([1, 1, 1, 2])], mode)[1]).toBe(String(36 * 3));
    expect(costOf('Resize', [x, null, scales])[1]).toBe('0');
    expect(costOf('GridSample', [x, typed('float', [1, 4, 5, 2])])[1]).toBe(String(40 * 7));
    expect(costOf('Det', [typed('float', [2, 3, 3])]).slice(0, 2)).toEqual(['10', '10']);
  });
});

describe('the cost of moving data', () => {
  it('is nothing for views', () => {
    const x = typed('float', ['n', 4]);
    for (const [opType, ...given] of [
      ['Reshape', x, int64Tensor([-1])],
      ['Flatten', x],
      ['Identity', x],
      ['Unsqueeze', x, int64Tensor([0])],
      ['Squeeze', typed('float', ['n', 1]), int64Tensor([1])],
    ] as const) {
      expect(costOf(opType, given), opType).toEqual(['0', '0', '0', '0']);
    }
  });

  it('is bytes, packed below eight bits', () => {
    expect(costOf('Transpose', [typed('int4', [3, 5])])).toEqual(['0', '0', '8', '8']);
    expect(costOf('Transpose', [typed('uint2', ['n', 3])])).toEqual(['0', '0', 'n - floor(n/4)', 'n - floor(n/4)']);
    expect(
      costOf('Concat', [typed('float', [2]), typed('float', [3])], { attributes: [intAttribute('axis', 0)] }),
    ).toEqual(['0', '0', '20', '20']);
    expect(costOf('Transpose', [typed('string', [3])])).toEqual(['0', '0', '?', '?']);
  });

  it('is what Gather and Slice pick, not all there is', () => {
    const table = typed('float16', [30000, 64]);
    expect(costOf('Gather', [table, typed('int64', ['s'])])).toEqual(['0', '0', '136*s', '128*s']);
    expect(costOf('Slice', [table, int64Tensor([0]), int64Tensor([2])])).toEqual(['0', '0', String(256 + 16), '256']);
    expect(costOf('Shape', [table])).toEqual(['0', '0', '0', '16']);
  });

  it('counts an input that stands twice once', () => {
    const editor = new Editor();
    editor.setOpsetImport('', 25);
    const { graph } = editor.model;
    const x = editor.addInput(graph, 'x', typed('float', [4]));
    const node = editor.insertNode({ graph, opType: 'Mul', inputs: [x, x], outputs: 1 });
    expect(costText(nodeCost(node, new Inference(editor.model)))).toEqual(['0', '4', '16', '16']);
  });

  it('does not know how often a sort compares', () => {
    expect(costOf('TopK', [typed('float', [8]), int64Tensor([2])], { outputs: 2 })).toEqual(['0', '?', '40', '24']);
  });
});
