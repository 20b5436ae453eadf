import { describe, expect, it } from 'vitest';
import { intAttribute } from '../../../src/ir/attribute.js';
import type { DataType } from '../../../src/ir/data_type.js';
import type { Value } from '../../../src/ir/graph.js';
import type { HalfType } from '../../../src/ir/half_float.js';
import { Inference } from '../../../src/ir/ops/inference/inference.js';
import { floatTensor, int64Tensor } from '../../../src/ir/tensor.js';
import { halfSlots } from '../../../src/passes/precision/half_slots.js';
import { ModelBuilder } from '../../build_model.js';

const slotsOf = (b: ModelBuilder, value: Value, half: HalfType = 'float16') =>
  halfSlots(value.producer!, half, new Inference(b.graph.model));

describe('halfSlots', () => {
  it('changes all slots of a type parameter', () => {
    const b = new ModelBuilder(17);
    const y = b.op('Gemm', [b.input('x', [2, 3]), b.input('w', [3, 4])]);
    expect(slotsOf(b, y)).toEqual({ inputs: [true, true], outputs: [true] });
    expect(slotsOf(b, y, 'bfloat16')).toEqual({ inputs: [true, true], outputs: [true] });
  });

  it('leaves slots that the schema fixes', () => {
    const b = new ModelBuilder(13);
    const x = b.input('x', [1, 1, 2, 2]);
    const y = b.op('Resize', [x, null, b.constant('scales', floatTensor([1, 1, 2, 2]))]);
    expect(slotsOf(b, y)).toEqual({ inputs: [true, false, false], outputs: [true] });
  });

  it('leaves numbers that are positions, and what shares their type', () => {
    const b = new ModelBuilder(16);
    const grid = b.op('GridSample', [b.input('x', [1, 1, 2, 2]), b.input('grid', [1, 2, 2, 2])]);
    expect(slotsOf(b, grid)).toEqual({ inputs: [true, false], outputs: [true] });
    const [image, rois] = [b.input('image', [1, 1, 4, 4]), b.input('rois', [1, 4])];
    const align = b.op('RoiAlign', [image, rois, b.constant('batch', int64Tensor([0]))]);
    expect(slotsOf(b, align)).toBeUndefined();
  });

  it('leaves statistics whose type says how a normalization computes', () => {
    const b = new ModelBuilder(17);
    const [y] = b.ops('LayerNormalization', [b.input('x', [2, 3]), b.input('s', [3])], { outputs: ['y', 'mean'] });
    expect(slotsOf(b, y!)).toEqual({ inputs: [true, true], outputs: [true, false] });
  });

  it('restates the type that an attribute names', () => {
    const b = new ModelBuilder(17);
    const from = (dtype: DataType) =>
      b.op('Cast', [b.input(dtype, [2], dtype)], { attributes: [intAttribute('to', 1)] });
    expect(slotsOf(b, from('int64'))).toEqual({ inputs: [false], outputs: [true] });
    expect(slotsOf(b, from('float'))).toEqual({ inputs: [true], outputs: [true] });
    expect(slotsOf(b, b.op('ConstantOfShape', [b.input('n', [2], 'int64')]))).toEqual({
      inputs: [false],
      outputs: [true],
    });
  });

  it('takes the scale of DequantizeLinear along where the opset lets it', () => {
    const slots = (opset: number, outputType?: number) => {
      const b = new ModelBuilder(opset);
      const attributes = outputType === undefined ? [] : [intAttribute('output_dtype', outputType)];
      return slotsOf(b, b.op('DequantizeLinear', [b.input('q', [2], 'int8'), b.input('s', [])], { attributes }));
    };
    expect(slots(13)).toBeUndefined();
    for (const given of [slots(19), slots(23), slots(23, 1)]) {
      expect(given).toEqual({ inputs: [false, true], outputs: [true] });
    }
  });

  it('has none where a slot of the parameter is of another type', () => {
    const b = new ModelBuilder(17);
    expect(slotsOf(b, b.op('Add', [b.input('x', [2], 'double'), b.input('y', [2], 'double')]))).toBeUndefined();
    expect(slotsOf(b, b.op('Add', [b.input('p', [2], 'int64'), b.input('q', [2], 'int64')]))).toBeUndefined();
  });

  it('has none for unknown operators, bits, sequences, and opsets that are too old or too new', () => {
    const b = new ModelBuilder(26);
    const x = b.input('x', [2]);
    expect(slotsOf(b, b.op('Mystery', [x], { domain: 'com.example' }))).toBeUndefined();
    expect(slotsOf(b, b.op('BitCast', [x], { attributes: [intAttribute('to', 6)] }))).toBeUndefined();
    expect(slotsOf(b, b.op('SequenceConstruct', [x]))).toBeUndefined();
    const old = new ModelBuilder(11);
    expect(slotsOf(old, old.op('Relu', [old.input('x', [2])]), 'bfloat16')).toBeUndefined();
    const next = new ModelBuilder(999);
    expect(slotsOf(next, next.op('Relu', [next.input('x', [2])]))).toBeUndefined();
  });
});
