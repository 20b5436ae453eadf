import { describe, expect, it } from 'vitest';
import { type Attribute, floatAttribute, intsAttribute, stringAttribute } from '../../../../src/ir/attribute.js';
import { floatTensor, int64Tensor } from '../../../../src/ir/tensor.js';
import { type Given, inferOne, type Size, typed } from './infer_one.js';

const x = (sizes?: readonly Size[]) => typed('float', sizes);

describe('Resize', () => {
  const resize = (input: Given, scales: Given, sizes: Given, attributes: readonly Attribute[] = [], opset = 19) =>
    inferOne('Resize', sizes === null ? [input, null, scales] : [input, null, scales, sizes], { attributes, opset });
  const bySizes = (input: Given, sizes: Given, ...attributes: Attribute[]) => resize(input, null, sizes, attributes);
  const byScales = (input: Given, scales: Given, ...attributes: Attribute[]) => resize(input, scales, null, attributes);
  const policy = (text: string) => stringAttribute('keep_aspect_ratio_policy', text);

  it('has the sizes it is given', () => {
    expect(bySizes(x(['N', 3, 'H', 'W']), int64Tensor([1, 3, 7, 8])).types).toEqual(['float[1, 3, 7, 8]']);
    expect(bySizes(x(), int64Tensor([7, 8])).types).toEqual(['float[7, 8]']);
    const some = intsAttribute('axes', [-1, 1]);
    expect(bySizes(x(['N', 3, 'H', 'W']), int64Tensor([7, 8]), some).types).toEqual(['float[N, 8, H, 7]']);
  });

  it('takes empty scales of opset 11 as not given', () => {
    const inputs = [x([1, 4]), 'untyped', floatTensor([]), int64Tensor([1, 6])] as const;
    expect(inferOne('Resize', inputs, { opset: 11 }).types).toEqual(['float[1, 6]']);
    expect(resize(x([1, 4]), floatTensor([1, 2]), int64Tensor([]), [], 13).types).toEqual(['float[1, 8]']);
  });

  it('multiplies by scales and rounds down', () => {
    expect(byScales(x([1, 3, 5, 7]), floatTensor([1, 1, 1.5, 0.6])).types).toEqual(['float[1, 3, 7, 4]']);
    expect(inferOne('Resize', [x([3, 4]), floatTensor([2, 0.5])], { opset: 10 }).types).toEqual(['float[6, 2]']);
    expect(byScales(x(['N', 'H', 'W']), floatTensor([1, 2, 1.5])).types).toEqual(['float[N, 2*H, W + floor(W/2)]']);
    const last = intsAttribute('axes', [-1]);
    expect(byScales(x(['N', 'C', 'H', 'W']), floatTensor([0.25]), last).types).toEqual(['float[N, C, H, floor(W/4)]']);
  });

  it('does not know what scales make where float32 rounds another way', () => {
    expect(byScales(x([10]), floatTensor([0.7])).types).toEqual(['float[?]']);
    expect(byScales(x(['L']), floatTensor([0.7])).types).toEqual(['float[?]']);
    expect(byScales(x([0]), floatTensor([0.7])).types).toEqual(['float[0]']);
  });

  it('keeps the ratio where it is asked to', () => {
    expect(bySizes(x([2, 4]), int64Tensor([7, 8]), policy('not_larger')).types).toEqual(['float[4, 8]']);
    expect(bySizes(x([2, 3]), int64Tensor([5, 5]), policy('not_smaller')).types).toEqual(['float[5, 8]']);
    expect(bySizes(x([3, 7]), int64Tensor([5, 5]), policy('not_smaller')).types).toEqual(['float[5, 12]']);
    expect(bySizes(x([3, 'W']), int64Tensor([5, 5]), policy('not_larger')).types).toEqual(['float[?, ?]']);
    expect(bySizes(x([3, 7]), int64Tensor([5, 5]), policy('as_you_like')).types).toEqual(['float[?, ?]']);
  });

  it('does not know the size of a cropped region by scales', () => {
    const crop = stringAttribute('coordinate_transformation_mode', 'tf_crop_and_resize');
    expect(byScales(x([4, 4]), floatTensor([2, 2]), crop).types).toEqual(['float[?, ?]']);
    expect(bySizes(x([4, 4]), int64Tensor([2, 2]), crop).types).toEqual(['float[2, 2]']);
  });

  it('knows the rank and the other axes where sizes are data', () => {
    expect(bySizes(x(['N', 3, 'H', 'W']), typed('int64', [2]), intsAttribute('axes', [2, 3])).types).toEqual([
      'float[N, 3, ?, ?]',
    ]);
    expect(bySizes(x(), typed('int64', [3])).types).toEqual(['float[?, ?, ?]']);
    expect(byScales(x(), x()).types).toEqual(['float[*]']);
  });

  it('reports what does not fit', () => {
    expect(bySizes(x([1, 2]), int64Tensor([1, 2, 3])).codes).toEqual(['infer/axis']);
    expect(bySizes(x([1, 2]), int64Tensor([1]), intsAttribute('axes', [2])).codes).toEqual(['infer/axis']);
    expect(bySizes(x([1, 2]), int64Tensor([1, 1]), intsAttribute('axes', [0, -2])).codes).toEqual(['infer/axis']);
    expect(bySizes(x([1, 2]), int64Tensor([1, -2])).codes).toEqual(['infer/negative-size']);
    expect(byScales(x([1, 2]), floatTensor([1, 0])).codes).toEqual(['infer/negative-size']);
    expect(byScales(x([1, 2]), floatTensor([1, Number.NaN])).codes).toEqual(['infer/negative-size']);
  });

  it('survives sizes past all reason', () => {
    expect(byScales(x([4]), floatTensor([3e38])).types).toEqual(['float[?]']);
    expect(byScales(x([4]), floatTensor([Number.POSITIVE_INFINITY])).types).toEqual(['float[?]']);
    expect(bySizes(x([4]), int64Tensor([2n ** 62n])).types).toEqual(['float[?]']);
    expect(inferOne('Resize', []).types).toEqual(['?[*]']);
  });
});

describe('Upsample', () => {
  it('has its scales as attributes before opset 9', () => {
    const sides = [floatAttribute('height_scale', 2), floatAttribute('width_scale', 1.5)];
    expect(inferOne('Upsample', [x([1, 1, 3, 3])], { opset: 1, attributes: sides }).types).toEqual([
      'float[1, 1, 6, 4]',
    ]);
    const scales: Attribute = { name: 'scales', kind: 'floats', value: [1, 1, 2, 3] };
    expect(inferOne('Upsample', [x(['N', 1, 'H', 3])], { opset: 7, attributes: [scales] }).types).toEqual([
      'float[N, 1, 2*H, 9]',
    ]);
  });

  it('has them as an input since', () => {
    expect(inferOne('Upsample', [x(['N', 3]), floatTensor([1, 2])], { opset: 9 }).types).toEqual(['float[N, 6]']);
    expect(inferOne('Upsample', [x(['N', 3]), x([2])], { opset: 9 }).types).toEqual(['float[?, ?]']);
  });
});
