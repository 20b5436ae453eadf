import { describe, expect, it } from 'vitest';
import { intAttribute } from '../../../../src/ir/attribute.js';
import { floatTensor } from '../../../../src/ir/tensor.js';
import { fuseAffineBatchnorm, fuseBatchnormAffine } from '../../../../src/passes/fuse/weights/fuse_batchnorm_affine.js';
import { rewritePass } from '../../../../src/passes/rewrite/driver.js';
import {
  applyPass,
  largestDifference,
  ModelBuilder,
  operatorsOf,
  randomTensor,
  reasonsOf,
} from '../../../build_model.js';

const pass = rewritePass('fuse', 'test', [fuseBatchnormAffine, fuseAffineBatchnorm]);

/** Numbers up to 4, divided by numbers down to 0.05: float32 roundings of 80. */
const tolerance = 5e-5;

const feeds = { x: randomTensor([2, 4, 3, 3], 11) };

function build(opType: string, dims: readonly number[], left = false, attributes = [intAttribute('training_mode', 0)]) {
  const b = new ModelBuilder();
  const statistics = [4, 5, 6].map((seed) => b.constant(`s${seed}`, randomTensor([4], seed)));
  const inputs = [b.input('x', ['N', 4, 3, 3]), ...statistics, b.constant('v', floatTensor([0.5, 1, 1.5, 2]))];
  const training = attributes[0]?.value === 1n;
  const norm = b.op('BatchNormalization', inputs, { attributes, outputs: training ? ['n', 'm1', 'v1'] : ['n'] });
  const operand = b.constant('c', randomTensor(dims, 7));
  b.output(b.op(opType, left ? [operand, norm] : [norm, operand]), 'y');
  return { b, model: b.build() };
}

describe('fuse-batchnorm-affine', () => {
  for (const opType of ['Add', 'Sub', 'Mul', 'Div']) {
    for (const left of opType === 'Div' ? [false] : [false, true]) {
      it(`folds ${opType} of a constant on the ${left ? 'left' : 'right'}`, async () => {
        for (const dims of [[4, 1, 1], [1, 4, 1, 1], []]) {
          const { model } = build(opType, dims, left);
          const result = await applyPass(model, pass);
          expect(operatorsOf(result.model)).toEqual(['BatchNormalization']);
          expect(await largestDifference(model, result.model, feeds)).toBeLessThan(tolerance);
        }
      });
    }
  }

  it('declines constants along another axis or of a higher rank', async () => {
    for (const dims of [[3], [2, 1, 1, 1], [1, 1, 4, 1, 1]]) {
      const { report } = await applyPass(build('Mul', dims).model, pass);
      expect(reasonsOf(report)).toEqual(['the constant is not one number, or one per channel']);
    }
  });

  it('declines in training mode', async () => {
    const { report } = await applyPass(build('Mul', [], false, [intAttribute('training_mode', 1)]).model, pass);
    expect(reasonsOf(report)).toEqual(['it updates its statistics']);
  });

  it('declines where the normalized value is a graph output', async () => {
    const { b } = build('Mul', []);
    b.output(b.graph.values.get('n')!, 'z');
    const { report } = await applyPass(b.build(), pass);
    expect(reasonsOf(report)).toEqual(['"z" is read elsewhere']);
  });
});
