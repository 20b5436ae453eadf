import { describe, expect, it } from 'vitest';
import { findTarget } from '../../../../src/backends/target.js';
import { intAttribute } from '../../../../src/ir/attribute.js';
import { tensorFromBytes } from '../../../../src/ir/tensor.js';
import { randomTensor } from '../../../build_model.js';
import { keeps, type Operand, type Single, unfuses } from './unfused.js';

/** Sums of up to 64 products of numbers up to 8. */
const tolerance = 1e-4;

const bytes = (count: number) =>
  tensorFromBytes(
    'uint8',
    [count],
    Uint8Array.from({ length: count }, (_, at) => (at * 37 + 11) % 256),
  );

/** [outputs, blocks] of scales, weights of 4 bits. */
function quantized(sums: number, outputs: number, blockSize: number, more: readonly Operand[] = []): Single {
  const blocks = Math.ceil(sums / blockSize);
  const weight = { ...bytes((outputs * blocks * blockSize) / 2), dims: [outputs, blocks, blockSize / 2] };
  return {
    opset: 21,
    opType: 'MatMulNBits',
    inputs: [
      randomTensor([2, 3, sums], 1),
      { constant: weight },
      { constant: randomTensor([outputs * blocks], 2) },
      ...more,
    ],
    attributes: [
      intAttribute('K', sums),
      intAttribute('N', outputs),
      intAttribute('bits', 4),
      intAttribute('block_size', blockSize),
    ],
  };
}

describe('MatMulNBits', () => {
  it('becomes DequantizeLinear by block and MatMul', async () => {
    expect(await unfuses(quantized(64, 5, 16), tolerance)).toEqual(['DequantizeLinear', 'MatMul']);
    expect(await unfuses(quantized(40, 4, 16), tolerance)).toEqual(['DequantizeLinear', 'MatMul']);
  });

  it('keeps zero points of its own, and adds its bias', async () => {
    const zeroPoints = { constant: bytes(5 * 2) };
    const node = quantized(64, 5, 16, [zeroPoints, null, randomTensor([5], 3)]);
    expect(await unfuses(node, tolerance)).toEqual(['DequantizeLinear', 'MatMul', 'Add']);
    const odd = quantized(48, 5, 16, [{ constant: bytes(5 * 2) }]);
    expect(await unfuses(odd, tolerance)).toEqual(['DequantizeLinear', 'MatMul']);
  });

  it('takes an older model to the opset that has blocks', async () => {
    expect(await unfuses({ ...quantized(64, 5, 16), opset: 17 }, tolerance)).toEqual(['DequantizeLinear', 'MatMul']);
  });

  it('stays for targets below opset 21, and where its weights are not constant', async () => {
    const old = findTarget('tensorrt@8.6');
    expect(await keeps({ ...quantized(64, 5, 16), opset: 17 }, old)).toContain('what spells it needs opset 21');
    const { inputs, ...rest } = quantized(64, 5, 16);
    const fed = [inputs[0]!, { ...bytes(5 * 4 * 8), dims: [5, 4, 8] }, inputs[2]!];
    expect(await keeps({ ...rest, inputs: fed })).toContain('its weights are not constant');
  });
});
