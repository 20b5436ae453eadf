import { describe, expect, it } from 'vitest';
import { convert, naiveCasts, simplified } from '../../../bench/precision_conversion.js';
import { builtModels, recognizerModel } from '../../../bench/precision_models.js';
import { ModelBuilder, randomTensor } from '../../build_model.js';
import { planOf } from './plan_of.js';

describe('casts', () => {
  // Of norms that are one operator each, a cast on either side is the least there is: what a converter saves that fuses
  // nothing is in the model as it came.
  for (const { name, load } of [recognizerModel(), builtModels()[0]!]) {
    it(`${name}: no more than around every kept operator, and 30 % fewer than that in the model as it came`, async () => {
      const original = load();
      const float = await simplified(original, 'float16');
      const { casts } = await convert(float, 'float16');
      const naive = { simplified: await naiveCasts(float, 'float16'), asItCame: await naiveCasts(original, 'float16') };
      console.info(name, { casts: casts.inserted.length, ...naive });
      expect(casts.inserted.length).toBeLessThanOrEqual(naive.simplified);
      expect(casts.inserted.length).toBeLessThanOrEqual(0.7 * naive.asItCame);
    });
  }

  it('one serves all readers of a value, and one value more for each in the other type', () => {
    const b = new ModelBuilder();
    const weight = b.constant('w', randomTensor([8, 8]));
    const x = b.op('MatMul', [b.input('x', [2, 8]), weight]);
    const ends = [1, 2, 3].map(() => b.op('Exp', [x]));
    for (const [index, end] of ends.entries()) b.output(b.op('MatMul', [end, weight]), `y${index}`, 'float', 2);
    const { casts } = planOf(b.editor.model);
    // Input, three outputs, and the product for all three powers, whose readers stay in float beside them.
    expect(casts).toBe(2);
  });

  it('are none around what only moves data between two nodes in half', () => {
    const b = new ModelBuilder();
    const weight = b.constant('w', randomTensor([8, 8]));
    const moved = b.op('Transpose', [b.op('MatMul', [b.input('x', [8, 8]), weight])]);
    b.output(b.op('MatMul', [moved, weight]), 'y', 'float', 2);
    expect(planOf(b.editor.model).casts).toBe(2);
  });
});
