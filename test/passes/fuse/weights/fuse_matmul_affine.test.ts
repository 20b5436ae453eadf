import { describe, expect, it } from 'vitest';
import { type Attribute, floatAttribute, intAttribute } from '../../../../src/ir/attribute.js';
import { floatTensor } from '../../../../src/ir/tensor.js';
import {
  fuseAffineGemm,
  fuseGemmAffine,
  fuseMatmulBiasScale,
  fuseMatmulScale,
  fuseScaleMatmul,
  fuseScaleMatmulBias,
} from '../../../../src/passes/fuse/weights/fuse_matmul_affine.js';
import { rewritePass } from '../../../../src/passes/rewrite/driver.js';
import {
  applyPass,
  largestDifference,
  ModelBuilder,
  operatorsOf,
  randomTensor,
  reasonsOf,
} from '../../../build_model.js';

const pass = rewritePass('fuse', 'test', [
  fuseGemmAffine,
  fuseAffineGemm,
  fuseMatmulScale,
  fuseScaleMatmul,
  fuseMatmulBiasScale,
  fuseScaleMatmulBias,
]);

/** Sums of 4 products of numbers up to 1, divided by numbers down to 0.05: float32 roundings of 80. */
const tolerance = 5e-5;

const rows = { x: randomTensor([3, 4], 12) };
const batches = { x: randomTensor([2, 3, 4], 13) };

type Case = {
  opType?: string;
  layer?: string;
  dims?: readonly number[];
  left?: boolean;
  bias?: boolean;
  sum?: 'left' | 'right';
  attributes?: readonly Attribute[];
  weight?: readonly number[];
  input?: readonly (number | string)[];
  opset?: number;
};

function build(options: Case) {
  const { opType = 'Mul', layer = 'Gemm', dims = [6], left = false, bias = false, attributes = [], sum } = options;
  const b = new ModelBuilder(options.opset);
  const x = b.input('x', options.input ?? ['N', 4]);
  const inputs = [x, b.constant('w', randomTensor(options.weight ?? [4, 6], 2))];
  if (bias) inputs.push(b.constant('b', randomTensor([6], 3)));
  let value = b.op(layer, inputs, { attributes, outputs: ['product'] });
  const added = sum && b.constant('added', randomTensor([6], 5));
  if (added) value = b.op('Add', sum === 'left' ? [added, value] : [value, added], { outputs: ['sum'] });
  const operand = b.constant('c', randomTensor(dims, 4));
  b.output(b.op(opType, left ? [operand, value] : [value, operand]), 'y');
  return { b, model: b.build() };
}

async function expectFused(options: Case, expected: readonly string[]) {
  const { model } = build(options);
  const result = await applyPass(model, pass);
  expect(operatorsOf(result.model)).toEqual(expected);
  const feeds = options.input?.length === 3 ? batches : rows;
  expect(await largestDifference(model, result.model, feeds)).toBeLessThan(tolerance);
}

async function expectDeclined(options: Case, reason: string) {
  const { model, report } = await applyPass(build(options).model, pass);
  expect(operatorsOf(model)).toHaveLength(2);
  expect(reasonsOf(report)).toEqual([reason]);
}

