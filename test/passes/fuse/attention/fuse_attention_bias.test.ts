import { describe, expect, it } from 'vitest';
import { intAttribute } from '../../../../src/ir/attribute.js';
import { fuseAttentionBias } from '../../../../src/passes/fuse/attention/fuse_attention_bias.js';
import { rewritePass } from '../../../../src/passes/rewrite/driver.js';
import { applyPass, largestDifference, ModelBuilder, operatorsOf, randomTensor } from '../../../build_model.js';

const pass = rewritePass('fuse', 'test', [fuseAttentionBias]);

/** Softmax of sums of 4 products, averaged over 7 numbers up to 2: a few roundings. */
const tolerance = 2e-6;

const width = 8;

type Options = { readonly biased?: string; readonly dims?: readonly number[]; readonly mask?: boolean };

function build({ biased = 'qkv', dims = [width], mask = false }: Options = {}) {
  const b = new ModelBuilder(17);
  b.editor.setOpsetImport('com.microsoft', 1);
  const operands = ['q', 'k', 'v'].map((name, index) => {
    const x = b.input(name, ['B', name === 'q' ? 'S' : 'T', width]);
    if (!biased.includes(name)) return x;
    const bias = b.constant(`${name}_bias`, randomTensor(dims, index + 5));
    return b.op('Add', index === 1 ? [bias, x] : [x, bias], { outputs: [`${name}_sum`] });
  });
  const more = mask ? [null, null, b.input('mask', ['B', 1, 'S', 'T'])] : [];
  const attended = b.op('MultiHeadAttention', [...operands, ...more], {
    domain: 'com.microsoft',
    attributes: [intAttribute('num_heads', 2)],
  });
  b.output(attended, 'y');
  return { b, model: b.build() };
}

const feeds = {
  q: randomTensor([2, 5, width], 1),
  k: randomTensor([2, 7, width], 2),
  v: randomTensor([2, 7, width], 3),
};

describe('fuse-attention-bias', () => {
  for (const biased of ['qkv', 'qv', 'k']) {
    for (const mask of [false, true]) {
      it(`takes the biases of ${[...biased].join(', ')} along${mask ? ', beside a mask' : ''}`, async () => {
        const { model } = build({ biased, mask });
        const result = await applyPass(model, pass);
        expect(operatorsOf(result.model)).toEqual(['MultiHeadAttention']);
        const all = mask ? { ...feeds, mask: randomTensor([2, 1, 5, 7], 4) } : feeds;
        expect(await largestDifference(model, result.model, all)).toBeLessThan(tolerance);
      });
    }
  }

  it('leaves sums that others read, and constants along another axis', async () => {
    const { b } = build({ biased: 'q' });
    b.output(b.graph.values.get('q_sum')!, 'sum');
    expect(operatorsOf((await applyPass(b.build(), pass)).model)).toEqual(['Add', 'MultiHeadAttention']);
    const rows = build({ biased: 'v', dims: [7, width] }).model;
    expect(operatorsOf((await applyPass(rows, pass)).model)).toEqual(['Add', 'MultiHeadAttention']);
  });
});
