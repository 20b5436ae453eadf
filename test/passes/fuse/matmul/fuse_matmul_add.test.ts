import { describe, expect, it } from 'vitest';
import { floatAttribute, intAttribute } from '../../../../src/ir/attribute.js';
import { int64Tensor, tensorFromData } from '../../../../src/ir/tensor.js';
import { fuseMatmulAdd } from '../../../../src/passes/fuse/matmul/fuse_matmul_add.js';
import { rewritePass } from '../../../../src/passes/rewrite/driver.js';
import {
  applyPass,
  largestDifference,
  ModelBuilder,
  operatorsOf,
  randomTensor,
  reasonsOf,
} from '../../../build_model.js';
import { addIf } from '../../simplify/build_subgraphs.js';

const pass = rewritePass('fuse', 'test', [fuseMatmulAdd]);

/** Sums of 4 products of numbers up to 1: float32 roundings of 5. */
const tolerance = 3e-6;

const feeds = { x: randomTensor([3, 4], 12) };

type Case = { dims?: readonly number[]; left?: boolean; input?: readonly (number | string)[]; opset?: number };

function build({ dims = [6], left = false, input = ['N', 4], opset = 17 }: Case = {}) {
  const b = new ModelBuilder(opset);
  const product = b.op('MatMul', [b.input('x', input), b.constant('w', randomTensor([4, 6], 2))], { outputs: ['p'] });
  const bias = b.constant('b', randomTensor(dims, 3));
  b.output(b.op('Add', left ? [bias, product] : [product, bias]), 'y');
  return { b, model: b.build() };
}

describe('fuse-matmul-add', () => {
  for (const dims of [[6], [1, 6], [1], []]) {
    it(`makes Gemm of a bias of shape [${dims}] on either side`, async () => {
      for (const left of [false, true]) {
        const { model } = build({ dims, left });
        const result = await applyPass(model, pass);
        expect(operatorsOf(result.model)).toEqual(['Gemm']);
        expect(await largestDifference(model, result.model, feeds)).toBeLessThan(tolerance);
      }
    });
  }

  it('takes up what is added to a Gemm without a bias, and no beta with it', async () => {
    const b = new ModelBuilder();
    const attributes = [floatAttribute('alpha', 0.5), floatAttribute('beta', 3), intAttribute('transB', 1)];
    const product = b.op('Gemm', [b.input('x', ['N', 4]), b.constant('w', randomTensor([6, 4], 2))], { attributes });
    b.output(b.op('Add', [product, b.input('c', [6])]), 'y');
    const model = b.build();
    const result = await applyPass(model, pass);
    expect(operatorsOf(result.model)).toEqual(['Gemm']);
    const given = { ...feeds, c: randomTensor([6], 3) };
    expect(await largestDifference(model, result.model, given)).toBeLessThan(tolerance);
  });

  it('takes a constant as the left matrix', async () => {
    const b = new ModelBuilder();
    const product = b.op('MatMul', [b.constant('w', randomTensor([5, 3], 2)), b.input('x', [3, 4])]);
    b.output(b.op('Add', [product, b.constant('b', randomTensor([4], 3))]), 'y');
    const model = b.build();
    const result = await applyPass(model, pass);
    expect(operatorsOf(result.model)).toEqual(['Gemm']);
    expect(await largestDifference(model, result.model, feeds)).toBeLessThan(tolerance);
  });

  it('declines what broadcasts the product, adds an axis, or differs by row', async () => {
    for (const dims of [
      [1, 1, 6],
      [3, 6],
      [3, 1],
    ]) {
      const { model, report } = await applyPass(build({ dims, input: [3, 4] }).model, pass);
      expect(operatorsOf(model)).toEqual(['MatMul', 'Add']);
      expect(reasonsOf(report)).toEqual(['what is added is not one number, or one per column']);
    }
    const b = new ModelBuilder();
    const product = b.op('MatMul', [b.input('x', ['N', 4]), b.constant('w', randomTensor([4, 1], 2))]);
    b.output(b.op('Add', [product, b.constant('b', randomTensor([6], 3))]), 'y');
    const { report } = await applyPass(b.build(), pass);
    expect(reasonsOf(report)).toEqual(['what is added is not one number, or one per column']);
  });

  it('declines products of more axes, of vectors, and of unknown rank', async () => {
    for (const input of [['N', 3, 4], [4]]) {
      const { report } = await applyPass(build({ input }).model, pass);
      expect(reasonsOf(report)).toEqual(['it is no product of matrices']);
    }
  });

  it('makes Gemm inside a branch', async () => {
    const b = new ModelBuilder();
    const x = b.input('x', ['N', 4]);
    const weights = [b.constant('w', randomTensor([4, 6], 2)), b.constant('b', randomTensor([6], 3))] as const;
    const [chosen] = addIf(
      b,
      b.input('taken', [], 'bool'),
      (branch) => branch.output(branch.op('Add', [weights[1], branch.op('MatMul', [x, weights[0]])]), 'then'),
      (branch) => branch.output(branch.op('MatMul', [x, weights[0]]), 'else'),
    );
    b.output(chosen!, 'y');
    const model = b.build();
    const result = await applyPass(model, pass);
    expect(operatorsOf(result.model)).toEqual(['If', 'Gemm', 'MatMul']);
    const given = { ...feeds, taken: tensorFromData('bool', [], Uint8Array.of(1)) };
    expect(await largestDifference(model, result.model, given)).toBeLessThan(tolerance);
  });

  it('declines where the product is a graph output, and a type without Gemm', async () => {
    const { b } = build();
    b.output(b.graph.values.get('p')!, 'z');
    expect(reasonsOf((await applyPass(b.build(), pass)).report)).toEqual(['"z" is read elsewhere']);
    const c = new ModelBuilder();
    const product = c.op('MatMul', [c.input('x', ['N', 2], 'int64'), c.constant('w', int64Tensor([1, 2], [2, 1]))]);
    c.output(c.op('Add', [product, c.constant('b', int64Tensor([3]))]), 'y', 'int64');
    expect(reasonsOf((await applyPass(c.build(), pass)).report)).toEqual(['ort-cpu has no Gemm of its own']);
  });

  it('leaves models whose Add broadcasts by an attribute', async () => {
    expect(operatorsOf((await applyPass(build({ opset: 6 }).model, pass)).model)).toEqual(['MatMul', 'Add']);
  });
});
