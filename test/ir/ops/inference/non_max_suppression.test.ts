import { describe, expect, it } from 'vitest';
import { type Given, inferOne, type Size, typed } from './infer_one.js';

const x = (sizes?: readonly Size[]) => typed('float', sizes);

describe('NonMaxSuppression', () => {
  const selected = (boxes: Given, scores: Given, opset = 11) =>
    inferOne('NonMaxSuppression', [boxes, scores], { opset });

  it('names batch, class and box of each that is selected', () => {
    expect(selected(x(['B', 'N', 4]), x(['B', 80, 'N']), 10).types).toEqual(['int64[?, 3]']);
    expect(selected(x(), x()).types).toEqual(['int64[?, 3]']);
  });

  it('reports boxes and scores that do not fit each other', () => {
    expect(selected(x([1, 10, 5]), x()).codes).toEqual(['infer/boxes']);
    expect(selected(x([10, 4]), x()).codes).toEqual(['infer/boxes']);
    expect(selected(x([1, 10, 4]), x([1, 80, 9])).codes).toEqual(['infer/boxes']);
    expect(selected(x([1, 10, 4]), x([2, 80, 10])).codes).toEqual(['infer/boxes']);
  });
});
