import { describe, expect, it } from 'vitest';
import { findTarget } from '../../../../src/backends/target.js';
import { floatAttribute, intAttribute, intsAttribute } from '../../../../src/ir/attribute.js';
import type { Value } from '../../../../src/ir/graph.js';
import { floatTensor } from '../../../../src/ir/tensor.js';
import {
  fuseConvActivation,
  fuseConvSum,
  fuseConvSumActivation,
} from '../../../../src/passes/fuse/convolution/fuse_conv_activation.js';
import { rewritePass } from '../../../../src/passes/rewrite/driver.js';
import {
  applyPass,
  largestDifference,
  ModelBuilder,
  operatorsOf,
  randomTensor,
  reasonsOf,
} from '../../../build_model.js';

const pass = rewritePass('fuse', 'test', [fuseConvSumActivation, fuseConvActivation]);

/** Sums of 36 products of numbers up to 1, and the runtime's approximations of exp and tanh. */
const tolerance = 1e-5;

const x = randomTensor([2, 4, 6, 6], 1);
const z = randomTensor([2, 3, 6, 6], 2);

type Activation = (b: ModelBuilder, value: Value) => Value;

const number = (b: ModelBuilder, name: string, value: number) => b.constant(name, floatTensor([value], []));

const activations: Record<string, Activation> = {
  Relu: (b, v) => b.op('Relu', [v]),
  Sigmoid: (b, v) => b.op('Sigmoid', [v]),
  Tanh: (b, v) => b.op('Tanh', [v]),
  LeakyRelu: (b, v) => b.op('LeakyRelu', [v], { attributes: [floatAttribute('alpha', 0.3)] }),
  HardSigmoid: (b, v) => b.op('HardSigmoid', [v], { attributes: [floatAttribute('alpha', 0.1)] }),
  Clip: (b, v) => b.op('Clip', [v, number(b, 'low', -0.5), number(b, 'high', 0.25)]),
  'Clip without a lower bound': (b, v) => b.op('Clip', [v, null, number(b, 'high', 0.25)]),
};

type Shape = readonly (number | string)[];

function build(activation: Activation, sum?: { readonly z: Shape; readonly left?: boolean }, withBias = true) {
  const b = new ModelBuilder(17);
  const weight = b.constant('w', randomTensor([3, 4, 3, 3], 3));
  const inputs = [b.input('x', ['N', 4, 6, 6]), weight, ...(withBias ? [b.constant('b', randomTensor([3], 4))] : [])];
  let value = b.op('Conv', inputs, { attributes: [intsAttribute('pads', [1, 1, 1, 1])], outputs: ['convolved'] });
  if (sum !== undefined) {
    const added = b.input('z', sum.z);
    value = b.op('Add', sum.left ? [added, value] : [value, added]);
  }
  b.output(activation(b, value), 'y');
  return b.build();
}

describe('fuse-conv-activation', () => {
  for (const [name, activation] of Object.entries(activations)) {
    it(`takes up ${name}`, async () => {
      const model = build(activation);
      const result = await applyPass(model, pass);
      expect(operatorsOf(result.model)).toEqual(['FusedConv']);
      expect(await largestDifference(model, result.model, { x })).toBeLessThan(tolerance);
    });

    it(`takes up a sum and ${name}, with a bias and without`, async () => {
      for (const withBias of [true, false]) {
        const model = build(activation, { z: ['N', 3, 6, 6], left: withBias }, withBias);
        const result = await applyPass(model, pass);
        expect(operatorsOf(result.model)).toEqual(['FusedConv']);
        expect(await largestDifference(model, result.model, { x, z })).toBeLessThan(tolerance);
      }
    });
  }

  it('leaves a sum that is broadcast, or whose shape is not known to be the same', async () => {
    for (const dims of [
      ['N', 1, 6, 6],
      [3, 6, 6],
      ['M', 3, 6, 6],
    ]) {
      const { report, model } = await applyPass(build(activations['Relu']!, { z: dims }), pass);
      expect(operatorsOf(model)).toEqual(['Conv', 'Add', 'Relu']);
      expect(reasonsOf(report)).toEqual(['what is added is not known to have the shape of the result']);
    }
  });

  it('leaves a sum behind a convolution by groups', async () => {
    const b = new ModelBuilder(17);
    const value = b.op('Conv', [b.input('x', ['N', 4, 6, 6]), b.constant('w', randomTensor([4, 1, 1, 1], 3))], {
      attributes: [intAttribute('group', 4)],
    });
    b.output(b.op('Relu', [b.op('Add', [value, b.input('z', ['N', 4, 6, 6])])]), 'y');
    const { report } = await applyPass(b.build(), pass);
    expect(reasonsOf(report)).toEqual(['a convolution by groups is faster without the sum']);
  });

  it('leaves bounds that are no constants or cross, and targets without the operator', async () => {
    const open = build((b, v) => b.op('Clip', [v, b.input('low', [])]));
    expect(reasonsOf((await applyPass(open, pass)).report)).toEqual(['its bounds are not constant']);
    const crossed = build((b, v) => b.op('Clip', [v, number(b, 'low', 1), number(b, 'high', 0)]));
    expect(reasonsOf((await applyPass(crossed, pass)).report)).toEqual(['its lower bound is above the upper one']);
    const { report } = await applyPass(build(activations['Relu']!), pass, { target: findTarget('portable') });
    expect(reasonsOf(report)).toEqual(['portable does not know com.microsoft.FusedConv']);
  });

  it('takes up a sum alone', async () => {
    const model = build((_, v) => v, { z: ['N', 3, 6, 6] });
    const result = await applyPass(model, rewritePass('fuse', 'test', [fuseConvSum]));
    expect(operatorsOf(result.model)).toEqual(['FusedConv']);
    expect(await largestDifference(model, result.model, { x, z })).toBeLessThan(tolerance);
  });

  it('leaves a convolution that is read elsewhere', async () => {
    const model = build((b, v) => {
      b.output(v);
      return b.op('Relu', [v]);
    });
    expect(reasonsOf((await applyPass(model, pass)).report)).toEqual(['"convolved" is read elsewhere']);
  });
});
