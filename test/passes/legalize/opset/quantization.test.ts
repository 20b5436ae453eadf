import { describe, expect, it } from 'vitest';
import { type Attribute, intAttribute } from '../../../../src/ir/attribute.js';
import type { DataType } from '../../../../src/ir/data_type.js';
import { floatTensor, type Tensor, tensorFromData } from '../../../../src/ir/tensor.js';
import { opsetObstacles } from '../../../../src/passes/legalize/convert_opset.js';
import { randomTensor } from '../../../build_model.js';
import { convertsTo, modelOf, nodeDims, refusal, singleNode } from '../convert.js';

const feeds = { x: randomTensor(nodeDims) };

describe('quantization', () => {
  const scale = floatTensor([0.02], []);
  const quantize = (opset: number, attributes: readonly Attribute[], constants: readonly Tensor[], result: DataType) =>
    singleNode(opset, 'QuantizeLinear', attributes, { constants, result });

  it('of a whole tensor is the same in every opset', async () => {
    const zeroPoint = tensorFromData('int8', [], Int8Array.of(3));
    for (const to of [13, 19, 21, 23]) await convertsTo(to, quantize(10, [], [scale, zeroPoint], 'int8'), feeds);
    for (const to of [10, 13, 19]) await convertsTo(to, quantize(21, [], [scale, zeroPoint], 'int8'), feeds);
  });

  it('says the type of its result by a zero point before opset 21', async () => {
    const newer = quantize(21, [intAttribute('output_dtype', 3)], [scale], 'int8');
    const converted = await convertsTo(19, newer, feeds);
    expect([...converted.graph.nodes][0]?.inputs[2]?.initializer?.dtype).toBe('int8');
  });

  it('by channel is refused before opset 13', async () => {
    const byChannel = quantize(
      13,
      [],
      [floatTensor([0.1, 0.2]), tensorFromData('uint8', [2], Uint8Array.of(1, 2))],
      'uint8',
    );
    expect(await refusal(12, byChannel)).toBe('it has a scale for every channel');
    await convertsTo(19, byChannel, feeds);
  });

  it('gives the type of its scale before opset 23', async () => {
    const dequantize = (code: number) =>
      modelOf(23, (b) => {
        const inputs = [b.input('x', [4], 'int8'), b.constant('scale', scale)];
        b.output(b.op('DequantizeLinear', inputs, { attributes: [intAttribute('output_dtype', code)] }), 'y');
      });
    await convertsTo(13, dequantize(1), { x: tensorFromData('int8', [4], Int8Array.of(1, 2, -3, 4)) });
    expect(await refusal(22, dequantize(10))).toBe('it gives another type than its scale has');
  });
});

describe('casts to 8-bit floats', () => {
  const cast = (opset: number, to: number, saturate = 1) =>
    singleNode(opset, 'Cast', [intAttribute('to', to), intAttribute('saturate', saturate)], {
      result: to === 18 ? 'float8e4m3fnuz' : 'float8e4m3fn',
    });

  it('are refused where infinities become another number', async () => {
    expect(await refusal(24, cast(23, 18))).toMatch(/infinities become NaN in float8e4m3fnuz before opset 24/);
    expect(await refusal(23, cast(24, 18))).toMatch(/and its largest number from then on/);
    expect(opsetObstacles(cast(23, 18, 0), 24)).toEqual([]);
    expect(opsetObstacles(cast(23, 17), 24)).toEqual([]);
  });

  it('exist from opset 19 on, where saturating was added', async () => {
    expect(await refusal(18, cast(19, 17, 0))).toBe('it does not saturate');
    expect(await refusal(18, cast(19, 17))).toBe('it does not take tensor(float8e4m3fn) there');
    // ONNX Runtime does not load this one, though nothing forbids it.
    const integers = singleNode(19, 'Cast', [intAttribute('to', 7), intAttribute('saturate', 0)], { result: 'int64' });
    expect(opsetObstacles(integers, 13)).toEqual([]);
  });
});
