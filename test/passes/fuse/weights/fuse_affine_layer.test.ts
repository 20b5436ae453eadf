import { describe, expect, it } from 'vitest';
import { type Attribute, intAttribute, intsAttribute, stringAttribute } from '../../../../src/ir/attribute.js';
import { floatTensor, tensorFromData } from '../../../../src/ir/tensor.js';
import {
  fuseAffineIntoLayer,
  fuseBatchnormIntoLayer,
  fuseLeftAffineIntoLayer,
} from '../../../../src/passes/fuse/weights/fuse_affine_layer.js';
import { rewritePass } from '../../../../src/passes/rewrite/driver.js';
import {
  applyPass,
  largestDifference,
  ModelBuilder,
  operatorsOf,
  pseudoRandom,
  randomTensor,
  reasonsOf,
} from '../../../build_model.js';
import { addIf } from '../../simplify/build_subgraphs.js';

const pass = rewritePass('fuse', 'test', [fuseAffineIntoLayer, fuseLeftAffineIntoLayer, fuseBatchnormIntoLayer]);

/** Sums of up to 36 products of numbers up to 1, divided by numbers down to 0.1: float32 roundings of 400. */
const tolerance = 4e-4;

const image = { x: randomTensor([2, 4, 6, 6], 11) };
const rows = { x: randomTensor([3, 4], 12) };

/** At least 0.1, so that it can be divided by. */
const operandTensor = (dims: readonly number[]) =>
  floatTensor(
    pseudoRandom(
      dims.reduce((product, dim) => product * dim, 1),
      4,
    ).map((value) => value + Math.sign(value) * 0.1),
    dims,
  );

type Case = {
  opType?: string;
  layer?: string;
  weight?: readonly number[];
  operand?: readonly number[];
  left?: boolean;
  attributes?: readonly Attribute[];
  bias?: boolean;
  input?: readonly (number | string)[];
};

function build({
  opType = 'Mul',
  layer = 'Conv',
  weight = [6, 4, 3, 3],
  operand = [1, 4, 1, 1],
  left = false,
  attributes = [],
  bias = true,
  input = ['N', 4, 6, 6],
}: Case) {
  const b = new ModelBuilder();
  const x = b.input('x', input);
  const c = b.constant('c', operandTensor(operand));
  const affine = b.op(opType, left ? [c, x] : [x, c], { outputs: ['affine'] });
  const inputs = [affine, b.constant('w', randomTensor(weight, 2))];
  if (bias) inputs.push(b.constant('b', randomTensor([6], 3)));
  b.output(b.op(layer, inputs, { attributes }), 'y');
  return { b, model: b.build() };
}

async function expectFused(options: Case, feeds: typeof image | typeof rows = image) {
  const { model } = build(options);
  const result = await applyPass(model, pass);
  expect(operatorsOf(result.model)).toEqual([options.layer ?? 'Conv']);
  expect(await largestDifference(model, result.model, feeds)).toBeLessThan(tolerance);
}

async function expectDeclined(options: Case, reason: string) {
  const { model, report } = await applyPass(build(options).model, pass);
  expect(operatorsOf(model)).toHaveLength(2);
  expect(reasonsOf(report)).toEqual([reason]);
}

const matrix = { weight: [4, 6], operand: [4], input: ['N', 4] } as const;

describe('fuse-affine-into-layer', () => {
  for (const opType of ['Add', 'Sub', 'Mul', 'Div']) {
    for (const operand of [[1, 4, 1, 1], [4, 1, 1], []]) {
      it(`folds ${opType} of a constant of shape [${operand}] into Conv`, () => expectFused({ opType, operand }));
    }
    it(`folds ${opType} into Gemm`, () => expectFused({ ...matrix, opType, layer: 'Gemm' }, rows));
  }

  it('folds into Conv without a bias', () => expectFused({ opType: 'Add', bias: false }));

  it('folds into each group of a convolution', () =>
    expectFused({ opType: 'Sub', weight: [6, 2, 3, 3], attributes: [intAttribute('group', 2)] }));

  it('folds a constant on the left', async () => {
    for (const opType of ['Add', 'Sub', 'Mul']) await expectFused({ opType, left: true });
    expect(operatorsOf((await applyPass(build({ opType: 'Div', left: true }).model, pass)).model)).toHaveLength(2);
  });

  it('folds a factor into padded and transposed convolutions', async () => {
    await expectFused({ attributes: [intsAttribute('pads', [1, 1, 1, 1])] });
    await expectFused({ layer: 'ConvTranspose', weight: [4, 6, 3, 3] });
    await expectFused({ layer: 'ConvTranspose', weight: [4, 3, 3, 3], attributes: [intAttribute('group', 2)] });
  });

  it('folds a factor into MatMul of any rank', async () => {
    await expectFused({ ...matrix, layer: 'MatMul', bias: false }, rows);
    const input = ['N', 4, 6, 4] as const;
    const feeds = { x: randomTensor([2, 4, 6, 4], 11) };
    await expectFused({ ...matrix, input, layer: 'MatMul', bias: false }, feeds);
  });

  it('folds into Gemm with transB, alpha and beta', async () => {
    const attributes = [
      intAttribute('transB', 1),
      { name: 'alpha', kind: 'float', value: 0.5 },
      { name: 'beta', kind: 'float', value: 2 },
    ] as const;
    await expectFused({ ...matrix, weight: [6, 4], opType: 'Add', layer: 'Gemm', attributes }, rows);
  });

  it('declines to shift where padding would not be shifted', async () => {
    const pads = [intsAttribute('pads', [1, 1, 1, 1])];
    const same = [stringAttribute('auto_pad', 'SAME_UPPER')];
    await expectDeclined({ opType: 'Add', attributes: pads }, 'padding would stay 0');
    await expectDeclined({ opType: 'Add', attributes: same }, 'padding would stay 0');
    await expectDeclined({ opType: 'Add', layer: 'ConvTranspose', weight: [4, 6, 3, 3] }, 'padding would stay 0');
    await expectFused({ opType: 'Add', weight: [6, 4, 1, 1], attributes: same });
    await expectFused({ opType: 'Add', attributes: [stringAttribute('auto_pad', 'VALID')] });
  });

  it('declines to shift MatMul', () =>
    expectDeclined({ ...matrix, opType: 'Add', layer: 'MatMul', bias: false }, 'the layer has no bias'));

  it('declines a transposed input', () =>
    expectDeclined(
      { layer: 'Gemm', attributes: [intAttribute('transA', 1)], weight: [4, 6], operand: [4], input: [4, 4] },
      'the input is transposed',
    ));

  it('declines constants along another axis, and those that may broadcast the input', async () => {
    for (const operand of [[6], [1, 1, 1, 6], [1, 1, 1, 1, 1], [4, 1, 1, 1]]) {
      await expectDeclined({ operand, input: [4, 4, 6, 6] }, 'the constant is not one number, or one per channel');
    }
    await expectDeclined({ input: ['N', 'C', 6, 6] }, 'the constant may broadcast its input');
    await expectDeclined({ input: ['N', 1, 6, 6] }, 'the constant may broadcast its input');
  });

  it('declines where the input of the layer is read elsewhere', async () => {
    const { b } = build({});
    b.output(b.graph.values.get('affine')!, 'z');
    const { model, report } = await applyPass(b.build(), pass);
    expect(operatorsOf(model)).toHaveLength(2);
    expect(reasonsOf(report)).toEqual(['the input of the layer is read elsewhere']);
  });
});

