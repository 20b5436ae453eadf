import { describe, expect, it } from 'vitest';
import { type Attribute, intAttribute, intsAttribute, stringAttribute } from '../../../../src/ir/attribute.js';
import { int64Tensor } from '../../../../src/ir/tensor.js';
import { type Given, inferOne, type Size, typed } from './infer_one.js';

const x = (sizes?: readonly Size[]) => typed('float', sizes);

describe('ConvTranspose', () => {
  const transposed = (inputs: readonly Given[], attributes: readonly Attribute[] = [], opset = 22) =>
    inferOne('ConvTranspose', inputs, { attributes, opset });

  it('grows by the stride', () => {
    const attributes = [
      intsAttribute('strides', [2, 3]),
      intsAttribute('pads', [1, 0, 1, 2]),
      intsAttribute('output_padding', [1, 0]),
    ];
    expect(transposed([x([1, 8, 16, 5]), x([8, 4, 3, 3])], attributes, 1).types).toEqual(['float[1, 4, 32, 13]']);
    expect(transposed([x(['N', 8, 'H', 'W']), x([8, 4, 3, 3])], attributes).types).toEqual([
      'float[N, 4, 2*H, 3*W - 2]',
    ]);
  });

  it('has the features of all groups', () => {
    expect(transposed([x([1, 8, 4]), x([8, 3, 2])], [intAttribute('group', 4)]).types).toEqual(['float[1, 12, 5]']);
  });

  it('has the output_shape it is given, with or without batch and features', () => {
    const inputs = [x([1, 8, 4, 4]), x([8, 3, 2, 2])];
    expect(transposed(inputs, [intsAttribute('output_shape', [9, 10])]).types).toEqual(['float[1, 3, 9, 10]']);
    expect(transposed(inputs, [intsAttribute('output_shape', [1, 3, 9, 10])]).types).toEqual(['float[1, 3, 9, 10]']);
  });

  it('multiplies by the stride with auto_pad SAME where the kernel spans it', () => {
    const same = [stringAttribute('auto_pad', 'SAME_LOWER'), intsAttribute('strides', [2])];
    expect(transposed([x([1, 1, 'L']), x([1, 1, 3])], same).types).toEqual(['float[1, 1, 2*L]']);
    expect(transposed([x([1, 1, 'L']), x([1, 1, 1])], same).types).toEqual(['float[1, 1, ?]']);
    expect(transposed([x([1, 1, 4]), x([1, 1, 3])], [...same, intsAttribute('output_padding', [1])]).types).toEqual([
      'float[1, 1, ?]',
    ]);
  });

  it('reports what does not fit', () => {
    expect(transposed([x([1, 8, 4]), x([7, 3, 2])]).codes).toEqual(['infer/channels']);
    expect(transposed([x([1, 8, 4]), x([8, 3, 2]), x([4])]).codes).toEqual(['infer/channels']);
    expect(transposed([x([1, 8, 4]), x([8, 3, 2])], [intsAttribute('output_shape', [1, 2])]).codes).toEqual([
      'infer/window',
    ]);
    expect(transposed([x([1, 8, 4]), x([8, 3, 2])], [intsAttribute('output_shape', [-2])]).codes).toEqual([
      'infer/window',
    ]);
    expect(transposed([x([1, 8, 1]), x([8, 3, 2])], [intsAttribute('pads', [2, 2])]).codes).toEqual(['infer/window']);
    expect(transposed([x([1, 8, 4]), x([8, 3, 2])], [intAttribute('group', -1)]).codes).toEqual(['infer/channels']);
  });

  it('survives sizes past all reason', () => {
    const huge = [intsAttribute('strides', [2n ** 40n]), intsAttribute('output_padding', [2n ** 62n])];
    expect(transposed([x([1, 8, 4]), x([8, 3, 2])], huge).codes).toEqual([]);
    expect(transposed([x(), x()]).types).toEqual(['float[*]']);
  });
});

describe('ConvTransposeWithDynamicPads', () => {
  const domain = 'com.microsoft';

  it('knows its sizes where its pads are constant', () => {
    const inputs = [x([1, 3, 4, 4]), x([3, 2, 3, 3]), int64Tensor([1, 0, 1, 0])];
    const attributes = [intsAttribute('strides', [2, 2])];
    expect(inferOne('ConvTransposeWithDynamicPads', inputs, { domain, attributes }).types).toEqual([
      'float[1, 2, 7, 9]',
    ]);
  });

  it('does not know them otherwise', () => {
    const inputs = [x([1, 3, 4, 4]), x([3, 2, 3, 3]), typed('int64', [4])];
    expect(inferOne('ConvTransposeWithDynamicPads', inputs, { domain }).types).toEqual(['float[1, 2, ?, ?]']);
  });
});
