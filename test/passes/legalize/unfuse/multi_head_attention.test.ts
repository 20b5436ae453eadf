import { describe, expect, it } from 'vitest';
import { floatAttribute, intAttribute } from '../../../../src/ir/attribute.js';
import { randomTensor } from '../../../build_model.js';
import { int32, keeps, type Operand, type Single, unfuses } from './unfused.js';

/** Softmax of sums of 4 products, averaged over up to 9 numbers up to 1: a few roundings. */
const tolerance = 2e-6;

const [batch, heads, queries, keys, size] = [2, 2, 5, 5, 4];
const width = heads * size;
const q = randomTensor([batch, queries, width], 1);
const k = randomTensor([batch, keys, width], 2);
const v = randomTensor([batch, keys, width], 3);
const bias = randomTensor([3 * width], 4);
const scores = randomTensor([batch, heads, queries, keys], 5);
const past = [randomTensor([batch, heads, 3, size], 6), randomTensor([batch, heads, 3, size], 7)];
const padding = int32([1, 1, 1, 0, 0, 1, 1, 1, 1, 1], [batch, keys]);
const named = intAttribute('num_heads', heads);

const of = (inputs: readonly Operand[], more: Partial<Single> = {}): Single => ({
  opType: 'MultiHeadAttention',
  inputs,
  ...more,
  attributes: [named, ...(more.attributes ?? [])],
});

const all = ['y', 'present_key', 'present_value'];

const cases: Record<string, Single> = {
  plain: of([q, k, v]),
  'with a scale': of([q, k, v], { attributes: [floatAttribute('scale', 0.3)] }),
  'with a bias': of([q, k, v, bias]),
  'with scores': of([q, k, v, null, null, scores]),
  'with scores for all batches': of([q, k, v, null, null, randomTensor([1, 1, queries, keys], 8)]),
  'with padding of the keys': of([q, k, v, bias, padding]),
  'with padding of another weight': of([q, k, v, null, padding, scores], {
    attributes: [floatAttribute('mask_filter_value', -5)],
  }),
  'with keys of before': of([q, k, v, null, null, null, ...past], { outputs: all }),
  'with keys of before and scores': of([q, k, v, bias, null, randomTensor([1, heads, queries, keys + 3], 8), ...past], {
    outputs: all,
  }),
  'with keys of four axes': of([q, randomTensor([batch, heads, 7, size], 2), randomTensor([batch, heads, 7, size], 3)]),
  'with values of another size': of([q, k, randomTensor([batch, keys, heads * 3], 3)]),
  'with what it remembers read': of([q, k, v], { outputs: all }),
  causal: of([q, k, v], { opset: 14, attributes: [intAttribute('unidirectional', 1)] }),
  'causal with keys of before': of([q, k, v, null, null, null, ...past], {
    ...{ opset: 14, outputs: all },
    attributes: [intAttribute('unidirectional', 1)],
  }),
};

describe('MultiHeadAttention', () => {
  for (const [name, node] of Object.entries(cases)) {
    for (const opset of [12, 18, 23]) {
      for (const open of [false, true]) {
        it(`is spelled ${name}, in opset ${opset}${open ? ' with open batches' : ''}`, async () => {
          const operators = await unfuses({ ...node, opset: Math.max(opset, node.opset ?? 0), open }, tolerance);
          expect(operators).toContain('Softmax');
        });
      }
    }
  }

  it('carries its scale before the first product', async () => {
    const operators = await unfuses(of([q, k, v]), tolerance);
    expect(operators.indexOf('Mul')).toBeLessThan(operators.indexOf('MatMul'));
  });

  it('stays where it is packed, where its padding is lengths, and without a causal mask to build', async () => {
    expect(await keeps(of([randomTensor([batch, keys, heads, 3, size], 1)]))).toContain('are packed');
    expect(await keeps(of([q, k, v, null, int32([3, 5], [batch])]))).toContain('its padding is not a mask of keys');
    const causal = of([q, k, v], { opset: 13, attributes: [intAttribute('unidirectional', 1)] });
    expect(await keeps(causal)).toContain('opset 14 is the first that makes causal masks');
  });
});
