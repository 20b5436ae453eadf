import { describe, expect, it } from 'vitest';
import type { Attribute } from '../../../../src/ir/attribute.js';
import { inferOne, type Size, typed } from './infer_one.js';

const x = (sizes?: readonly Size[]) => typed('float', sizes);
const domain = 'ai.onnx.preview.training';
const rate = [x([]), typed('int64', [])];

describe('optimizers', () => {
  it('give new tensors, then their new states', () => {
    const tensors = [x(['A']), x([2, 3])];
    const momentum = [...rate, ...tensors, 'untyped', 'untyped', ...tensors] as const;
    for (const opType of ['Adagrad', 'Momentum']) {
      expect(inferOne(opType, momentum, { domain, outputs: 4 }).types).toEqual([
        'float[A]',
        'float[2, 3]',
        'float[A]',
        'float[2, 3]',
      ]);
    }
    const adam = [...rate, x(['A']), 'untyped', x(['B']), x(['C'])] as const;
    expect(inferOne('Adam', adam, { domain, outputs: 3 }).types).toEqual(['float[A]', 'float[B]', 'float[C]']);
  });

  it('report inputs that do not come in groups', () => {
    expect(inferOne('Adam', [...rate, x([1]), x([1])], { domain }).codes).toEqual(['infer/optimizer']);
    expect(inferOne('Adagrad', rate, { domain }).codes).toEqual(['infer/optimizer']);
    expect(inferOne('Adagrad', [...rate, x([1]), x([1]), x([1])], { domain, outputs: 3 }).codes).toEqual([
      'infer/optimizer',
    ]);
  });
});

describe('Gradient', () => {
  it('has the shape of what it derives by', () => {
    const names: Attribute = { name: 'xs', kind: 'strings', value: [Uint8Array.of(65)] };
    const options = { domain, outputs: 2, attributes: [names] };
    expect(inferOne('Gradient', [x(['A']), x([2])], options).types).toEqual(['float[A]', '?']);
    expect(inferOne('Gradient', [x(['A'])], { domain }).types).toEqual(['?']);
  });
});
