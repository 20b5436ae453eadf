import { describe, expect, it } from 'vitest';
import { findTarget } from '../../../../src/backends/target.js';
import { floatAttribute, intAttribute } from '../../../../src/ir/attribute.js';
import { fuseGemmActivation } from '../../../../src/passes/fuse/matmul/fuse_gemm_activation.js';
import { rewritePass } from '../../../../src/passes/rewrite/driver.js';
import {
  applyPass,
  largestDifference,
  ModelBuilder,
  operatorsOf,
  randomTensor,
  reasonsOf,
} from '../../../build_model.js';

const pass = rewritePass('fuse', 'test', [fuseGemmActivation]);

/** Sums of 4 products of numbers up to 1, and the runtime's approximations of exp and tanh. */
const tolerance = 1e-6;

const activations = {
  Relu: [],
  Sigmoid: [],
  Tanh: [],
  LeakyRelu: [floatAttribute('alpha', 0.3)],
  HardSigmoid: [floatAttribute('alpha', 0.1), floatAttribute('beta', 0.4)],
};

function build(opType: string, withBias = true) {
  const b = new ModelBuilder(17);
  const bias = withBias ? [b.constant('c', randomTensor([3], 3))] : [];
  const product = b.op('Gemm', [b.input('x', ['N', 4]), b.constant('w', randomTensor([3, 4], 2)), ...bias], {
    attributes: [intAttribute('transB', 1), floatAttribute('alpha', 0.5)],
  });
  b.output(b.op(opType, [product], { attributes: activations[opType as keyof typeof activations] ?? [] }), 'y');
  return b.build();
}

describe('fuse-gemm-activation', () => {
  for (const opType of Object.keys(activations)) {
    it(`takes up ${opType}, with a bias and without`, async () => {
      for (const withBias of [true, false]) {
        const model = build(opType, withBias);
        const result = await applyPass(model, pass);
        expect(operatorsOf(result.model)).toEqual(['FusedGemm']);
        expect(await largestDifference(model, result.model, { x: randomTensor([5, 4], 1) })).toBeLessThan(tolerance);
      }
    });
  }

  it('leaves other activations, and targets without the operator', async () => {
    expect(operatorsOf((await applyPass(build('Elu'), pass)).model)).toEqual(['Gemm', 'Elu']);
    const { report } = await applyPass(build('Relu'), pass, { target: findTarget('tensorrt@10') });
    expect(reasonsOf(report)).toEqual(['tensorrt@10 does not know com.microsoft.FusedGemm']);
  });
});
