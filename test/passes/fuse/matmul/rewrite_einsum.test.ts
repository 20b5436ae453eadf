import { describe, expect, it } from 'vitest';
import { stringAttribute } from '../../../../src/ir/attribute.js';
import { rewriteEinsum } from '../../../../src/passes/fuse/matmul/rewrite_einsum.js';
import { rewritePass } from '../../../../src/passes/rewrite/driver.js';
import {
  applyPass,
  largestDifference,
  ModelBuilder,
  operatorsOf,
  randomTensor,
  reasonsOf,
} from '../../../build_model.js';

const pass = rewritePass('rewrite', 'test', [rewriteEinsum]);

/** Sums of up to 5 products of numbers up to 1: float32 roundings of 5. */
const tolerance = 3e-6;

const sizes: Readonly<Record<string, number>> = { b: 2, h: 3, i: 4, j: 5, k: 3, d: 5, n: 2 };

type Case = { constant?: boolean; opset?: number; dims?: readonly (readonly (number | string)[])[] };

function build(equation: string, { constant = false, opset = 17, dims }: Case = {}) {
  const b = new ModelBuilder(opset);
  const terms = equation.split('->')[0]!.replaceAll(' ', '').split(',');
  const shapes = terms.map((term) => [...term.replaceAll('.', '')].map((letter) => sizes[letter]!));
  const feeds: Record<string, ReturnType<typeof randomTensor>> = {};
  const inputs = shapes.map((shape, index) => {
    const tensor = randomTensor(shape, index + 4);
    if (constant && index === 1) return b.constant('w', tensor);
    feeds[`x${index}`] = tensor;
    return b.input(`x${index}`, dims?.[index] ?? shape);
  });
  b.output(b.op('Einsum', inputs, { attributes: [stringAttribute('equation', equation)] }), 'y');
  return { model: b.build(), feeds };
}

describe('rewrite-einsum', () => {
  const rewritten: readonly (readonly [string, readonly string[]])[] = [
    ['ij,jk->ik', ['MatMul']],
    ['ij,jk', ['MatMul']],
    ['bij,bjk->bik', ['MatMul']],
    ['bhij,bhjd->bhid', ['MatMul']],
    ['bij,jk->bik', ['MatMul']],
    ['hbij,jk->hbik', ['MatMul']],
    ['ij,j->i', ['MatMul']],
    ['j,jk->k', ['MatMul']],
    ['j,j->', ['MatMul']],
    ['jk,ij->ik', ['MatMul']],
    ['ij,bjk->bik', ['MatMul']],
    ['ij,kj->ik', ['Transpose', 'MatMul']],
    ['bhid,bhjd->bhij', ['Transpose', 'MatMul']],
    ['ij,jk->ki', ['MatMul', 'Transpose']],
    ['ij->ji', ['Transpose']],
    ['bhij->jbih', ['Transpose']],
    ['ji', ['Transpose']],
    ['bij->bj', ['ReduceSum']],
    ['ij->', ['ReduceSum']],
    ['bij,bij->bij', ['Mul']],
    ['bij,ij->bij', ['Mul']],
    [' i j , j k -> i k ', ['MatMul']],
  ];
  for (const [equation, expected] of rewritten) {
    it(`rewrites ${equation}`, async () => {
      const { model, feeds } = build(equation);
      const result = await applyPass(model, pass);
      expect(operatorsOf(result.model)).toEqual(expected);
      expect(await largestDifference(model, result.model, feeds)).toBeLessThan(tolerance);
    });
  }

  it('sums over axes given by an attribute before opset 13', async () => {
    const { model, feeds } = build('bij->bj', { opset: 12 });
    const result = await applyPass(model, pass);
    expect(operatorsOf(result.model)).toEqual(['ReduceSum']);
    expect(await largestDifference(model, result.model, feeds)).toBeLessThan(tolerance);
  });

  it('counts no Transpose of a constant', async () => {
    const { model, feeds } = build('bijh,kj->bikh', { constant: true });
    const result = await applyPass(model, pass);
    expect(operatorsOf(result.model).filter((opType) => opType === 'Einsum')).toEqual([]);
    expect(await largestDifference(model, result.model, feeds)).toBeLessThan(tolerance);
  });

  it('keeps symbolic sizes that both operands share', async () => {
    const dims = [
      ['B', 'I', 'J'],
      ['B', 'J', 3],
    ];
    const { model, feeds } = build('bij,bjk->bik', { dims });
    const result = await applyPass(model, pass);
    expect(operatorsOf(result.model)).toEqual(['MatMul']);
    expect(await largestDifference(model, result.model, feeds)).toBeLessThan(tolerance);
  });

  for (const [equation, reason] of [
    ['ii->i', 'a term has a letter twice'],
    ['...ij,...jk->...ik', 'it has an ellipsis'],
    ['i,j->ij', 'it is no product of matrices'],
    ['ij,jk->i', 'it is no product of matrices'],
    ['bij,bij->b', 'it is no product of matrices'],
    ['bi,bi->b', 'it is no product of matrices'],
    ['ij,jk,kd->id', 'it has more than two operands'],
    ['bij->ib', 'it sums and transposes'],
    ['bihd,bjhd->bhij', 'it would take more than two nodes'],
  ] as const) {
    it(`declines ${equation}`, async () => {
      const { model, report } = await applyPass(build(equation).model, pass);
      expect(operatorsOf(model)).toEqual(['Einsum']);
      expect(reasonsOf(report)).toEqual([reason]);
    });
  }

  it('leaves sizes that Einsum may stretch', async () => {
    const dims = [
      ['B', 4, 5],
      ['C', 5, 3],
    ];
    const { model, report } = await applyPass(build('bij,bjk->bik', { dims }).model, pass);
    expect(operatorsOf(model)).toEqual(['Einsum']);
    expect(reasonsOf(report)).toEqual(['the sizes under one letter may differ']);
  });
});
