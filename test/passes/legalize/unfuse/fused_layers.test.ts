import { describe, expect, it } from 'vitest';
import { floatAttribute, intAttribute, intsAttribute, stringAttribute } from '../../../../src/ir/attribute.js';
import { randomTensor } from '../../../build_model.js';
import { keeps, unfuses } from './unfused.js';

/** Sums of up to 18 products of numbers up to 1. */
const tolerance = 4e-6;

const floats = (name: string, value: readonly number[]) => ({ name, kind: 'floats', value }) as const;

describe('FusedConv', () => {
  const x = randomTensor([2, 2, 5, 5], 1);
  const w = { constant: randomTensor([4, 2, 3, 3], 2) };
  const b = { constant: randomTensor([4], 3) };
  const z = randomTensor([2, 4, 5, 5], 4);
  const pads = intsAttribute('pads', [1, 1, 1, 1]);
  const activations: Record<string, readonly number[]> = {
    Relu: [],
    Sigmoid: [],
    Tanh: [],
    LeakyRelu: [0.1],
    HardSigmoid: [0.3, 0.4],
    Clip: [-0.5, 0.5],
  };
  for (const [name, parameters] of Object.entries(activations)) {
    it(`becomes Conv and ${name}`, async () => {
      const attributes = [stringAttribute('activation', name), floats('activation_params', parameters), pads];
      const operators = await unfuses({ opType: 'FusedConv', inputs: [x, w, b], attributes }, tolerance);
      expect(operators).toEqual(['Conv', name]);
    });
  }

  it('adds what it sums before the activation', async () => {
    const attributes = [stringAttribute('activation', 'Relu'), pads];
    const operators = await unfuses({ opType: 'FusedConv', inputs: [x, w, b, z], attributes }, tolerance);
    expect(operators).toEqual(['Conv', 'Add', 'Relu']);
    const bare = await unfuses({ opType: 'FusedConv', inputs: [x, w, null, z], attributes }, tolerance);
    expect(bare).toEqual(['Conv', 'Add', 'Relu']);
  });

  it('stays with an activation that is not known', async () => {
    const attributes = [stringAttribute('activation', 'Gong'), pads];
    expect(await keeps({ opType: 'FusedConv', inputs: [x, w, b], attributes })).toBe(
      'portable does not know the domain com.microsoft; its activation is Gong()',
    );
  });
});

describe('FusedGemm', () => {
  const inputs = [randomTensor([3, 4], 1), randomTensor([5, 4], 2), randomTensor([5], 3)];
  const gemm = [intAttribute('transB', 1), floatAttribute('alpha', 0.5), floatAttribute('beta', 2)];

  it('becomes Gemm and its activation', async () => {
    const relu = [...gemm, stringAttribute('activation', 'Relu')];
    expect(await unfuses({ opType: 'FusedGemm', inputs, attributes: relu }, tolerance)).toEqual(['Gemm', 'Relu']);
    const leaky = [...gemm, stringAttribute('activation', 'LeakyRelu'), floatAttribute('activation_alpha', 0.2)];
    expect(await unfuses({ opType: 'FusedGemm', inputs, attributes: leaky }, tolerance)).toEqual(['Gemm', 'LeakyRelu']);
  });

  it('stays where its activation has no parameter', async () => {
    const attributes = [...gemm, stringAttribute('activation', 'LeakyRelu')];
    expect(await keeps({ opType: 'FusedGemm', inputs, attributes })).toContain('it does not tell alpha');
  });
});

describe('FusedMatMul', () => {
  const forms: Record<string, { a: number[]; b: number[]; flags: readonly string[] }> = {
    'of the left operand': { a: [2, 4, 3], b: [2, 4, 5], flags: ['transA'] },
    'of the right operand': { a: [2, 3, 4], b: [2, 5, 4], flags: ['transB'] },
    'of both': { a: [2, 4, 3], b: [5, 4], flags: ['transA', 'transB'] },
    'of the batch': { a: [3, 2, 6, 4], b: [2, 6, 4, 5], flags: ['transBatchA'] },
    'of the batch and the matrix': {
      a: [4, 2, 6, 3],
      b: [5, 2, 6, 4],
      flags: ['transBatchA', 'transA', 'transBatchB', 'transB'],
    },
  };
  for (const [name, { a, b, flags }] of Object.entries(forms)) {
    it(`becomes a product with transposition ${name}`, async () => {
      const attributes = [floatAttribute('alpha', 0.25), ...flags.map((flag) => intAttribute(flag, 1))];
      const inputs = [randomTensor(a, 1), randomTensor(b, 2)];
      const operators = await unfuses({ opType: 'FusedMatMul', inputs, attributes }, tolerance);
      expect(operators.filter((each) => !['Transpose', 'Mul', 'MatMul'].includes(each))).toEqual([]);
    });
  }

  it('scales before the product, and not where the scale is 1', async () => {
    const inputs = [randomTensor([3, 4], 1), randomTensor([4, 5], 2)];
    const scaled = await unfuses(
      { opType: 'FusedMatMul', inputs, attributes: [floatAttribute('alpha', 3)] },
      tolerance,
    );
    expect(scaled).toEqual(['Mul', 'MatMul']);
    expect(await unfuses({ opType: 'FusedMatMul', inputs }, 0)).toEqual(['MatMul']);
  });

  it('is spelled under its older name too', async () => {
    const inputs = [randomTensor([2, 3, 4], 1), randomTensor([2, 5, 4], 2)];
    const attributes = [intAttribute('transB', 1), floatAttribute('alpha', 0.5)];
    const operators = await unfuses({ opType: 'TransposeMatMul', inputs, attributes }, tolerance);
    expect(operators).toEqual(['Mul', 'Transpose', 'MatMul']);
  });
});
