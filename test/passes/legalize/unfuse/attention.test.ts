import { describe, expect, it } from 'vitest';
import { floatAttribute, intAttribute } from '../../../../src/ir/attribute.js';
import { floatTensor, tensorFromBytes } from '../../../../src/ir/tensor.js';
import { randomTensor } from '../../../build_model.js';
import { keeps, type Operand, type Single, unfuses, without } from './unfused.js';

/** Softmax of sums of 4 products, averaged over up to 9 numbers up to 1: a few roundings. */
const tolerance = 2e-6;

const [batch, heads, queries, keys, size] = [2, 4, 5, 6, 4];
const q = randomTensor([batch, heads, queries, size], 1);
const k = randomTensor([batch, heads, keys, size], 2);
const v = randomTensor([batch, heads, keys, 3], 3);
const joined = [
  randomTensor([batch, queries, heads * size], 1),
  randomTensor([batch, keys, 2 * size], 2),
  randomTensor([batch, keys, 2 * 3], 3),
];
const shared = [randomTensor([batch, 2, keys, size], 2), randomTensor([batch, 2, keys, 3], 3)];
const past = [randomTensor([batch, heads, 3, size], 6), randomTensor([batch, heads, 3, 3], 7)];
const mask = randomTensor([queries, keys], 5);
const seen = tensorFromBytes(
  'bool',
  [queries, keys],
  Uint8Array.from({ length: queries * keys }, (_, at) => (at % 3 === 1 ? 0 : 1)),
);
const counts = [intAttribute('q_num_heads', heads), intAttribute('kv_num_heads', 2)];
const causal = intAttribute('is_causal', 1);

const of = (inputs: readonly Operand[], more: Partial<Single> = {}): Single => ({
  ...{ domain: '', opset: 23, opType: 'Attention', inputs },
  ...more,
});

const all = ['y', 'present_key', 'present_value'];

const cases: Record<string, Single> = {
  plain: of([q, k, v]),
  'of opset 24': of([q, k, v, mask], { opset: 24 }),
  'with a scale and a softcap': of([q, k, v], {
    attributes: [floatAttribute('scale', 0.3), floatAttribute('softcap', 2)],
  }),
  'with a mask': of([q, k, v, mask]),
  'with a mask of booleans': of([q, k, v, seen]),
  'with a mask for each head': of([q, k, v, randomTensor([1, heads, queries, keys], 5)]),
  causal: of([q, k, v], { attributes: [causal] }),
  'causal with keys of before': of([q, k, v, null, ...past], { attributes: [causal], outputs: all }),
  'with keys of before': of([q, k, v, null, ...past], { outputs: all }),
  'with keys of before and a mask': of([q, k, v, randomTensor([queries, keys + 3], 5), ...past], { outputs: all }),
  'with heads that share keys': of([q, ...shared]),
  'of three axes': of(joined, { attributes: counts }),
  'of three axes, causal, with a softcap': of(joined, {
    attributes: [...counts, causal, floatAttribute('softcap', 3)],
  }),
};

describe('Attention', () => {
  for (const [name, node] of Object.entries(cases)) {
    for (const open of [false, true]) {
      it(`is spelled ${name}${open ? ', with open sizes' : ''}`, async () => {
        const operators = await unfuses(
          { ...node, open: open && node.inputs.length === 3 },
          tolerance,
          without('Attention'),
        );
        expect(operators).toContain('Softmax');
      });
    }
  }

  it('gives 0 where a query sees no key, also where it could see what comes later', async () => {
    const numbers = Float32Array.from({ length: queries * keys }, (_, at) =>
      at < keys ? Number.NEGATIVE_INFINITY : 0,
    );
    const bools = Uint8Array.from(numbers, (each) => (each === 0 ? 1 : 0));
    for (const each of [floatTensor(numbers, [queries, keys]), tensorFromBytes('bool', [queries, keys], bools)]) {
      await unfuses(of([q, k, v, each]), tolerance, without('Attention'));
    }
    const later = Uint8Array.from({ length: queries * keys }, (_, at) => (at % keys === 0 ? 0 : 1));
    const node = of([q, k, v, tensorFromBytes('bool', [queries, keys], later)], { attributes: [causal] });
    await unfuses(node, tolerance, without('Attention'));
  });

  it('stays where its scores are read', async () => {
    const read = of([q, k, v], { outputs: ['y', null, null, 'scores'] });
    expect(await keeps(read, without('Attention'))).toContain('its scores are asked for');
  });
});
