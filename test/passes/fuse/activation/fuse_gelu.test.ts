import { describe, expect, it } from 'vitest';
import type { Value } from '../../../../src/ir/graph.js';
import { floatTensor } from '../../../../src/ir/tensor.js';
import { fuseGelu, fuseTanhGelu } from '../../../../src/passes/fuse/activation/fuse_gelu.js';
import { raiseOpset } from '../../../../src/passes/fuse/raise_opset.js';
import { rewritePass } from '../../../../src/passes/rewrite/driver.js';
import {
  applyPass,
  largestDifference,
  ModelBuilder,
  operatorsOf,
  randomTensor,
  reasonsOf,
} from '../../../build_model.js';

const rules = [fuseGelu, fuseTanhGelu];
const pass = rewritePass('fuse', 'test', rules);

/** A few roundings of numbers up to 3, and the runtime's own approximation of erf and tanh. */
const tolerance = 2e-6;

const feeds = { x: randomTensor([2, 3, 8], 5) };

type Spelling = (b: ModelBuilder, x: Value, number: (value: number) => Value) => Value;

const half = (b: ModelBuilder, left: Value, right: Value): Value => b.op('Mul', [left, right]);

const erfSpellings: Record<string, Spelling> = {
  'PyTorch: x · (1 + erf(x / √2)) · 0.5': (b, x, number) => {
    const erf = b.op('Erf', [b.op('Div', [x, number(Math.SQRT2)])]);
    return half(b, b.op('Mul', [x, b.op('Add', [erf, number(1)])]), number(0.5));
  },
  'a half first: 0.5 · x · (1 + erf(x · 0.7071))': (b, x, number) => {
    const erf = b.op('Erf', [b.op('Mul', [x, number(Math.SQRT1_2)])]);
    return half(b, half(b, number(0.5), x), b.op('Add', [number(1), erf]));
  },
  'the gate scaled: x · (0.5 · (1 + erf(x / √2)))': (b, x, number) => {
    const erf = b.op('Erf', [b.op('Div', [x, number(Math.SQRT2)])]);
    return b.op('Mul', [x, b.op('Mul', [number(0.5), b.op('Add', [erf, number(1)])])]);
  },
};

const root = Math.sqrt(2 / Math.PI);

const tanhSpellings: Record<string, Spelling> = {
  'PyTorch: 0.5 · x · (1 + tanh(c · (x + 0.044715 · x³)))': (b, x, number) => {
    const cubic = b.op('Mul', [b.op('Pow', [x, number(3)]), number(0.044715)]);
    const tanh = b.op('Tanh', [b.op('Mul', [b.op('Add', [x, cubic]), number(root)])]);
    return half(b, half(b, x, number(0.5)), b.op('Add', [tanh, number(1)]));
  },
  'the cube as products': (b, x, number) => {
    const cubic = b.op('Mul', [number(0.044715), b.op('Mul', [b.op('Mul', [x, x]), x])]);
    const tanh = b.op('Tanh', [b.op('Mul', [number(root), b.op('Add', [cubic, x])])]);
    return half(b, x, half(b, b.op('Add', [number(1), tanh]), number(0.5)));
  },
  'x taken out: tanh(c · x · (1 + 0.044715 · x²))': (b, x, number) => {
    const square = b.op('Add', [b.op('Mul', [b.op('Mul', [x, x]), number(0.044715)]), number(1)]);
    const tanh = b.op('Tanh', [b.op('Mul', [b.op('Mul', [x, number(root)]), square])]);
    return half(b, half(b, x, number(0.5)), b.op('Add', [number(1), tanh]));
  },
};

function build(spelling: Spelling, opset = 20, constantDims: readonly number[] = []) {
  const b = new ModelBuilder(opset);
  const x = b.input('x', ['N', 3, 8]);
  let count = 0;
  const number = (value: number) => b.constant(`c${count++}`, floatTensor([value], constantDims));
  b.output(spelling(b, x, number), 'y');
  return b.build();
}

describe('fuse-gelu', () => {
  for (const [name, spelling] of Object.entries({ ...erfSpellings, ...tanhSpellings })) {
    it(`fuses ${name}`, async () => {
      const model = build(spelling);
      const result = await applyPass(model, pass);
      expect(operatorsOf(result.model)).toEqual(['Gelu']);
      expect(await largestDifference(model, result.model, feeds)).toBeLessThan(tolerance);
    });
  }

  it('sees constants with axes of their own where x is known to have as many', async () => {
    const model = build(erfSpellings['PyTorch: x · (1 + erf(x / √2)) · 0.5']!, 20, [1, 1, 1]);
    expect(operatorsOf((await applyPass(model, pass)).model)).toEqual(['Gelu']);
  });

  it('leaves constants that add an axis', async () => {
    const model = build(erfSpellings['PyTorch: x · (1 + erf(x / √2)) · 0.5']!, 20, [1, 1, 1, 1]);
    expect(operatorsOf((await applyPass(model, pass)).model)).toHaveLength(5);
  });

  it('leaves look-alikes with other constants', async () => {
    const model = build((b, x, number) => {
      const erf = b.op('Erf', [b.op('Div', [x, number(1.5)])]);
      return b.op('Mul', [b.op('Mul', [x, b.op('Add', [erf, number(1)])]), number(0.5)]);
    });
    expect(operatorsOf((await applyPass(model, pass)).model)).toHaveLength(5);
  });

  it('declines where the gate is read elsewhere too', async () => {
    const model = build((b, x, number) => {
      const gate = b.op('Add', [b.op('Erf', [b.op('Div', [x, number(Math.SQRT2)])]), number(1)], { outputs: ['gate'] });
      b.output(gate);
      return b.op('Mul', [b.op('Mul', [x, gate]), number(0.5)]);
    });
    const { model: result, report } = await applyPass(model, pass);
    expect(operatorsOf(result)).toHaveLength(5);
    expect(reasonsOf(report)).toContain('"gate" is read elsewhere');
  });

  it('declines under a strict contract and for a target without the operator', async () => {
    const model = build(erfSpellings['PyTorch: x · (1 + erf(x / √2)) · 0.5']!);
    const strict = await applyPass(model, pass, { fpContract: 'strict' });
    expect(reasonsOf(strict.report)).toEqual(['it needs the licence "reassociates"']);
  });

  it('needs opset 20, which is raised where a rule asks for it', async () => {
    const model = build(erfSpellings['PyTorch: x · (1 + erf(x / √2)) · 0.5']!, 17);
    const declined = await applyPass(model, pass);
    expect(reasonsOf(declined.report)).toEqual(['it needs opset 20']);
    const raised = await applyPass((await applyPass(model, raiseOpset(rules))).model, pass);
    expect(operatorsOf(raised.model)).toEqual(['Gelu']);
    expect(raised.model.opsetImports.get('')).toBe(20);
  });
});
