import { describe, expect, it } from 'vitest';
import { floatAttribute, intAttribute, intsAttribute } from '../../../../src/ir/attribute.js';
import { randomTensor } from '../../../build_model.js';
import { int32, keeps, type Operand, type Single, unfuses } from './unfused.js';

/** Softmax of sums of 4 products of sums of 6, averaged over 5 numbers: a few roundings. */
const tolerance = 4e-6;

const [batch, length, hidden, heads] = [2, 5, 6, 2];
const x = randomTensor([batch, length, hidden], 1);
const weights = { constant: randomTensor([hidden, 24], 2) };
const bias = { constant: randomTensor([24], 3) };
const padding = int32([1, 1, 1, 0, 0, 1, 1, 1, 1, 0], [batch, length]);
const scores = randomTensor([batch, heads, length, length], 4);

const of = (inputs: readonly Operand[], attributes: Single['attributes'] = [], opset = 17): Single => ({
  ...{ opType: 'Attention', inputs, opset },
  attributes: [intAttribute('num_heads', heads), ...(attributes ?? [])],
});

const cases: Record<string, Single> = {
  plain: of([x, weights, bias]),
  'with padding': of([x, weights, bias, padding]),
  'with padding of each query': of([
    ...[x, weights, bias],
    int32(
      Array.from({ length: batch * length * length }, (_, at) => (at % 3 === 1 ? 0 : 1)),
      [batch, length, length],
    ),
  ]),
  'with padding and scores': of([x, weights, bias, padding, null, scores], [floatAttribute('scale', 0.2)]),
  causal: of([x, weights, bias], [intAttribute('unidirectional', 1)]),
  'with values of another size': of(
    [x, { constant: randomTensor([hidden, 22], 2) }, { constant: randomTensor([22], 3) }],
    [intsAttribute('qkv_hidden_sizes', [8, 8, 6])],
  ),
};

describe('Attention of com.microsoft', () => {
  for (const [name, node] of Object.entries(cases)) {
    for (const open of [false, true]) {
      it(`is spelled ${name}${open ? ', with open batches' : ''}`, async () => {
        expect(await unfuses({ ...node, open }, tolerance)).toContain('Softmax');
      });
    }
  }

  it('stays where its padding is lengths, and without a causal mask to build', async () => {
    expect(await keeps(of([x, weights, bias, int32([3, 5], [batch])]))).toContain('its padding is not a mask of keys');
    const causal = of([x, weights, bias], [intAttribute('unidirectional', 1)], 13);
    expect(await keeps(causal)).toContain('opset 14 is the first that makes causal masks');
  });
});
