import { describe, expect, it } from 'vitest';
import { intAttribute, stringAttribute } from '../../../../src/ir/attribute.js';
import { floatTensor, int64Tensor } from '../../../../src/ir/tensor.js';
import { operatorsOf, randomTensor } from '../../../build_model.js';
import { convertsTo, modelOf, nodeDims, refusal, singleNode } from '../convert.js';

const feeds = { x: randomTensor(nodeDims) };

describe('shapes', () => {
  it('are sliced behind Shape before opset 15', async () => {
    for (const [start, end] of [
      [1, 3],
      [-3, -1],
      [2, 9],
    ] as const) {
      const attributes = [intAttribute('start', start), intAttribute('end', end)];
      const converted = await convertsTo(13, singleNode(15, 'Shape', attributes, { result: 'int64' }), feeds);
      expect(operatorsOf(converted)).toEqual(['Shape', 'Slice']);
      await convertsTo(9, singleNode(19, 'Shape', attributes.slice(0, 1), { result: 'int64' }), feeds);
    }
    const whole = await convertsTo(9, singleNode(15, 'Shape', [intAttribute('start', 0)], { result: 'int64' }), feeds);
    expect(operatorsOf(whole)).toEqual(['Shape']);
  });

  it('with a 0 that means 0 are refused before opset 14', async () => {
    const allowZero = [intAttribute('allowzero', 1)];
    await convertsTo(13, singleNode(14, 'Reshape', allowZero, { constants: [int64Tensor([2, 24])] }), feeds);
    const zero = singleNode(14, 'Reshape', allowZero, { constants: [int64Tensor([0, 48])], dims: [0, 48] });
    expect(await refusal(13, zero)).toBe('its shape may hold a 0 that means 0');
  });
});

describe('Constant', () => {
  it.each([
    { name: 'value_float', kind: 'float', value: 1.5 },
    { name: 'value_floats', kind: 'floats', value: [1.5, 2] },
    { name: 'value_int', kind: 'int', value: 3n },
    { name: 'value_ints', kind: 'ints', value: [3n, 4n] },
  ] as const)('holds a tensor instead of $name before opset 12', async (attribute) => {
    const dtype = attribute.kind.startsWith('int') ? 'int64' : 'float';
    const model = modelOf(12, (b) => b.output(b.op('Constant', [], { attributes: [attribute] }), 'y', dtype));
    const converted = await convertsTo(9, model, {});
    expect([...converted.graph.nodes][0]?.attributes.get('value')?.kind).toBe('tensor');
  });
});

describe('names of modes', () => {
  const grid = randomTensor([1, 3, 3, 2], 5);

  it.each([
    ['bilinear', 'linear'],
    ['bicubic', 'cubic'],
    ['nearest', 'nearest'],
  ])('of GridSample: %s is %s from opset 20 on', async (older, newer) => {
    const model = (opset: number, mode: string) =>
      singleNode(opset, 'GridSample', [stringAttribute('mode', mode)], { constants: [grid] });
    const up = await convertsTo(20, model(16, older), feeds, 1e-6);
    expect(new TextDecoder().decode([...up.graph.nodes][0]?.attributes.get('mode')?.value as Uint8Array)).toBe(newer);
    await convertsTo(16, model(20, newer), feeds, 1e-6);
  });

  it('of RoiAlign: a region follows the output before opset 16', async () => {
    const constants = [floatTensor([0, 0, 3, 3], [1, 4]), int64Tensor([0])];
    const size = [intAttribute('output_height', 2), intAttribute('output_width', 2)];
    await convertsTo(16, singleNode(10, 'RoiAlign', size, { constants }), feeds);
    const byOutput = [...size, stringAttribute('coordinate_transformation_mode', 'output_half_pixel')];
    await convertsTo(10, singleNode(16, 'RoiAlign', byOutput, { constants }), feeds);
    expect(await refusal(15, singleNode(16, 'RoiAlign', size, { constants }))).toMatch(/"half_pixel" do not exist/);
  });
});