describe('fuse-affine-into-layer inside a branch', () => {
  it('folds constants of the graph around it, which keeps its own', async () => {
    const b = new ModelBuilder();
    const x = b.input('x', ['N', 4, 6, 6]);
    const weight = b.constant('w', randomTensor([6, 4, 3, 3], 2));
    const operand = b.constant('c', operandTensor([1, 4, 1, 1]));
    const [chosen] = addIf(
      b,
      b.input('taken', [], 'bool'),
      (branch) => branch.output(branch.op('Conv', [branch.op('Sub', [x, operand]), weight]), 'then'),
      (branch) => branch.output(branch.op('Conv', [x, weight]), 'else'),
    );
    b.output(chosen!, 'y');
    const model = b.build();
    const result = await applyPass(model, pass);
    expect(operatorsOf(result.model)).toEqual(['If', 'Conv', 'Conv']);
    for (const taken of [0, 1]) {
      const feeds = { ...image, taken: tensorFromData('bool', [], Uint8Array.of(taken)) };
      expect(await largestDifference(model, result.model, feeds)).toBeLessThan(tolerance);
    }
  });

  it('declines where the branch reads what the graph around it computes', async () => {
    const b = new ModelBuilder();
    const sum = b.op('Sub', [b.input('x', ['N', 4, 6, 6]), b.constant('c', operandTensor([1, 4, 1, 1]))]);
    const weight = b.constant('w', randomTensor([6, 4, 3, 3], 2));
    const [chosen] = addIf(
      b,
      b.input('taken', [], 'bool'),
      (branch) => branch.output(branch.op('Conv', [sum, weight]), 'then'),
      (branch) => branch.output(branch.op('Neg', [sum]), 'else'),
    );
    b.output(chosen!, 'y');
    const { model, report } = await applyPass(b.build(), pass);
    expect(operatorsOf(model)).toEqual(['Sub', 'If', 'Conv', 'Neg']);
    expect(reasonsOf(report)).toEqual(['part of it stands in a graph around']);
  });
});

describe('fuse-batchnorm-into-layer', () => {
  const statistics = (b: ModelBuilder) => [
    b.constant('scale', randomTensor([4], 4)),
    b.constant('offset', randomTensor([4], 5)),
    b.constant('mean', randomTensor([4], 6)),
    b.constant('variance', floatTensor([0.5, 1, 1.5, 2])),
  ];

  it('folds scale and shift into Conv, and into Gemm', async () => {
    for (const [layer, weight, input, feeds] of [
      ['Conv', [6, 4, 3, 3], ['N', 4, 6, 6], image],
      ['Gemm', [4, 6], ['N', 4], rows],
    ] as const) {
      const b = new ModelBuilder();
      const norm = b.op('BatchNormalization', [b.input('x', input), ...statistics(b)]);
      b.output(b.op(layer, [norm, b.constant('w', randomTensor(weight, 2))]), 'y');
      const model = b.build();
      const result = await applyPass(model, pass);
      expect(operatorsOf(result.model)).toEqual([layer]);
      expect(await largestDifference(model, result.model, feeds)).toBeLessThan(tolerance);
    }
  });

  it('declines padded convolutions', async () => {
    const b = new ModelBuilder();
    const norm = b.op('BatchNormalization', [b.input('x', ['N', 4, 6, 6]), ...statistics(b)]);
    const attributes = [intsAttribute('pads', [0, 0, 1, 1])];
    b.output(b.op('Conv', [norm, b.constant('w', randomTensor([6, 4, 3, 3], 2))], { attributes }), 'y');
    const { report } = await applyPass(b.build(), pass);
    expect(reasonsOf(report)).toEqual(['padding would stay 0']);
  });
});
