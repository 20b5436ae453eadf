import { describe, expect, it } from 'vitest';
import { type Attribute, intAttribute, intsAttribute, stringAttribute } from '../../../../src/ir/attribute.js';
import type { Model } from '../../../../src/ir/graph.js';
import { floatTensor, int64Tensor } from '../../../../src/ir/tensor.js';
import { operatorsOf, randomTensor } from '../../../build_model.js';
import { convertsTo, modelOf, refusal } from '../convert.js';

const dims = [1, 2, 4, 6];
const feeds = { x: randomTensor(dims) };
const mode = (name: string) => stringAttribute('mode', name);
const coordinates = (name: string) => stringAttribute('coordinate_transformation_mode', name);
const nearest = (name: string) => stringAttribute('nearest_mode', name);

const upsample7 = (name: string, scales: readonly number[]) =>
  modelOf(7, (b) => {
    const attributes: Attribute[] = [mode(name), { name: 'scales', kind: 'floats', value: scales }];
    b.output(b.op('Upsample', [b.input('x', dims)], { attributes }), 'y');
  });

const resize10 = (name: string, scales: readonly number[]) =>
  modelOf(10, (b) => {
    const inputs = [b.input('x', dims), b.constant('scales', floatTensor(scales))];
    b.output(b.op('Resize', inputs, { attributes: [mode(name)] }), 'y');
  });

const resize = (opset: number, attributes: readonly Attribute[], scales: readonly number[]): Model =>
  modelOf(opset, (b) => {
    const roi = opset < 13 ? b.constant('roi', floatTensor([])) : null;
    b.output(b.op('Resize', [b.input('x', dims), roi, b.constant('scales', floatTensor(scales))], { attributes }), 'y');
  });

describe('Upsample', () => {
  it.each([
    ['nearest', [1, 1, 2, 3]],
    ['nearest', [1, 1, 1.5, 2.7]],
    ['linear', [1, 1, 2, 1.5]],
  ] as const)('%s by %j becomes Resize, pixel by pixel', async (name, scales) => {
    const older = upsample7(name, scales);
    expect(operatorsOf(await convertsTo(9, older, feeds))).toEqual(['Upsample']);
    for (const to of [10, 11, 13, 19]) expect(operatorsOf(await convertsTo(to, older, feeds))).toEqual(['Resize']);
  });

  it('becomes Resize with scales that are computed when it runs, as it never shrinks', async () => {
    const model = modelOf(9, (b) => {
      b.output(b.op('Upsample', [b.input('x', dims), b.input('scales', [4])]), 'y');
    });
    await convertsTo(13, model, { ...feeds, scales: floatTensor([1, 1, 2, 2]) });
    expect(await refusal(8, model)).toBe('its scales are computed when it runs');
  });

  it('is what an enlarging Resize of opset 10 becomes down', async () => {
    const converted = await convertsTo(7, resize10('nearest', [1, 1, 2, 2]), feeds);
    expect(operatorsOf(converted)).toEqual(['Upsample']);
    expect(converted.graph.initializers.size).toBe(0);
    expect(await refusal(9, resize10('nearest', [1, 1, 0.5, 1]))).toBe('it is not known to enlarge on every axis');
  });
});

describe('Resize', () => {
  it('of opset 10 keeps its coordinates up', async () => {
    await convertsTo(11, resize10('nearest', [1, 1, 2, 2.5]), feeds);
    await convertsTo(18, resize10('linear', [1, 1, 2.5, 0.5]), feeds);
    expect(await refusal(11, resize10('nearest', [1, 1, 0.5, 0.5]))).toMatch(/does not say which pixel/);
  });

  it.each([
    [
      [mode('nearest'), coordinates('asymmetric'), nearest('floor')],
      [1, 1, 2.5, 2],
    ],
    [
      [mode('nearest'), coordinates('half_pixel')],
      [1, 1, 3, 4],
    ],
    [
      [mode('nearest'), coordinates('pytorch_half_pixel'), nearest('round_prefer_ceil')],
      [1, 1, 2, 5],
    ],
    [
      [mode('linear'), coordinates('asymmetric')],
      [1, 1, 2.5, 0.5],
    ],
  ] as const)('goes down to opset 10 where %j has an equivalent', async (attributes, scales) => {
    await convertsTo(10, resize(11, attributes, scales), feeds);
    await convertsTo(10, resize(18, attributes, scales), feeds);
  });

  it.each([
    [[mode('nearest'), coordinates('half_pixel')], [1, 1, 2.5, 2], /rounded by "round_prefer_floor"/],
    [[mode('linear'), coordinates('half_pixel')], [1, 1, 2, 2], /coordinates "half_pixel" do not exist/],
    [[mode('cubic')], [1, 1, 2, 2], /mode "cubic" does not exist/],
    [[mode('nearest'), coordinates('asymmetric'), nearest('floor')], [1, 1, 0.5, 2], /not known to enlarge/],
  ] as const)('is refused in opset 10 with %j', async (attributes, scales, reason) => {
    expect(await refusal(10, resize(11, attributes, scales))).toMatch(reason);
  });

  it('to sizes loses its empty scales up and gets them back down', async () => {
    const toSizes = (opset: number) =>
      modelOf(opset, (b) => {
        const empty = opset < 13 ? b.constant('empty', floatTensor([])) : null;
        const inputs = [b.input('x', dims), empty, empty, b.constant('sizes', int64Tensor([1, 2, 8, 9]))];
        b.output(b.op('Resize', inputs, { attributes: [mode('linear')] }), 'y');
      });
    const up = await convertsTo(18, toSizes(11), feeds);
    expect([...up.graph.nodes][0]?.inputs[2]).toBe(null);
    const down = await convertsTo(11, toSizes(18), feeds);
    expect([...down.graph.nodes][0]?.inputs[2]?.initializer?.dims).toEqual([0]);
    expect(await refusal(10, toSizes(11))).toBe('it is given sizes, not scales');
  });

  it('of some axes becomes one of all', async () => {
    await convertsTo(13, resize(18, [mode('linear'), intsAttribute('axes', [2, -1])], [2, 1.5]), feeds);
    const antialiased = resize(18, [mode('linear'), intAttribute('antialias', 1)], [1, 1, 0.5, 0.5]);
    expect(await refusal(17, antialiased)).toBe('attribute "antialias" does not exist there');
  });

  it('refuses coordinates that the other side lacks', async () => {
    const forNearest = resize(11, [coordinates('tf_half_pixel_for_nn')], [1, 1, 2, 2]);
    expect(await refusal(13, forNearest)).toMatch(/"tf_half_pixel_for_nn" do not exist there/);
    const symmetric = resize(19, [coordinates('half_pixel_symmetric'), mode('linear')], [1, 1, 2, 2]);
    expect(await refusal(18, symmetric)).toMatch(/"half_pixel_symmetric" do not exist there/);
  });
});
