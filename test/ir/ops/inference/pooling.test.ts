import { describe, expect, it } from 'vitest';
import { type Attribute, intAttribute, intsAttribute, stringAttribute } from '../../../../src/ir/attribute.js';
import { int64Tensor } from '../../../../src/ir/tensor.js';
import { type Given, inferOne, type Size, typed } from './infer_one.js';

const x = (sizes?: readonly Size[]) => typed('float', sizes);
const kernel = (...sizes: number[]) => intsAttribute('kernel_shape', sizes);
const strides = (...sizes: number[]) => intsAttribute('strides', sizes);
const ceil = intAttribute('ceil_mode', 1);

const pool = (opType: string, input: Given, attributes: readonly Attribute[], opset = 22, outputs = 1) =>
  inferOne(opType, [input], { attributes, opset, outputs });

describe('pooling', () => {
  it('rounds sizes down', () => {
    const attributes = [kernel(3, 3), strides(2, 2), intsAttribute('pads', [1, 1, 1, 1])];
    expect(pool('MaxPool', x([1, 64, 112, 113]), attributes, 1).types).toEqual(['float[1, 64, 56, 57]']);
    expect(pool('AveragePool', x(['N', 'C', 'H', 'W']), attributes).types).toEqual([
      'float[N, C, floor((H + 1)/2), floor((W + 1)/2)]',
    ]);
    expect(pool('LpPool', x([1, 2, 9]), [kernel(2), intsAttribute('dilations', [3])]).types).toEqual([
      'float[1, 2, 6]',
    ]);
  });

  it('gives indices of the same shape for MaxPool', () => {
    expect(pool('MaxPool', typed('int8', [1, 2, 'L']), [kernel(2)], 12, 2).types).toEqual([
      'int8[1, 2, L - 1]',
      'int64[1, 2, L - 1]',
    ]);
  });

  it('rounds sizes up in ceil mode, even where the window is larger than what there is', () => {
    expect(pool('MaxPool', x([1, 1, 8]), [kernel(3), strides(2), ceil], 10).types).toEqual(['float[1, 1, 4]']);
    expect(pool('MaxPool', x([1, 1, 3]), [kernel(4), strides(3), ceil], 10).types).toEqual(['float[1, 1, 1]']);
    expect(pool('MaxPool', x([1, 1, 'L']), [kernel(3), strides(2), ceil], 10).types).toEqual([
      'float[1, 1, floor(L/2)]',
    ]);
  });

  it('has no window that starts in the right padding, since opset 22', () => {
    expect(pool('MaxPool', x([1, 1, 4]), [kernel(1), strides(2), ceil]).types).toEqual(['float[1, 1, 2]']);
    expect(pool('MaxPool', x([1, 1, 'L']), [kernel(1), strides(2), ceil]).types).toEqual([
      'float[1, 1, floor((L + 1)/2)]',
    ]);
    const padded = [kernel(2), strides(2), ceil, intsAttribute('pads', [0, 1])];
    expect(pool('AveragePool', x([1, 1, 'L']), padded).types).toEqual(['float[1, 1, floor((L + 1)/2)]']);
  });

  it('does not know before whether such a window counts', () => {
    expect(pool('MaxPool', x([1, 1, 4]), [kernel(1), strides(2), ceil], 12).types).toEqual(['float[1, 1, ?]']);
    expect(pool('MaxPool', x([1, 1, 5]), [kernel(1), strides(2), ceil], 12).types).toEqual(['float[1, 1, 3]']);
  });

  it('follows auto_pad where the standard and runtimes agree', () => {
    const same = stringAttribute('auto_pad', 'SAME_UPPER');
    const valid = stringAttribute('auto_pad', 'VALID');
    expect(pool('MaxPool', x([1, 1, 'L']), [kernel(3), strides(2), same]).types).toEqual([
      'float[1, 1, floor((L + 1)/2)]',
    ]);
    expect(pool('MaxPool', x([1, 1, 8]), [kernel(3), intsAttribute('dilations', [2]), same]).types).toEqual([
      'float[1, 1, ?]',
    ]);
    expect(pool('MaxPool', x([1, 1, 9]), [kernel(3), strides(2), valid, ceil]).types).toEqual(['float[1, 1, 4]']);
    expect(pool('MaxPool', x([1, 1, 8]), [kernel(3), strides(2), valid, ceil]).types).toEqual(['float[1, 1, ?]']);
  });

  it('knows the rank from the kernel, and without one only batch and channels', () => {
    expect(pool('MaxPool', x(), [kernel(3, 3)]).types).toEqual(['float[?, ?, ?, ?]']);
    expect(pool('LpPool', x([1, 2, 8]), [], 1).types).toEqual(['float[1, 2, ?]']);
    expect(pool('MaxPool', x(), []).types).toEqual(['float[*]']);
  });

  it('reports windows that do not fit', () => {
    expect(pool('MaxPool', x([1, 2, 8]), [kernel(3, 3)]).codes).toEqual(['infer/kernel']);
    expect(pool('MaxPool', x([1, 2]), [kernel()]).codes).toEqual(['infer/kernel']);
    expect(pool('MaxPool', x([1, 2, 2]), [kernel(3)]).codes).toEqual(['infer/window']);
    expect(pool('MaxPool', x([1, 2, 1]), [kernel(4), strides(3), ceil]).codes).toEqual(['infer/window']);
    expect(pool('MaxPool', x([1, 2, 8]), [kernel(0)]).codes).toEqual(['infer/window']);
  });

  it('survives sizes past all reason', () => {
    expect(pool('MaxPool', x([1, 2, 'L']), [intsAttribute('kernel_shape', [2n ** 63n - 1n])]).types).toEqual([
      'float[*]',
    ]);
    expect(pool('MaxPool', x([1, 2, 8]), [kernel(2 ** 40)]).codes).toEqual(['infer/window']);
  });

  it('may have the channels last', () => {
    const domain = 'com.microsoft';
    const options = { domain, attributes: [kernel(2, 3)] };
    expect(inferOne('NhwcMaxPool', [typed('int8', ['N', 4, 'W', 3])], options).types).toEqual(['int8[N, 3, W - 2, 3]']);
    const last = { domain, attributes: [intAttribute('channels_last', 1)] };
    expect(inferOne('QLinearGlobalAveragePool', [typed('uint8', ['N', 4, 5, 'C'])], last).types).toEqual([
      'uint8[N, 1, 1, C]',
    ]);
  });
});

