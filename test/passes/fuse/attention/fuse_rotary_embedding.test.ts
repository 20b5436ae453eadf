import { describe, expect, it } from 'vitest';
import { intAttribute, intsAttribute } from '../../../../src/ir/attribute.js';
import type { Value } from '../../../../src/ir/graph.js';
import { int64Tensor } from '../../../../src/ir/tensor.js';
import { fuseRotaryEmbedding } from '../../../../src/passes/fuse/attention/fuse_rotary_embedding.js';
import { rewritePass } from '../../../../src/passes/rewrite/driver.js';
import { eliminateDeadNodes } from '../../../../src/passes/simplify/eliminate_dead_nodes.js';
import {
  applyPass,
  largestDifference,
  ModelBuilder,
  operatorsOf,
  randomTensor,
  reasonsOf,
} from '../../../build_model.js';

const pass = rewritePass('fuse', 'test', [fuseRotaryEmbedding]);

/** Two products of numbers up to 1, added: a rounding or two. */
const tolerance = 5e-7;

const [heads, size] = [2, 8];

const last = { attributes: [intAttribute('axis', -1)] };

type Halves = (b: ModelBuilder, x: Value) => readonly [Value, Value];

const halves: Record<string, Halves> = {
  Slice: (b, x) => {
    const at = (name: string, value: number | bigint) => b.constant(name, int64Tensor([value]));
    const [zero, middle, end, axis] = [at('zero', 0), at('middle', size / 2), at('end', 2n ** 63n - 1n), at('axis', 3)];
    return [b.op('Slice', [x, zero, middle, axis]), b.op('Slice', [x, middle, end, axis])];
  },
  Split: (b, x) => {
    const sizes = b.constant('sizes', int64Tensor([size / 2, size / 2]));
    return b.ops('Split', [x, sizes], { ...last, outputs: 2 }) as [Value, Value];
  },
};

type Options = { readonly anglesBatch?: number | string; readonly fromRank3?: boolean; readonly swapped?: boolean };

function build(split: Halves, { anglesBatch = 1, fromRank3 = false, swapped = false }: Options = {}) {
  const b = new ModelBuilder(17);
  b.editor.setOpsetImport('com.microsoft', 1);
  const angles = b.input('angles', [anglesBatch, 'S', size / 2]);
  const both = b.op('Concat', [angles, angles], last);
  const one = b.constant('one', int64Tensor([1]));
  const wave = (opType: string) => b.op('Unsqueeze', [b.op(opType, [both]), one]);
  const [cos, sin] = [wave('Cos'), wave('Sin')];
  let x: Value;
  if (fromRank3) {
    const shape = b.constant('shape', int64Tensor([0, 0, heads, size]));
    x = b.op('Transpose', [b.op('Reshape', [b.input('x', ['B', 'S', heads * size]), shape])], {
      attributes: [intsAttribute('perm', [0, 2, 1, 3])],
    });
  } else x = b.input('x', ['B', heads, 'S', size]);
  const [first, second] = split(b, x);
  const turned = b.op('Concat', swapped ? [first, b.op('Neg', [second])] : [b.op('Neg', [second]), first], last);
  b.output(b.op('Add', [b.op('Mul', [x, cos]), b.op('Mul', [turned, sin])]), 'y');
  return b.build();
}

const angles = randomTensor([1, 5, size / 2], 7);

describe('fuse-rotary-embedding', () => {
  for (const [name, split] of Object.entries(halves)) {
    it(`fuses rotation of halves taken by ${name}, with four axes`, async () => {
      const model = build(split);
      const fused = await applyPass((await applyPass(model, pass)).model, eliminateDeadNodes);
      expect(operatorsOf(fused.model)).toEqual(['Squeeze', 'Cos', 'Sin', 'RotaryEmbedding']);
      const feeds = { x: randomTensor([3, heads, 5, size], 1), angles };
      expect(await largestDifference(model, fused.model, feeds)).toBeLessThan(tolerance);
    });

    it(`fuses rotation of halves taken by ${name}, before the heads are split`, async () => {
      const model = build(split, { fromRank3: true });
      const fused = await applyPass((await applyPass(model, pass)).model, eliminateDeadNodes);
      const expected = ['Squeeze', 'Cos', 'Sin', 'RotaryEmbedding', 'Reshape', 'Transpose'];
      expect(operatorsOf(fused.model)).toEqual(expected);
      const feeds = { x: randomTensor([3, 5, heads * size], 1), angles };
      expect(await largestDifference(model, fused.model, feeds)).toBeLessThan(tolerance);
    });
  }

  it('leaves angles that differ between batches, and halves in another order', async () => {
    const { report } = await applyPass(build(halves['Slice']!, { anglesBatch: 'B' }), pass);
    expect(reasonsOf(report)).toEqual(['the angles are not known to be the same for all batches']);
    const { model } = await applyPass(build(halves['Slice']!, { swapped: true }), pass);
    expect(operatorsOf(model)).not.toContain('RotaryEmbedding');
  });
});
