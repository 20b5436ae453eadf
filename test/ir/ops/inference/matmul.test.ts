import { describe, expect, it } from 'vitest';
import { type Attribute, intAttribute } from '../../../../src/ir/attribute.js';
import { type Given, inferOne, type Size, typed } from './infer_one.js';

const x = (sizes?: readonly Size[]) => typed('float', sizes);

describe('MatMul', () => {
  const product = (a: Given, b: Given) => inferOne('MatMul', [a, b], { opset: 1 });

  it('multiplies matrices, whose batches stretch', () => {
    expect(product(x(['M', 4]), x([4, 'N'])).types).toEqual(['float[M, N]']);
    expect(product(x(['B', 1, 'M', 'K']), x([8, 'K', 5])).types).toEqual(['float[B, 8, M, 5]']);
    expect(product(x([0, 2, 3]), x([1, 3, 4])).types).toEqual(['float[0, 2, 4]']);
  });

  it('loses the axis of a vector', () => {
    expect(product(x([4]), x(['B', 4, 5])).types).toEqual(['float[B, 5]']);
    expect(product(x(['B', 3, 4]), x([4])).types).toEqual(['float[B, 3]']);
    expect(product(x([4]), x([4])).types).toEqual(['float[]']);
  });

  it('knows nothing of the shape where a rank is not known', () => {
    expect(product(x([3, 4]), x()).types).toEqual(['float[*]']);
    expect(product(x(), x([4])).types).toEqual(['float[*]']);
    expect(product(x([null, null]), x([4, 'N'])).types).toEqual(['float[?, N]']);
  });

  it('reports matrices that do not multiply', () => {
    expect(product(x([2, 3]), x([4, 5])).codes).toEqual(['infer/matmul']);
    expect(product(x([2, 'K']), typed('float', ['K', 5])).codes).toEqual([]);
    expect(product(x([2, 2, 3]), x([3, 3, 5])).codes).toEqual(['infer/matmul']);
    expect(product(x([]), x([2])).codes).toEqual(['infer/matmul']);
    expect(product(x(), x([])).codes).toEqual(['infer/matmul']);
  });

  it('of integers has sums of 32 bits, or the type of its zero point', () => {
    const bytes = (sizes: readonly Size[]) => typed('uint8', sizes);
    expect(inferOne('MatMulInteger', [bytes([2, 3]), bytes([3, 4])], { opset: 10 }).types).toEqual(['int32[2, 4]']);
    const given = [bytes([2, 3]), x([]), bytes([]), bytes([3, 4]), x([]), bytes([]), x([]), typed('int8', [])];
    expect(inferOne('QLinearMatMul', given, { opset: 10 }).types).toEqual(['int8[2, 4]']);
  });
});

describe('Gemm', () => {
  const gemm = (inputs: readonly Given[], attributes: readonly Attribute[] = [], opset = 13) =>
    inferOne('Gemm', inputs, { attributes, opset });

  it('multiplies matrices stored either way round', () => {
    const turned = [intAttribute('transA', 1), intAttribute('transB', 1)];
    expect(gemm([x([4, 'M']), x(['N', 4]), x(['N'])], turned).types).toEqual(['float[M, N]']);
    expect(gemm([x(['M', 4]), x([4, 'N'])], [], 7).types).toEqual(['float[M, N]']);
  });

  it('takes from C what it does not know otherwise', () => {
    expect(gemm([x(), x([4, null]), x([3, 5])]).types).toEqual(['float[3, 5]']);
    expect(gemm([x(), x(), x([1, 'N'])]).types).toEqual(['float[?, ?]']);
    expect(gemm([x(), x()]).types).toEqual(['float[?, ?]']);
  });

  it('reports what does not fit', () => {
    expect(gemm([x([2, 3]), x([4, 5])]).codes).toEqual(['infer/matmul']);
    expect(gemm([x([2, 3, 4]), x([4, 5])]).codes).toEqual(['infer/matmul']);
    expect(gemm([x([2, 3]), x([3, 5]), x([4])]).codes).toEqual(['infer/matmul']);
    expect(gemm([x([2, 3]), x([3, 1]), x([4])]).codes).toEqual(['infer/matmul']);
    expect(gemm([x([2, 3]), x([3, 4]), x([1, 2, 4])]).codes).toEqual(['infer/matmul']);
  });
});
