import { describe, expect, it } from 'vitest';
import { targets } from '../../../src/backends/target.js';
import { intsAttribute } from '../../../src/ir/attribute.js';
import type { Value } from '../../../src/ir/graph.js';
import { encodeModel } from '../../../src/ir/onnx/encode.js';
import { floatTensor, int64Tensor, type Tensor, tensorFromData } from '../../../src/ir/tensor.js';
import { optimize } from '../../../src/optimize.js';
import { ModelBuilder } from '../../build_model.js';
import { type Trap, testTraps } from './trap.js';

const constant = (b: ModelBuilder, tensor: Tensor): Value => b.constant(b.editor.freshName('k'), tensor);

const trap = (name: string, build: (b: ModelBuilder) => void, more: Partial<Trap> = {}): Trap => ({
  name,
  build,
  ...more,
});

const quantize = (b: ModelBuilder, x: Value, scale: number, zero: number, dtype: 'uint8' | 'int8' = 'uint8') => {
  const point = tensorFromData(dtype, [], dtype === 'uint8' ? Uint8Array.of(zero) : Int8Array.of(zero));
  return b.op('QuantizeLinear', [x, constant(b, floatTensor([scale], [])), constant(b, point)]);
};

const dequantize = (b: ModelBuilder, q: Value, scale: number, zero: number, dtype: 'uint8' | 'int8' = 'uint8') => {
  const point = tensorFromData(dtype, [], dtype === 'uint8' ? Uint8Array.of(zero) : Int8Array.of(zero));
  return b.op('DequantizeLinear', [q, constant(b, floatTensor([scale], [])), constant(b, point)]);
};

const quantized: readonly Trap[] = [
  trap('a Q/DQ pair rounds', (b) => b.output(dequantize(b, quantize(b, b.input('x', [2, 30]), 0.1, 3), 0.1, 3), 'y'), {
    flavours: ['plain', 'finite'],
  }),
  trap(
    'Q and DQ with different scales',
    (b) => b.output(dequantize(b, quantize(b, b.input('x', [2, 30]), 0.1, 3), 0.2, 3), 'y'),
    { flavours: ['plain', 'finite'] },
  ),
  trap(
    'Q and DQ with different zero points',
    (b) => b.output(dequantize(b, quantize(b, b.input('x', [2, 30]), 0.1, 3), 0.1, 4), 'y'),
    { flavours: ['plain', 'finite'] },
  ),
  trap(
    'two pairs with different scales',
    (b) => {
      const inner = dequantize(b, quantize(b, b.input('x', [2, 30]), 0.1, 128), 0.1, 128);
      b.output(dequantize(b, quantize(b, inner, 0.07, 120), 0.07, 120), 'y');
    },
    { flavours: ['plain', 'finite'] },
  ),
  trap('DQ and Q of one scale undo each other', (b) => {
    b.output(b.op('Identity', [quantize(b, dequantize(b, b.input('x', [30], 'uint8'), 0.1, 3), 0.1, 3)]), 'y', 'uint8');
  }),
  trap('DQ and Q of one scale but another type', (b) => {
    b.output(quantize(b, dequantize(b, b.input('x', [30], 'uint8'), 0.1, 3), 0.1, 3, 'int8'), 'y', 'int8');
  }),
  trap('Relu between DQ and Q whose zero point is not the least', (b) => {
    const relu = b.op('Relu', [dequantize(b, b.input('x', [30], 'int8'), 0.1, -5, 'int8')]);
    b.output(quantize(b, relu, 0.1, 3, 'int8'), 'y', 'int8');
  }),
  trap(
    'what moves data between Q and DQ',
    (b) => {
      const q = quantize(b, b.input('x', [2, 3]), 0.1, 3);
      const moved = b.op('Transpose', [dequantize(b, q, 0.1, 3)], { attributes: [intsAttribute('perm', [1, 0])] });
      b.output(dequantize(b, quantize(b, moved, 0.1, 3), 0.1, 3), 'y');
    },
    { flavours: ['plain', 'finite'] },
  ),
  trap('padding between DQ and Q pads by a number, not by a code', (b) => {
    const padded = b.op('Pad', [dequantize(b, b.input('x', [4], 'uint8'), 0.1, 3), constant(b, int64Tensor([1, 1]))]);
    b.output(quantize(b, padded, 0.1, 3), 'y', 'uint8');
  }),
];

describe('8-bit pairs', () => {
  testTraps(quantized);

  it('integer weights behind their scale stay integers', async () => {
    const b = new ModelBuilder();
    const codes = tensorFromData(
      'int8',
      [64, 64],
      Int8Array.from({ length: 4096 }, (_, index) => (index % 255) - 127),
    );
    const w = b.op('DequantizeLinear', [constant(b, codes), constant(b, floatTensor([0.01], []))]);
    b.output(b.op('MatMul', [b.input('x', [1, 64]), w]), 'y');
    const original = b.build();
    for (const target of targets) {
      const { model } = await optimize({ model: original, target });
      expect(encodeModel(model).length, target.name).toBeLessThanOrEqual(encodeModel(original).length);
    }
  });
});
