import { describe, expect, it } from 'vitest';
import { intAttribute, intsAttribute } from '../../../../src/ir/attribute.js';
import { int64Tensor } from '../../../../src/ir/tensor.js';
import { type Given, inferOne, type Size, typed } from './infer_one.js';

const x = (sizes?: readonly Size[]) => typed('float', sizes);
const integers = (sizes?: readonly Size[]) => typed('int64', sizes);

describe('AffineGrid', () => {
  const grid = (theta: Given, size: Given) => inferOne('AffineGrid', [theta, size]);

  it('makes a grid of the size it is given', () => {
    expect(grid(x(['N', 2, 3]), int64Tensor([4, 3, 5, 6])).types).toEqual(['float[4, 5, 6, 2]']);
    expect(grid(x(), int64Tensor([4, 3, 5, 6, 7])).types).toEqual(['float[4, 5, 6, 7, 3]']);
  });

  it('knows its rank from either input', () => {
    expect(grid(x(['N', 2, 3]), integers()).types).toEqual(['float[N, ?, ?, 2]']);
    expect(grid(x(['N', null, null]), integers([5])).types).toEqual(['float[N, ?, ?, ?, 3]']);
    expect(grid(x(['N', 'D', null]), integers()).types).toEqual(['float[*]']);
  });

  it('reports sizes that do not fit', () => {
    expect(grid(x([2, 3]), integers([4])).codes).toEqual(['infer/rank']);
    expect(grid(x([2, 3, 4]), integers([4])).codes).toEqual(['infer/rank']);
    expect(grid(x([2, 2, 3]), int64Tensor([3, 1, 5, 6])).codes).toEqual(['infer/batch']);
    expect(grid(x(), integers([2 ** 40])).codes).toEqual(['infer/rank']);
  });
});

describe('GridSample', () => {
  const sample = (image: Given, grid: Given, opset = 22) => inferOne('GridSample', [image, grid], { opset });

  it('has the channels of the image and the size of the grid', () => {
    expect(sample(x(['N', 3, 'H', 'W']), x(['N', 5, 6, 2]), 16).types).toEqual(['float[N, 3, 5, 6]']);
    expect(sample(x([null, 'C', 4, 5, 6]), x([2, 'D', 8, 9, 3])).types).toEqual(['float[2, C, D, 8, 9]']);
  });

  it('knows its rank from either input', () => {
    expect(sample(x(), x(['N', 5, 6, 2])).types).toEqual(['float[N, ?, 5, 6]']);
    expect(sample(x(['N', 3, 'H', 'W']), x()).types).toEqual(['float[N, 3, ?, ?]']);
    expect(sample(x(), x()).types).toEqual(['float[*]']);
  });

  it('reports a grid that does not fit', () => {
    expect(sample(x([1, 3, 4, 4]), x([1, 5, 6, 3])).codes).toEqual(['infer/rank']);
    expect(sample(x([1, 3, 4, 4]), x([1, 5, 2])).codes).toEqual(['infer/rank']);
    expect(sample(x([2, 3, 4, 4]), x([1, 5, 6, 2])).codes).toEqual(['infer/batch']);
  });
});

describe('Col2Im', () => {
  const col2Im = (columns: Given, image: Given, block: Given) => inferOne('Col2Im', [columns, image, block]);

  it('divides the columns among the channels', () => {
    expect(col2Im(x(['N', 50, 'L']), int64Tensor([8, 9]), int64Tensor([5, 5])).types).toEqual(['float[N, 2, 8, 9]']);
    expect(col2Im(x(['N', 'K', 'L']), int64Tensor([8, 9]), int64Tensor([1, 5])).types).toEqual([
      'float[N, floor(K/5), 8, 9]',
    ]);
    expect(col2Im(x(), integers([3]), integers([3])).types).toEqual(['float[?, ?, ?, ?, ?]']);
    expect(col2Im(x(['N', 50, 'L']), integers(['A']), integers()).types).toEqual(['float[*]']);
  });

  it('reports blocks that do not fit', () => {
    expect(col2Im(x([1, 7, 4]), int64Tensor([8, 9]), int64Tensor([2, 2])).codes).toEqual(['infer/block']);
    expect(col2Im(x([1, 8, 4]), int64Tensor([8, 9]), int64Tensor([0, 2])).codes).toEqual(['infer/block']);
    expect(col2Im(x([1, 8]), int64Tensor([8, 9]), int64Tensor([2, 2])).codes).toEqual(['infer/rank']);
    expect(col2Im(x([1, 8, 4]), int64Tensor([8, 9]), int64Tensor([2])).codes).toEqual(['infer/rank']);
    expect(col2Im(x([1, 8, 4]), integers([2 ** 40]), integers()).types).toEqual(['float[*]']);
  });
});

describe('regions', () => {
  const image = x(['N', 'C', 'H', 'W']);

  it('are pooled to the size that attributes give', () => {
    const attributes = [intAttribute('output_height', 7), intAttribute('output_width', 5)];
    const align = (rois: Given, indices: Given) => inferOne('RoiAlign', [image, rois, indices], { attributes }).types;
    expect(align(x(['R', 4]), integers(['R']))).toEqual(['float[R, C, 7, 5]']);
    expect(align(x(), integers([6]))).toEqual(['float[6, C, 7, 5]']);
    expect(inferOne('RoiAlign', [x(), x(['R', 4]), integers()]).types).toEqual(['float[R, ?, 1, 1]']);
    const pooled = { attributes: [intsAttribute('pooled_shape', [7, 6])] };
    expect(inferOne('MaxRoiPool', [image, x(['R', 5])], pooled).types).toEqual(['float[R, C, 7, 6]']);
    expect(inferOne('MaxRoiPool', [image, x(['R', 5])]).types).toEqual(['float[R, C, ?, ?]']);
  });

  it('are reported where they do not fit', () => {
    expect(inferOne('RoiAlign', [image, x([3, 4]), integers([2])]).codes).toEqual(['infer/batch']);
    expect(inferOne('RoiAlign', [x([1, 2, 3]), x([3, 4]), integers([3])]).codes).toEqual(['infer/rank']);
    const pooled = (...sizes: (number | bigint)[]) =>
      inferOne('MaxRoiPool', [image, x([3, 5])], { attributes: [intsAttribute('pooled_shape', sizes)] });
    expect(pooled(7).codes).toEqual(['infer/negative-size']);
    expect(pooled(7, -1).codes).toEqual(['infer/negative-size']);
    expect(pooled(7, 2n ** 60n).types).toEqual(['float[3, C, 7, ?]']);
  });
});

describe('Det', () => {
  it('takes the matrices off a batch', () => {
    expect(inferOne('Det', [x(['N', 3, 3])]).types).toEqual(['float[N]']);
    expect(inferOne('Det', [x(['M', 'K'])]).types).toEqual(['float[]']);
    expect(inferOne('Det', [x()]).types).toEqual(['float[*]']);
    expect(inferOne('Det', [x([2, 3])]).codes).toEqual(['infer/square']);
    expect(inferOne('Det', [x([2])]).codes).toEqual(['infer/square']);
  });
});
