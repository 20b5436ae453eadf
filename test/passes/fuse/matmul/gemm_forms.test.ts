import { describe, expect, it } from 'vitest';
import { floatAttribute, intAttribute, intsAttribute } from '../../../../src/ir/attribute.js';
import { int64Tensor } from '../../../../src/ir/tensor.js';
import { foldGemmScalars } from '../../../../src/passes/fuse/matmul/fold_gemm_scalars.js';
import { fuseTransposeGemm } from '../../../../src/passes/fuse/matmul/fuse_transpose_gemm.js';
import { unwrapGemmRows } from '../../../../src/passes/fuse/matmul/unwrap_gemm_rows.js';
import { rewritePass } from '../../../../src/passes/rewrite/driver.js';
import {
  applyPass,
  largestDifference,
  ModelBuilder,
  operatorsOf,
  randomTensor,
  reasonsOf,
} from '../../../build_model.js';

/** Sums of 4 products of numbers up to 1, doubled: float32 roundings of 10. */
const tolerance = 5e-6;

describe('fuse-transpose-gemm', () => {
  const pass = rewritePass('fuse', 'test', [fuseTransposeGemm]);
  const feeds = { a: randomTensor([4, 3], 5), b: randomTensor([6, 4], 6) };

  for (const opType of ['Gemm', 'MatMul']) {
    it(`takes transposed matrices into ${opType}`, async () => {
      for (const attributes of [[intsAttribute('perm', [1, 0])], []]) {
        const b = new ModelBuilder();
        const inputs = [b.input('a', [4, 3]), b.input('b', [6, 4])].map((x) => b.op('Transpose', [x], { attributes }));
        b.output(b.op(opType, inputs), 'y');
        const model = b.build();
        const result = await applyPass(model, pass);
        expect(operatorsOf(result.model)).toEqual(['Gemm']);
        expect(await largestDifference(model, result.model, feeds)).toBeLessThan(tolerance);
      }
    });
  }

  it('takes a transpose back where Gemm transposes already', async () => {
    const b = new ModelBuilder();
    const left = b.op('Transpose', [b.input('x', [3, 4])]);
    const inputs = [left, b.constant('w', randomTensor([4, 6], 2)), b.constant('c', randomTensor([6], 3))];
    b.output(b.op('Gemm', inputs, { attributes: [intAttribute('transA', 1)] }), 'y');
    const model = b.build();
    const result = await applyPass(model, pass);
    expect(operatorsOf(result.model)).toEqual(['Gemm']);
    expect(result.model.graph.nodes.first?.attributes.has('transA')).toBe(false);
    const given = { x: randomTensor([3, 4], 7) };
    expect(await largestDifference(model, result.model, given)).toBeLessThan(tolerance);
  });

  it('leaves matrices that others read transposed', async () => {
    const b = new ModelBuilder();
    const left = b.op('Transpose', [b.input('a', [4, 3])]);
    b.output(b.op('MatMul', [left, b.constant('w', randomTensor([4, 6], 2))]), 'y');
    b.output(left, 'z');
    expect(operatorsOf((await applyPass(b.build(), pass)).model)).toEqual(['Transpose', 'MatMul']);
  });

  it('declines products of more axes, and Gemm without a bias before opset 11', async () => {
    for (const [opset, front, reason] of [
      [17, [2], 'it is no product of matrices'],
      [10, [], 'Gemm without a bias needs opset 11'],
    ] as const) {
      const b = new ModelBuilder(opset);
      const right = b.op('Transpose', [b.input('b', [6, 4])]);
      b.output(b.op('MatMul', [b.input('a', [...front, 3, 4]), right]), 'y');
      expect(reasonsOf((await applyPass(b.build(), pass)).report)).toEqual([reason]);
    }
  });
});

describe('fold-gemm-scalars', () => {
  const pass = rewritePass('fold', 'test', [foldGemmScalars]);
  const attributes = [floatAttribute('alpha', 2), floatAttribute('beta', 0.5)];
  const feeds = { x: randomTensor([3, 4], 7) };

  it('folds alpha and beta into constants', async () => {
    for (const bias of [true, false]) {
      const b = new ModelBuilder();
      const inputs = [b.input('x', ['N', 4]), b.constant('w', randomTensor([4, 6], 2))];
      if (bias) inputs.push(b.constant('c', randomTensor([1, 6], 3)));
      b.output(b.op('Gemm', inputs, { attributes }), 'y');
      const model = b.build();
      const result = await applyPass(model, pass);
      expect([...result.model.graph.nodes.first!.attributes.keys()]).toEqual([]);
      expect(await largestDifference(model, result.model, feeds)).toBeLessThan(tolerance);
    }
  });

  it('declines a bias that differs by row', async () => {
    const b = new ModelBuilder();
    const inputs = [
      b.input('x', [3, 4]),
      b.constant('w', randomTensor([4, 6], 2)),
      b.constant('c', randomTensor([3, 1])),
    ];
    b.output(b.op('Gemm', inputs, { attributes }), 'y');
    expect(reasonsOf((await applyPass(b.build(), pass)).report)).toEqual(['not one value per output channel']);
  });
});

