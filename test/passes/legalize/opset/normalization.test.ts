import { describe, expect, it } from 'vitest';
import { type Attribute, floatAttribute, intAttribute } from '../../../../src/ir/attribute.js';
import { floatTensor } from '../../../../src/ir/tensor.js';
import { operatorsOf, randomTensor } from '../../../build_model.js';
import { convertsTo, modelOf, refusal } from '../convert.js';

const dims = [2, 4, 3, 5];
const feeds = { x: randomTensor(dims) };
const rounding = 2e-6;

const batchNormalization = (opset: number, attributes: readonly Attribute[] = [], outputs = 1) =>
  modelOf(opset, (b) => {
    const inputs = [1, 2, 3].map((seed) => b.constant(`c${seed}`, randomTensor([4], seed)));
    const variance = b.constant('var', floatTensor([1, 2, 3, 4]));
    const [y] = b.ops('BatchNormalization', [b.input('x', dims), ...inputs, variance], { attributes, outputs });
    b.output(y!, 'y');
  });

describe('BatchNormalization', () => {
  it('computes the same in every opset outside training', async () => {
    for (const to of [9, 13, 14, 15, 21]) await convertsTo(to, batchNormalization(7), feeds);
    for (const to of [7, 9, 14]) await convertsTo(to, batchNormalization(15), feeds);
    const said = await convertsTo(14, batchNormalization(7, [intAttribute('spatial', 1)]), feeds);
    expect([...said.graph.nodes][0]?.attributes.has('spatial')).toBe(false);
    await convertsTo(13, batchNormalization(15, [intAttribute('training_mode', 0)]), feeds);
  });

  it('is refused in training', async () => {
    expect(await refusal(14, batchNormalization(9, [], 3))).toBe('it is in training mode');
    const training = batchNormalization(14, [intAttribute('training_mode', 1)], 3);
    expect(await refusal(13, training)).toBe('it is in training mode');
    const perElement = batchNormalization(7, [intAttribute('spatial', 0)]);
    expect(await refusal(9, perElement)).toBe('its statistics are not by channel');
  });
});

const groupNormalization = (opset: number, size: number, channels: number | string = 4) =>
  modelOf(opset, (b) => {
    const [scale, bias] = [1, 2].map((seed) => b.constant(`c${seed}`, randomTensor([size], seed)));
    const attributes = [intAttribute('num_groups', 2), floatAttribute('epsilon', 0.01)];
    b.output(b.op('GroupNormalization', [b.input('x', [2, channels, 3, 5]), scale!, bias!], { attributes }), 'y');
  });

describe('GroupNormalization', () => {
  it('repeats the scale and bias of a group for its channels up', async () => {
    await convertsTo(21, groupNormalization(18, 2), feeds, rounding);
    const open = await convertsTo(22, groupNormalization(18, 2, 'c'), feeds, rounding);
    expect(operatorsOf(open)).toContain('Concat');
  });

  it('scales and shifts channels behind it down', async () => {
    const converted = await convertsTo(20, groupNormalization(21, 4), feeds, rounding);
    expect(operatorsOf(converted)).toEqual(['GroupNormalization', 'Reshape', 'Mul', 'Reshape', 'Add']);
  });

  it('is an InstanceNormalization of groups before opset 18', async () => {
    const converted = await convertsTo(17, groupNormalization(18, 2), feeds, rounding);
    expect(operatorsOf(converted)).toEqual(['Reshape', 'InstanceNormalization', 'Reshape']);
    await convertsTo(13, groupNormalization(21, 4), feeds, rounding);
  });
});