describe('fuse-gemm-affine', () => {
  for (const opType of ['Add', 'Sub', 'Mul', 'Div']) {
    for (const dims of [[6], [1, 6], [], [1, 1]]) {
      it(`folds ${opType} of a constant of shape [${dims}]`, () => expectFused({ opType, dims, bias: true }, ['Gemm']));
    }
  }

  it('folds a constant on the left, and makes a bias where there is none', async () => {
    for (const opType of ['Add', 'Sub', 'Mul']) await expectFused({ opType, left: true }, ['Gemm']);
  });

  it('folds alpha and beta, and weights that are transposed', () =>
    expectFused(
      {
        bias: true,
        weight: [6, 4],
        attributes: [intAttribute('transB', 1), floatAttribute('alpha', 0.5), floatAttribute('beta', 2)],
      },
      ['Gemm'],
    ));

  it('declines constants along the rows or of a higher rank', async () => {
    for (const dims of [[3, 1], [3, 6], [1, 1, 6], [4]]) {
      await expectDeclined({ dims, input: [3, 4] }, 'the constant is not one number, or one per channel');
    }
  });

  it('leaves operands that are aligned by an attribute', async () => {
    const b = new ModelBuilder(6);
    const x = b.input('x', [6, 4]);
    const product = b.op('MatMul', [x, b.constant('w', randomTensor([4, 6], 2))]);
    const attributes = [intAttribute('broadcast', 1), intAttribute('axis', 0)];
    b.output(b.op('Mul', [product, b.constant('c', randomTensor([6], 4))], { attributes }), 'y');
    expect(operatorsOf((await applyPass(b.build(), pass)).model)).toEqual(['MatMul', 'Mul']);
  });

  it('declines where the product is read elsewhere', async () => {
    const { b } = build({});
    b.output(b.graph.values.get('product')!, 'z');
    const { model, report } = await applyPass(b.build(), pass);
    expect(operatorsOf(model)).toHaveLength(2);
    expect(reasonsOf(report)).toEqual(['the result of the layer is read elsewhere']);
  });

  it('declines factors that are not finite', async () => {
    const b = new ModelBuilder();
    const product = b.op('Gemm', [b.input('x', ['N', 4]), b.constant('w', randomTensor([4, 6], 2))]);
    b.output(b.op('Div', [product, b.constant('c', floatTensor([1, 0, 1, 1, 1, 1]))]), 'y');
    expect(reasonsOf((await applyPass(b.build(), pass)).report)).toEqual(['the constant gives no finite factor']);
  });
});

describe('fuse-matmul-scale', () => {
  it('folds factors on either side, of any rank', async () => {
    for (const input of [['N', 4] as const, ['N', 3, 4] as const]) {
      for (const opType of ['Mul', 'Div']) await expectFused({ layer: 'MatMul', opType, input }, ['MatMul']);
      await expectFused({ layer: 'MatMul', left: true, dims: [1, 6], input }, ['MatMul']);
    }
  });

  it('leaves sums, which have no place in MatMul', async () => {
    const { model } = await applyPass(build({ layer: 'MatMul', opType: 'Add' }).model, pass);
    expect(operatorsOf(model)).toEqual(['MatMul', 'Add']);
  });

  it('declines a constant that adds an axis', () =>
    expectDeclined({ layer: 'MatMul', dims: [1, 1, 6] }, 'the constant is not one number, or one per channel'));

  it('declines where the weights of other readers would be kept beside', async () => {
    const { b } = build({ layer: 'MatMul' });
    b.output(b.op('MatMul', [b.graph.values.get('x')!, b.graph.values.get('w')!]), 'z');
    const { report } = await applyPass(b.build(), pass, { maxGrowthBytes: 10 });
    expect(reasonsOf(report)).toEqual(['the weights are shared']);
  });
});

describe('fuse-matmul-bias-scale', () => {
  it('declines where the sum is read elsewhere', async () => {
    const { b } = build({ layer: 'MatMul', sum: 'right' });
    b.output(b.graph.values.get('sum')!, 'z');
    expect(reasonsOf((await applyPass(b.build(), pass)).report)).toEqual(['the sum is read elsewhere']);
  });

  it('folds a factor behind the bias', async () => {
    const input = ['N', 3, 4] as const;
    for (const sum of ['left', 'right'] as const) {
      for (const opType of ['Mul', 'Div'])
        await expectFused({ layer: 'MatMul', sum, opType, input }, ['MatMul', 'Add']);
      await expectFused({ layer: 'MatMul', sum, left: true, dims: [], input }, ['MatMul', 'Add']);
    }
  });
});