describe('unwrap-gemm-rows', () => {
  const pass = rewritePass('unwrap', 'test', [unwrapGemmRows]);
  const feeds = { x: randomTensor([2, 3, 4], 8) };

  type Case = {
    opType?: string;
    weight?: readonly number[];
    bias?: readonly number[];
    attributes?: Parameters<ModelBuilder['op']>[2];
    to?: readonly number[];
    rows?: readonly number[];
    opset?: number;
    input?: readonly (number | string)[];
  };

  function build(options: Case = {}) {
    const { opType = 'Gemm', weight = [4, 6], bias = [6], to = [2, 3, 6], rows = [-1, 4] } = options;
    const b = new ModelBuilder(options.opset);
    const x = b.input('x', options.input ?? [2, 3, 4]);
    const inputs = [
      b.op('Reshape', [x, b.constant('rows', int64Tensor(rows))]),
      b.constant('w', randomTensor(weight, 2)),
    ];
    if (opType === 'Gemm') inputs.push(b.constant('b', randomTensor(bias, 3)));
    const product = b.op(opType, inputs, { ...options.attributes, outputs: ['p'] });
    b.output(b.op('Reshape', [product, b.constant('to', int64Tensor(to))]), 'y');
    return { b, model: b.build() };
  }

  async function expectUnwrapped(options: Case, expected: readonly string[]) {
    const { model } = build(options);
    const result = await applyPass(model, pass);
    expect(operatorsOf(result.model)).toEqual(expected);
    expect(await largestDifference(model, result.model, feeds)).toBeLessThan(tolerance);
  }

  async function expectDeclined(options: Case, reason: string) {
    const { model, report } = await applyPass(build(options).model, pass);
    expect(operatorsOf(model)).toContain('Reshape');
    expect(reasonsOf(report)).toEqual([reason]);
  }

  it('makes MatMul and Add of Gemm between Reshapes', async () => {
    await expectUnwrapped({}, ['MatMul', 'Add']);
    await expectUnwrapped({ bias: [1, 6], weight: [6, 4], attributes: { attributes: [intAttribute('transB', 1)] } }, [
      'MatMul',
      'Add',
    ]);
  });

  it('makes MatMul of MatMul between Reshapes', () => expectUnwrapped({ opType: 'MatMul' }, ['MatMul']));

  it('follows symbolic sizes', async () => {
    const b = new ModelBuilder();
    const x = b.input('x', ['N', 'S', 4]);
    const shape = b.op('Shape', [x]);
    const front = b.op('Slice', [shape, b.constant('zero', int64Tensor([0])), b.constant('two', int64Tensor([2]))]);
    const to = b.op('Concat', [front, b.constant('six', int64Tensor([6]))], { attributes: [intAttribute('axis', 0)] });
    const rows = b.op('Reshape', [x, b.constant('rows', int64Tensor([-1, 4]))]);
    b.output(b.op('Reshape', [b.op('MatMul', [rows, b.constant('w', randomTensor([4, 6], 2))]), to]), 'y');
    const model = b.build();
    const result = await applyPass(model, pass);
    expect(operatorsOf(result.model)).toContain('MatMul');
    expect(operatorsOf(result.model)).not.toContain('Reshape');
    expect(await largestDifference(model, result.model, feeds)).toBeLessThan(tolerance);
  });

  it('joins the axes behind those that stay', async () => {
    const b = new ModelBuilder();
    const x = b.input('x', ['N', 'S', 2, 2]);
    const front = b.op('Slice', [
      b.op('Shape', [x]),
      b.constant('zero', int64Tensor([0])),
      b.constant('two', int64Tensor([2])),
    ]);
    const to = b.op('Concat', [front, b.constant('six', int64Tensor([6]))], { attributes: [intAttribute('axis', 0)] });
    const rows = b.op('Reshape', [x, b.constant('rows', int64Tensor([-1, 4]))]);
    const inputs = [rows, b.constant('w', randomTensor([4, 6], 2)), b.constant('b', randomTensor([6], 3))];
    b.output(b.op('Reshape', [b.op('Gemm', inputs), to]), 'y');
    const model = b.build();
    const result = await applyPass(model, pass);
    expect(operatorsOf(result.model).slice(-3)).toEqual(['Reshape', 'MatMul', 'Add']);
    const given = { x: randomTensor([3, 5, 2, 2], 9) };
    expect(await largestDifference(model, result.model, given)).toBeLessThan(tolerance);
  });

  it('declines where the axes are split in another way', async () => {
    await expectDeclined({ to: [3, 2, 6] }, 'the axes in front are not split as they were');
    await expectDeclined({ to: [6, 6] }, 'the axes in front are not split as they were');
    await expectDeclined({ to: [2, 9, 2] }, 'the axes in front are not split as they were');
    await expectDeclined({ rows: [3, 8], weight: [8, 12], bias: [12], to: [2, 3, 6] }, 'the last axis is reshaped too');
    await expectDeclined({ input: ['N', 'S', 4], to: [2, 3, 6] }, 'the axes in front are not split as they were');
  });

  it('declines what MatMul and Add cannot say', async () => {
    await expectDeclined({ bias: [6, 1] }, 'what is added is not one number, or one per column');
    const scaled = { attributes: [floatAttribute('alpha', 2)] };
    await expectDeclined({ attributes: scaled }, 'the product is scaled');
    await expectDeclined({ opset: 6 }, 'a bias broadcasts by an attribute before opset 7');
  });

  it('declines where the rows of the product are read elsewhere', async () => {
    const { b } = build();
    b.output(b.graph.values.get('p')!, 'z');
    expect(reasonsOf((await applyPass(b.build(), pass)).report)).toEqual(['"z" is read elsewhere']);
  });
});
