import { describe, expect, it } from 'vitest';
import { floatAttribute, stringAttribute } from '../../../../src/ir/attribute.js';
import { randomTensor } from '../../../build_model.js';
import { type Single, unfuses, without } from './unfused.js';

/** A few roundings of numbers up to 1; the runtime's kernels of erf and tanh are accurate to about as much. */
const tolerance = 1e-6;

const x = randomTensor([2, 3, 8], 1);
const bias = randomTensor([8], 2);

const cases: Record<string, Single & { readonly standard?: string }> = {
  'com.microsoft.Gelu': { opType: 'Gelu', inputs: [x], standard: 'Gelu' },
  BiasGelu: { opType: 'BiasGelu', inputs: [x, bias], standard: 'Gelu' },
  'FastGelu with a bias': { opType: 'FastGelu', inputs: [x, bias], standard: 'Gelu' },
  'FastGelu without one': { opType: 'FastGelu', inputs: [x], standard: 'Gelu' },
  QuickGelu: { opType: 'QuickGelu', inputs: [x] },
  'QuickGelu of another factor': { opType: 'QuickGelu', inputs: [x], attributes: [floatAttribute('alpha', 1)] },
};

describe('activations of com.microsoft', () => {
  for (const [name, node] of Object.entries(cases)) {
    for (const opset of [12, 17]) {
      it(`spells ${name} in primitives of opset ${opset}`, async () => {
        const operators = await unfuses({ ...node, opset }, tolerance);
        expect(operators).toContain('Mul');
        expect(operators).not.toContain(node.opType);
      });
    }
  }
  for (const [name, { standard, ...node }] of Object.entries(cases)) {
    if (standard === undefined) continue;
    it(`writes ${name} as the standard operator where there is one`, async () => {
      expect(await unfuses({ ...node, opset: 20 }, tolerance)).toContain(standard);
    });
  }
});

describe('activations of the standard', () => {
  const standard: Record<string, Single> = {
    'Gelu by erf': { domain: '', opset: 20, opType: 'Gelu', inputs: [x] },
    'Gelu by tanh': {
      ...{ domain: '', opset: 20, opType: 'Gelu', inputs: [x] },
      attributes: [stringAttribute('approximate', 'tanh')],
    },
    HardSwish: { domain: '', opset: 18, opType: 'HardSwish', inputs: [x] },
    Mish: { domain: '', opset: 18, opType: 'Mish', inputs: [x] },
    'Swish of a factor': {
      ...{ domain: '', opset: 24, opType: 'Swish', inputs: [x] },
      attributes: [floatAttribute('alpha', 1.5)],
    },
  };
  for (const [name, node] of Object.entries(standard)) {
    it(`spells ${name} for a target that refuses it`, async () => {
      expect(await unfuses(node, tolerance, without(node.opType))).not.toContain(node.opType);
    });
    it(`leaves ${name} where the target runs it`, async () => {
      expect(await unfuses(node, 0)).toEqual([node.opType]);
    });
  }
});
