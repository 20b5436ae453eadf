import { describe, expect, it } from 'vitest';
import { intAttribute } from '../../../../src/ir/attribute.js';
import { fuseAffineConv, fuseConvAffine } from '../../../../src/passes/fuse/weights/fuse_conv_affine.js';
import { rewritePass } from '../../../../src/passes/rewrite/driver.js';
import {
  applyPass,
  largestDifference,
  ModelBuilder,
  operatorsOf,
  randomTensor,
  reasonsOf,
} from '../../../build_model.js';

const pass = rewritePass('fuse', 'test', [fuseConvAffine, fuseAffineConv]);

/** Sums of 36 products of numbers up to 1, divided by numbers down to 0.01: float32 roundings of 1000. */
const tolerance = 1e-3;

const feeds = { x: randomTensor([2, 4, 6, 6], 11) };

function build(opType: string, dims: readonly number[], left: boolean, transposed = false) {
  const b = new ModelBuilder();
  const x = b.input('x', ['N', 4, 6, 6]);
  const weight = b.constant('w', randomTensor(transposed ? [4, 3, 3, 3] : [6, 2, 3, 3], 2));
  const attributes = [intAttribute('group', 2)];
  const conv = b.op(transposed ? 'ConvTranspose' : 'Conv', [x, weight, b.constant('b', randomTensor([6], 3))], {
    attributes,
  });
  const operand = b.constant('c', randomTensor(dims, 4));
  b.output(b.op(opType, left ? [operand, conv] : [conv, operand]), 'y');
  return b.build();
}

describe('fuse-conv-affine', () => {
  for (const opType of ['Add', 'Sub', 'Mul', 'Div']) {
    for (const dims of [[1, 6, 1, 1], [6, 1, 1], [], [1]]) {
      it(`folds ${opType} of a constant of shape [${dims}]`, async () => {
        const model = build(opType, dims, false);
        const result = await applyPass(model, pass);
        expect(operatorsOf(result.model)).toEqual(['Conv']);
        expect(await largestDifference(model, result.model, feeds)).toBeLessThan(tolerance);
      });
    }
  }

  it('folds a constant on the left of Add, Mul and Sub into grouped transposed convolutions', async () => {
    for (const opType of ['Add', 'Mul', 'Sub']) {
      const model = build(opType, [6, 1, 1], true, true);
      const result = await applyPass(model, pass);
      expect(operatorsOf(result.model)).toEqual(['ConvTranspose']);
      expect(await largestDifference(model, result.model, feeds)).toBeLessThan(tolerance);
    }
  });

  it('leaves a constant on the left of Div', async () => {
    expect(operatorsOf((await applyPass(build('Div', [6, 1, 1], true), pass)).model)).toEqual(['Conv', 'Div']);
  });

  it('declines constants along another axis, a batch, or a new axis', async () => {
    for (const dims of [[4], [1, 1, 1, 4], [2, 1, 1, 1], [1, 1, 6, 1, 1], [6, 4, 1]]) {
      const { model, report } = await applyPass(build('Mul', dims, false), pass);
      expect(operatorsOf(model)).toEqual(['Conv', 'Mul']);
      expect(reasonsOf(report)).toEqual(['the constant is not one number, or one per channel']);
    }
  });
});
