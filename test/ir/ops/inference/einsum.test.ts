import { describe, expect, it } from 'vitest';
import { stringAttribute } from '../../../../src/ir/attribute.js';
import { inferOne, type Size, typed } from './infer_one.js';

const einsum = (equation: string, ...shapes: (readonly Size[] | undefined)[]) =>
  inferOne(
    'Einsum',
    shapes.map((sizes) => typed('float', sizes)),
    { opset: 12, attributes: [stringAttribute('equation', equation)] },
  );

describe('Einsum', () => {
  it('has for each letter the size it has among the operands', () => {
    expect(einsum('bij, bjk -> bik', ['B', 2, 3], ['B', 3, 'K']).types).toEqual(['float[B, 2, K]']);
    expect(einsum('ij->ji', ['N', 3]).types).toEqual(['float[3, N]']);
    expect(einsum('i,j->', [2], [3]).types).toEqual(['float[]']);
    expect(einsum('ii->i', [null, 3]).types).toEqual(['float[3]']);
  });

  it('stretches sizes of 1', () => {
    expect(einsum('ij,jk->ijk', [2, 1], [3, 4]).types).toEqual(['float[2, 3, 4]']);
    expect(einsum('i,i->i', ['N'], [3]).types).toEqual(['float[3]']);
    expect(einsum('i,i->i', ['N'], ['M']).types).toEqual(['float[broadcast(M, N)]']);
    expect(einsum('i,i->i', ['N'], [null]).types).toEqual(['float[?]']);
  });

  it('has without an arrow the letters that stand once, in the order of ASCII', () => {
    expect(einsum('bA,Ac', [2, 3], [3, 4]).types).toEqual(['float[2, 4]']);
    expect(einsum('aB', [2, 3]).types).toEqual(['float[3, 2]']);
    expect(einsum('i,i', [2], [2]).types).toEqual(['float[]']);
    expect(einsum('a...b,bc', [2, 'N', 3], [3, 4]).types).toEqual(['float[N, 2, 4]']);
  });

  it('stretches what stands under an ellipsis', () => {
    expect(einsum('...ij,...jk->...ik', [5, 1, 2, 3], [1, 'N', 3, 4]).types).toEqual(['float[5, N, 2, 4]']);
    expect(einsum('b...,b...->...', [2, 3, 4], [2, 3, 4]).types).toEqual(['float[3, 4]']);
    expect(einsum('i->i...', [3]).types).toEqual(['float[3]']);
  });

  it('leaves open what depends on an unknown operand', () => {
    expect(einsum('ij,jk->ik', undefined, [3, 4]).types).toEqual(['float[?, 4]']);
    expect(einsum('...i,...i->...', [7, 1, 2], undefined).types).toEqual(['float[7, ?]']);
    expect(einsum('...i->...i', undefined).types).toEqual(['float[*]']);
  });

  it('reports equations that do not fit', () => {
    const wrong = [
      einsum('ij,jk->ik', [2, 3]),
      einsum('ij->ik', [2, 3]),
      einsum('ij->ii', [2, 3]),
      einsum('ij', [2, 3, 4]),
      einsum('i...j', [2]),
      einsum('ii', [2, 3]),
      einsum('ij,jk', [2, 3], [4, 5]),
      einsum('...i,...i', [2, 3], [3]),
      einsum('...i...->i', [2, 3]),
      einsum('i.j', [2, 3]),
      einsum('i->j->k', [2]),
      einsum('i+j', [2]),
      einsum('', [2]),
    ];
    for (const { types, codes } of wrong) {
      expect(types).toEqual(['float[*]']);
      expect(codes).toEqual(['infer/einsum']);
    }
    expect(inferOne('Einsum', [typed('float', [2])]).codes).toEqual(['infer/einsum']);
  });

  it('survives an equation of many letters', () => {
    expect(einsum('a'.repeat(100_000), [2]).codes).toEqual(['infer/einsum']);
  });
});
