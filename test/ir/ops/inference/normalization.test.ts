import { describe, expect, it } from 'vitest';
import { intAttribute } from '../../../../src/ir/attribute.js';
import { type Given, inferOne, type Size, typed } from './infer_one.js';

const x = (sizes?: readonly Size[]) => typed('float', sizes);
const half = (sizes?: readonly Size[]) => typed('float16', sizes);

describe('BatchNormalization', () => {
  const normalized = (inputs: readonly Given[], opset: number, outputs = 1, spatial?: number) => {
    const attributes = spatial === undefined ? [] : [intAttribute('spatial', spatial)];
    return inferOne('BatchNormalization', inputs, { opset, outputs, attributes });
  };
  const four = (type: Given): Given[] => [type, type, type, type];

  it('keeps the shape, and has a statistic a channel', () => {
    expect(normalized([x(['N', 3, 'H', 'W']), ...four(x([3]))], 6, 5).types).toEqual([
      'float[N, 3, H, W]',
      ...Array(4).fill('float[3]'),
    ]);
    expect(normalized([half(['N', 3]), ...four(x([null]))], 15, 3).types).toEqual([
      'float16[N, 3]',
      'float[3]',
      'float[3]',
    ]);
  });

  it('has statistics of the type of the data before opset 14', () => {
    expect(normalized([half(['N', 3]), ...four('untyped')], 9, 2).types).toEqual(['float16[N, 3]', 'float16[3]']);
    expect(normalized([half(['N', 3]), ...four('untyped')], 14, 2).types).toEqual(['float16[N, 3]', '?[3]']);
  });

  it('takes the channels from the statistics where it does not know them otherwise', () => {
    expect(normalized([x(['N', null, 4]), ...four(x([3]))], 9).types).toEqual(['float[N, 3, 4]']);
    expect(normalized([x(), ...four(x([3]))], 9, 2).types).toEqual(['float[*]', 'float[3]']);
  });

  it('has statistics of all axes without the batch where spatial is 0', () => {
    expect(normalized([x(['N', 3, 4]), ...four(x([3, 4]))], 7, 2, 0).types).toEqual(['float[N, 3, 4]', 'float[3, 4]']);
  });

  it('reports other numbers of channels', () => {
    expect(normalized([x(['N', 3, 4]), ...four(x([5]))], 9).codes).toEqual(['infer/channels']);
    expect(normalized([x(['N', 3, 4]), x([3]), x([4]), x([3]), x([3])], 9).codes).toEqual(['infer/channels']);
    expect(normalized([x(['N', 3, 4]), ...four(x([3, 4]))], 9).codes).toEqual(['infer/channels']);
  });
});

describe('LayerNormalization', () => {
  const normalized = (input: Given, axis: number, stash = 1) =>
    inferOne('LayerNormalization', [input, 'untyped', 'untyped'], {
      opset: 17,
      outputs: 3,
      attributes: [intAttribute('axis', axis), intAttribute('stash_type', stash)],
    });

  it('has the mean and the deviation of what is left of the axis', () => {
    expect(normalized(half(['B', 'S', 8]), -1).types).toEqual(['float16[B, S, 8]', 'float[B, S, 1]', 'float[B, S, 1]']);
    expect(normalized(x(['B', 'S', 8]), 1, 16).types).toEqual([
      'float[B, S, 8]',
      'bfloat16[B, 1, 1]',
      'bfloat16[B, 1, 1]',
    ]);
  });

  it('reports an axis that is not there', () => {
    expect(normalized(x([2, 3]), 2)).toMatchObject({
      types: ['float[*]', 'float[*]', 'float[*]'],
      codes: ['infer/axis'],
    });
    expect(normalized(x(), 2 ** 31).types).toEqual(['float[*]', 'float[*]', 'float[*]']);
  });
});

describe('other normalizations', () => {
  it('have the type of the scale', () => {
    expect(inferOne('RMSNormalization', [x(['B', 8]), half([8])]).types).toEqual(['float16[B, 8]']);
    const options = { outputs: 2 };
    expect(inferOne('SimplifiedLayerNormalization', [half(['B', 8]), x([8])], options).types).toEqual([
      'float[B, 8]',
      'float[B, 1]',
    ]);
  });

  it('keep the shape', () => {
    for (const opType of ['LRN', 'LpNormalization', 'MeanVarianceNormalization', 'GroupNormalization']) {
      expect(inferOne(opType, [x(['N', 4, 'L'])]).types).toEqual(['float[N, 4, L]']);
    }
    expect(inferOne('InstanceNormalization', [x(['N', null, 'L']), x([4]), x([4])], { opset: 1 }).types).toEqual([
      'float[N, 4, L]',
    ]);
  });

  it('report what does not fit', () => {
    expect(inferOne('InstanceNormalization', [x([1, 3, 4]), x([4]), x([4])]).codes).toEqual(['infer/channels']);
    expect(inferOne('InstanceNormalization', [x([1, 3, 4]), x([3]), x([4])]).codes).toEqual(['infer/channels']);
    expect(inferOne('LpNormalization', [x([1, 3])], { attributes: [intAttribute('axis', 2)] }).codes).toEqual([
      'infer/axis',
    ]);
  });
});
