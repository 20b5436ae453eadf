import { describe, expect, it } from 'vitest';
import type { DataType } from '../../../../src/ir/data_type.js';
import { tensorData } from '../../../../src/ir/tensor.js';
import { fuseGemmBatchnorm } from '../../../../src/passes/fuse/weights/fuse_gemm_batchnorm.js';
import { rewritePass } from '../../../../src/passes/rewrite/driver.js';
import { type FloatType, numbersTensor } from '../../../../src/passes/rewrite/float_numbers.js';
import {
  applyPass,
  largestDifference,
  ModelBuilder,
  operatorsOf,
  randomTensor,
  reasonsOf,
} from '../../../build_model.js';

const pass = rewritePass('fuse', 'test', [fuseGemmBatchnorm]);

const random = (dtype: FloatType, dims: readonly number[], seed: number, offset = 0) => {
  const numbers = Float64Array.from(tensorData(randomTensor(dims, seed)), Number);
  return numbersTensor(
    dtype,
    numbers.map((value) => value + offset),
    dims,
  );
};

function build(layer: string, dtype: FloatType = 'float', input: readonly (number | string)[] = ['N', 4], outer?: 'z') {
  const b = new ModelBuilder();
  const x = b.input('x', input, dtype as DataType);
  const inputs = [x, b.constant('w', random(dtype, [4, 6], 2))];
  if (layer === 'Gemm') inputs.push(b.constant('b', random(dtype, [6], 3)));
  const product = b.op(layer, inputs);
  const statistics = [4, 5, 6, 7].map((seed) => b.constant(`s${seed}`, random(dtype, [6], seed, seed === 7 ? 2 : 0)));
  b.output(b.op('BatchNormalization', [product, ...statistics]), 'y', dtype);
  if (outer) b.output(product, outer, dtype);
  return b.build();
}

describe('fuse-gemm-batchnorm', () => {
  // Sums of 4 products of numbers up to 1: a few roundings of 4 in the type.
  for (const [dtype, tolerance] of [
    ['float', 2e-6],
    ['double', 4e-15],
    ['float16', 0.01],
  ] as const) {
    // On the CPU, ONNX Runtime has no Gemm of float16, but runs a given one all the same.
    for (const layer of dtype === 'float16' ? ['Gemm'] : ['Gemm', 'MatMul']) {
      it(`folds scale and shift into ${layer} of ${dtype}`, async () => {
        const model = build(layer, dtype);
        const result = await applyPass(model, pass);
        expect(operatorsOf(result.model)).toEqual(['Gemm']);
        const feeds = { x: random(dtype, [3, 4], 9) };
        expect(await largestDifference(model, result.model, feeds)).toBeLessThan(tolerance);
      });
    }
  }

  it('declines a product of more axes, where axis 1 is not the last', async () => {
    const { model, report } = await applyPass(build('MatMul', 'float', ['N', 6, 4]), pass);
    expect(operatorsOf(model)).toEqual(['MatMul', 'BatchNormalization']);
    expect(reasonsOf(report)).toEqual(['its input is not known to be a matrix']);
  });

  it('declines where the target has no Gemm for the type', async () => {
    const { report } = await applyPass(build('MatMul', 'float16'), pass);
    expect(reasonsOf(report)).toEqual(['ort-cpu has no Gemm of its own']);
  });

  it('declines where the product is a graph output', async () => {
    const { report } = await applyPass(build('Gemm', 'float', ['N', 4], 'z'), pass);
    expect(reasonsOf(report)).toEqual(['the result of the product is read elsewhere']);
  });
});
