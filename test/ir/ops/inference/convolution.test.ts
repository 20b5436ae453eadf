import { describe, expect, it } from 'vitest';
import { type Attribute, intAttribute, intsAttribute, stringAttribute } from '../../../../src/ir/attribute.js';
import { type Given, inferOne, type Size, typed } from './infer_one.js';

const x = (sizes?: readonly Size[]) => typed('float', sizes);
const bytes = (sizes?: readonly Size[]) => typed('uint8', sizes);
const scale = typed('float', []);

describe('Conv', () => {
  const conv = (inputs: readonly Given[], attributes: readonly Attribute[] = [], opset = 22) =>
    inferOne('Conv', inputs, { attributes, opset });

  it('has the features of the weights and sizes by stride, dilation and pads', () => {
    const attributes = [intsAttribute('strides', [2, 1]), intsAttribute('pads', [1, 0, 1, 2])];
    expect(conv([x([1, 3, 224, 10]), x([64, 3, 7, 3])], attributes, 1).types).toEqual(['float[1, 64, 110, 10]']);
    const dilated = [intsAttribute('dilations', [2]), intAttribute('group', 4)];
    expect(conv([x(['N', 8, 9]), x([4, 2, 3])], dilated).types).toEqual(['float[N, 4, 5]']);
  });

  it('keeps sizes that are symbols as expressions', () => {
    const attributes = [intsAttribute('strides', [2, 2]), intsAttribute('pads', [1, 1, 1, 1])];
    expect(conv([x(['N', 3, 'H', 'W']), x([8, 3, 3, 3])], attributes).types).toEqual([
      'float[N, 8, floor((H + 1)/2), floor((W + 1)/2)]',
    ]);
    expect(conv([x(['N', 3, 'H']), x(['M', 3, 'K'])]).types).toEqual(['float[N, M, H - K + 1]']);
  });

  it('divides sizes with auto_pad SAME, and has no pads with VALID', () => {
    const same = [stringAttribute('auto_pad', 'SAME_UPPER'), intsAttribute('strides', [3])];
    expect(conv([x([1, 1, 'L']), x([2, 1, 5])], same).types).toEqual(['float[1, 2, floor((L + 2)/3)]']);
    expect(conv([x([1, 1, 7]), x([2, 1, null])], same).types).toEqual(['float[1, 2, 3]']);
    const valid = [stringAttribute('auto_pad', 'VALID'), intsAttribute('pads', [1, 1])];
    expect(conv([x([1, 1, 7]), x([2, 1, 3])], valid).types).toEqual(['float[1, 2, 5]']);
  });

  it('knows batch and features where sizes are not known', () => {
    expect(conv([x([1, 3, null, 8]), x([16, 3, 3, 3])]).types).toEqual(['float[1, 16, ?, 6]']);
    expect(conv([x(), x([16, 3, 3, 3])]).types).toEqual(['float[?, 16, ?, ?]']);
    expect(conv([x(['N', 3, 8]), x()], [intsAttribute('kernel_shape', [3])]).types).toEqual(['float[N, ?, 6]']);
    expect(conv([x(['N', 3, 8]), x(), x([5])]).types).toEqual(['float[N, 5, ?]']);
    expect(conv([x(), x()]).types).toEqual(['float[*]']);
    expect(conv([x(), x()], [intsAttribute('kernel_shape', [3])]).types).toEqual(['float[?, ?, ?]']);
  });

  it('reports shapes that do not fit', () => {
    expect(conv([x([1, 3, 8, 8]), x([4, 3, 3])]).codes).toEqual(['infer/rank']);
    expect(conv([x([3, 8]), x([4, 3])]).codes).toEqual(['infer/rank']);
    expect(conv([x([1, 3, 8]), x([4, 2, 3])]).codes).toEqual(['infer/channels']);
    expect(conv([x([1, 3, 8]), x([4, 3, 3]), x([5])]).codes).toEqual(['infer/channels']);
    expect(conv([x([1, 3, 8]), x([4, 3, 3])], [intsAttribute('kernel_shape', [5])]).codes).toEqual(['infer/kernel']);
    expect(conv([x([1, 3, 2]), x([4, 3, 3])])).toMatchObject({ types: ['float[*]'], codes: ['infer/window'] });
  });

  it('reports attributes that no convolution has', () => {
    const shapes = [x([1, 3, 8]), x([4, 3, 3])];
    expect(conv(shapes, [intAttribute('group', 0)]).codes).toEqual(['infer/channels']);
    expect(conv(shapes, [intsAttribute('strides', [0])]).codes).toEqual(['infer/window']);
    expect(conv(shapes, [intsAttribute('pads', [1])]).codes).toEqual(['infer/window']);
    expect(conv(shapes, [intsAttribute('pads', [-1, 0])]).codes).toEqual(['infer/window']);
    expect(conv(shapes, [stringAttribute('auto_pad', 'SAME')]).codes).toEqual(['infer/window']);
  });

  it('survives sizes past all reason', () => {
    const shapes = [x([1, 3, 'L']), x([4, 3, 3])];
    expect(conv(shapes, [intsAttribute('strides', [2n ** 62n])]).types).toEqual(['float[*]']);
    expect(conv(shapes, [intsAttribute('pads', [2n ** 40n, 2n ** 40n])]).types).toEqual([
      'float[1, 4, L + 2199023255550]',
    ]);
    expect(conv([x(), x()], [intsAttribute('kernel_shape', Array(200).fill(1))]).types).toEqual(['float[*]']);
    expect(conv([]).types).toEqual(['?[*]']);
  });
});

describe('convolutions of integers', () => {
  it('sum to int32, or have the type of their zero point', () => {
    expect(inferOne('ConvInteger', [bytes([1, 3, 8]), bytes([4, 3, 3])], { opset: 10 }).types).toEqual([
      'int32[1, 4, 6]',
    ]);
    const x8 = bytes([1, 3, 8]);
    const w8 = typed('int8', [4, 3, 3]);
    const given = [x8, scale, bytes([]), w8, scale, typed('int8', []), scale, typed('int8', [])];
    expect(inferOne('QLinearConv', given, { opset: 10 }).types).toEqual(['int8[1, 4, 6]']);
  });

  it('may have their channels last', () => {
    const given = [bytes([1, 8, 9, 3]), scale, bytes([]), bytes([4, 3, 3, 3]), scale, bytes([]), scale, bytes([])];
    const attributes = [intAttribute('channels_last', 1)];
    const domain = 'com.microsoft';
    expect(inferOne('QLinearConv', given, { domain, attributes }).types).toEqual(['uint8[1, 6, 7, 4]']);
    expect(inferOne('NhwcConv', [x(['N', 8, 'W', 3]), x([4, 3, 3, 3])], { domain }).types).toEqual([
      'float[N, 6, W - 2, 4]',
    ]);
  });
});

describe('DeformConv', () => {
  it('takes from the offsets what it does not know otherwise', () => {
    const given = [x([null, 3, null, 8]), x([4, 3, 3, 3]), x([2, 18, 5, 6])];
    expect(inferOne('DeformConv', given).types).toEqual(['float[2, 4, 5, 6]']);
  });

  it('reports offsets of another size', () => {
    const given = [x([2, 3, 8, 8]), x([4, 3, 3, 3]), x([2, 18, 5, 6])];
    expect(inferOne('DeformConv', given)).toMatchObject({ types: ['float[*]'], codes: ['infer/offsets'] });
  });
});
