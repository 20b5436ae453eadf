import { describe, expect, it } from 'vitest';
import { findTarget } from '../../../../src/backends/target.js';
import { intAttribute, intsAttribute } from '../../../../src/ir/attribute.js';
import { cloneModel } from '../../../../src/ir/clone.js';
import type { Model, Value } from '../../../../src/ir/graph.js';
import { int64Tensor } from '../../../../src/ir/tensor.js';
import { fuseStandardRotary } from '../../../../src/passes/fuse/attention/fuse_standard_rotary.js';
import { runPipeline } from '../../../../src/passes/pipeline.js';
import { rewritePass } from '../../../../src/passes/rewrite/driver.js';
import { eliminateDeadNodes } from '../../../../src/passes/simplify/eliminate_dead_nodes.js';
import { eliminateIdentities } from '../../../../src/passes/simplify/eliminate_identities.js';
import { mergeChains } from '../../../../src/passes/simplify/merge_chains.js';
import { largestDifference, ModelBuilder, operatorsOf, randomTensor, reasonsOf } from '../../../build_model.js';

const pass = rewritePass('fuse', 'test', [fuseStandardRotary]);

/** Sums of two products of numbers up to 1. */
const tolerance = 1e-6;

const [batch, heads, length, size] = [2, 3, 5, 8];

type Form = {
  readonly opset?: number;
  /** `split`: [batch, heads, length, size]; `turned`: the same, brought behind the length; `joined`: three axes. */
  readonly layout: 'split' | 'turned' | 'joined';
  readonly interleaved?: boolean;
  /** How much of a head is turned. */
  readonly turned?: number;
  readonly anglesOf?: number | string;
  /** Angles swapped in the second part. */
  readonly wrong?: boolean;
};

const lastAxis = { attributes: [intAttribute('axis', -1)] };

function spelled({ opset = 23, layout, interleaved, turned = size, anglesOf = batch, wrong }: Form): Model {
  const b = new ModelBuilder(opset);
  const axes = (name: string, ...values: readonly number[]) => b.constant(name, int64Tensor(values));
  const swap = (value: Value) => b.op('Transpose', [value], { attributes: [intsAttribute('perm', [0, 2, 1, 3])] });
  const input = b.input('x', layout === 'joined' ? [batch, length, heads * size] : [batch, heads, length, size]);
  const x = {
    split: () => input,
    turned: () => swap(input),
    joined: () => b.op('Reshape', [input, axes('h', 0, 0, heads, size)]),
  }[layout]();
  const angles = (name: string) =>
    b.op('Unsqueeze', [b.input(name, [anglesOf, length, turned / 2]), axes(`${name}_a`, layout === 'split' ? 1 : 2)]);
  const [cos, sin] = [angles('cos'), angles('sin')];
  const [head, rest] =
    turned === size ? [x] : b.ops('Split', [x, axes('parts', turned, size - turned)], { ...lastAxis, outputs: 2 });
  const stride = (from: number) =>
    b.op('Slice', [
      head!,
      axes(`f${from}`, from),
      axes(`t${from}`, turned + from),
      axes(`a${from}`, 3),
      axes(`s${from}`, 2),
    ]);
  const [first, second] = interleaved
    ? [stride(0), stride(1)]
    : b.ops('Split', [head!, axes('halves', turned / 2, turned / 2)], { ...lastAxis, outputs: 2 });
  const real = b.op('Sub', [b.op('Mul', [cos, first!]), b.op('Mul', [sin, second!])]);
  const imaginary = b.op('Add', [b.op('Mul', [wrong ? cos : sin, first!]), b.op('Mul', [wrong ? sin : cos, second!])]);
  let result: Value;
  if (interleaved) {
    const columns = [real, imaginary].map((value, at) => b.op('Unsqueeze', [value, axes(`u${at}`, -1)]));
    const dims = layout === 'split' ? [batch, heads, length, turned] : [batch, length, heads, turned];
    result = b.op('Reshape', [b.op('Concat', columns, lastAxis), axes('pairs', ...dims)]);
    if (rest !== undefined) result = b.op('Concat', [result, rest], lastAxis);
  } else {
    result = b.op('Concat', rest === undefined ? [real, imaginary] : [real, imaginary, rest], lastAxis);
  }
  if (layout === 'turned') result = swap(result);
  if (layout === 'joined') result = b.op('Reshape', [result, axes('j', 0, 0, heads * size)]);
  b.output(result, 'y');
  return b.build();
}

const feeds = ({ layout, turned = size }: Form) => ({
  x: randomTensor(layout === 'joined' ? [batch, length, heads * size] : [batch, heads, length, size], 1),
  cos: randomTensor([batch, length, turned / 2], 2),
  sin: randomTensor([batch, length, turned / 2], 3),
});

async function fuse(model: Model, target = 'ort-cpu') {
  const copy = cloneModel(model);
  const steps = [pass, mergeChains, eliminateIdentities, eliminateDeadNodes].map((each) => ({
    pass: each,
    reason: 'test',
  }));
  const report = await runPipeline(copy, steps, { target: findTarget(target), verifyTypes: true });
  return { model: copy, report };
}

describe('fuse-standard-rotary', () => {
  for (const layout of ['split', 'turned', 'joined'] as const) {
    for (const interleaved of [false, true]) {
      for (const turned of [size, 4]) {
        const name = `${layout} heads, ${interleaved ? 'pairs' : 'halves'}, ${turned} of ${size}`;
        it(`writes the rotation back: ${name}`, async () => {
          const form = { layout, interleaved, turned };
          const model = spelled(form);
          const result = await fuse(model);
          expect(operatorsOf(result.model)).toEqual(['RotaryEmbedding']);
          expect(await largestDifference(model, result.model, feeds(form))).toBeLessThan(tolerance);
        });
      }
    }
  }

  it('leaves other sums of products, angles for all batches, older opsets, and targets without the operator', async () => {
    const wrong = await fuse(spelled({ layout: 'split', wrong: true }));
    expect(operatorsOf(wrong.model)).not.toContain('RotaryEmbedding');
    const declined = async (form: Partial<Form>, target?: string) =>
      reasonsOf((await fuse(spelled({ layout: 'split', ...form }), target)).report);
    expect(await declined({ anglesOf: 1 })).toEqual(['the angles are not known to be of each position']);
    expect(await declined({ opset: 22 })).toEqual(['it needs opset 23']);
    expect(await declined({}, 'tensorrt@10')).toEqual(['RotaryEmbedding needs opset 23, and tensorrt@10 takes 22']);
  });
});
