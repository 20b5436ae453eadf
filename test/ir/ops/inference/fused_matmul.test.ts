import { describe, expect, it } from 'vitest';
import { type Attribute, intAttribute } from '../../../../src/ir/attribute.js';
import { type Given, inferOne, type Size, typed } from './infer_one.js';

const x = (sizes?: readonly Size[]) => typed('float', sizes);
const bytes = (sizes?: readonly Size[]) => typed('uint8', sizes);
const fused = (opType: string, inputs: readonly Given[], attributes: readonly Attribute[] = [], outputs = 1) =>
  inferOne(opType, inputs, { domain: 'com.microsoft', attributes, outputs });
const flags = (...names: string[]) => names.map((name) => intAttribute(name, 1));

describe('FusedMatMul', () => {
  it('multiplies matrices stored either way round, vectors as they are', () => {
    expect(fused('FusedMatMul', [x(['B', 'M', 4]), x(['B', 5, 4])], flags('transB')).types).toEqual(['float[B, M, 5]']);
    expect(fused('FusedMatMul', [x([3]), x([3, 5])], flags('transA')).types).toEqual(['float[5]']);
    expect(fused('TransposeMatMul', [x([4, 'M']), x([4, 5])], flags('transA')).types).toEqual(['float[M, 5]']);
  });

  it('finds the batch between the axes', () => {
    expect(fused('FusedMatMul', [x([6, 2, 3, 4]), x([2, 3, 4, 5])], flags('transBatchA')).types).toEqual([
      'float[2, 3, 6, 5]',
    ]);
    const both = flags('transBatchA', 'transA');
    expect(fused('FusedMatMul', [x([6, 2, 3, 4]), x([2, 3, 6, 5])], both).types).toEqual(['float[2, 3, 4, 5]']);
  });

  it('reports what does not multiply', () => {
    expect(fused('FusedMatMul', [x([2, 3]), x([3, 4])], flags('transA')).codes).toEqual(['infer/matmul']);
  });
});

describe('products with packed weights', () => {
  const sizes = [intAttribute('K', 32), intAttribute('N', 8)];

  it('have their sizes as attributes', () => {
    expect(fused('MatMulNBits', [x(['B', 'S', 32]), bytes()], sizes).types).toEqual(['float[B, S, 8]']);
    expect(fused('MatMulNBits', [x(), bytes()], sizes).types).toEqual(['float[*]']);
    expect(fused('MatMulBnb4', [x([5, 32]), bytes()], [...sizes, intAttribute('transB', 0)]).types).toEqual([
      'float[*]',
    ]);
  });

  it('give several projections at once', () => {
    const attributes = [intAttribute('K', 32), intAttribute('Nq', 8), intAttribute('Nkv', 4)];
    expect(fused('MatMulNBitsQkv', [x(['S', 32])], attributes, 4).types).toEqual([
      'float[S, 8]',
      'float[S, 4]',
      'float[S, 4]',
      'float[S, 32]',
    ]);
  });

  it('report another number of rows', () => {
    expect(fused('MatMulNBits', [x([2, 31]), bytes()], sizes).codes).toEqual(['infer/matmul']);
    expect(fused('MatMulNBits', [x([]), bytes()], sizes).codes).toEqual(['infer/matmul']);
  });
});

describe('quantized products', () => {
  it('have the type of their scale or zero point', () => {
    expect(fused('DynamicQuantizeMatMul', [x(['B', 3]), bytes([3, 4]), x([])]).types).toEqual(['float[B, 4]']);
    expect(fused('MatMulIntegerToFloat', [bytes(['B', 3]), bytes([3, 4]), x([]), x([])]).types).toEqual([
      'float[B, 4]',
    ]);
    expect(fused('MatMulInteger16', [typed('int16', [2, 3]), typed('int16', [3, 4])]).types).toEqual(['int32[2, 4]']);
    const gemm = [bytes([2, 3]), x([]), bytes([]), bytes([4, 3]), x([]), bytes([])];
    expect(fused('QGemm', gemm, flags('transB')).types).toEqual(['float[2, 4]']);
    expect(fused('QGemm', [...gemm, null, x([]), typed('int8', [])], flags('transB')).types).toEqual(['int8[2, 4]']);
    expect(fused('GemmFloat8', [x([2, 3]), x([3, 4])], [intAttribute('dtype', 10)]).types).toEqual(['float16[2, 4]']);
  });
});