describe('pooling of everything', () => {
  it('leaves one element a channel', () => {
    expect(pool('GlobalAveragePool', x(['N', 'C', 'H', 7]), []).types).toEqual(['float[N, C, 1, 1]']);
    expect(pool('GlobalLpPool', x([2, 3]), [], 1).types).toEqual(['float[2, 3]']);
    expect(pool('GlobalMaxPool', x(), []).types).toEqual(['float[*]']);
    expect(pool('GlobalMaxPool', x([3]), []).codes).toEqual(['infer/rank']);
  });
});

describe('MaxUnpool', () => {
  const unpool = (inputs: readonly Given[], attributes: readonly Attribute[]) =>
    inferOne('MaxUnpool', inputs, { attributes });
  const pooled = [x(['N', 1, 'H', 2]), typed('int64', ['N', 1, 'H', 2])];

  it('turns the sizes of pooling around', () => {
    expect(unpool(pooled, [kernel(2, 3), strides(2, 2)]).types).toEqual(['float[N, 1, 2*H, 5]']);
    expect(unpool([x(), typed('int64', [1, 1, 2, 2])], [kernel(2, 2), strides(2, 2)]).types).toEqual([
      'float[1, 1, 4, 4]',
    ]);
  });

  it('has the shape it is asked for', () => {
    expect(unpool([...pooled, int64Tensor([3, 1, 5, 6])], [kernel(2, 2)]).types).toEqual(['float[3, 1, 5, 6]']);
    expect(unpool([...pooled, typed('int64', [4])], [kernel(2, 2)]).types).toEqual(['float[?, ?, ?, ?]']);
  });

  it('reports what does not fit', () => {
    expect(unpool(pooled, [kernel(2)]).codes).toEqual(['infer/kernel']);
    expect(unpool([...pooled, int64Tensor([5, 6])], [kernel(2, 2)]).codes).toEqual(['infer/kernel']);
    const pads = intsAttribute('pads', [0, 4, 0, 4]);
    expect(unpool(pooled, [kernel(2, 2), pads]).codes).toEqual(['infer/window']);
  });
});
