import { describe, expect, it } from 'vitest';
import { type Attribute, intAttribute, intsAttribute } from '../../../src/ir/attribute.js';
import { reducedAxes } from '../../../src/ir/ops/reduced_axes.js';
import { int64Tensor } from '../../../src/ir/tensor.js';
import { oneNode } from './cost_of.js';
import { type Given, typed } from './inference/infer_one.js';

const x = typed('float', [2, 3, 4, 5]);
const axesOf = (opType: string, opset: number, attributes: readonly Attribute[] = [], ...more: Given[]) =>
  reducedAxes(oneNode(opType, [x, ...more], { opset, attributes }), 4);

describe('reducedAxes', () => {
  it('reads the axes of reductions from the attribute and from the input', () => {
    expect(axesOf('ReduceMean', 13, [intsAttribute('axes', [-1, 1])])).toEqual([1, 3]);
    expect(axesOf('ReduceMean', 18, [], int64Tensor([-1, 1, 3]))).toEqual([1, 3]);
    expect(axesOf('ReduceSum', 13, [], int64Tensor([2]))).toEqual([2]);
    expect(axesOf('ReduceMax', 11)).toEqual([0, 1, 2, 3]);
  });

  it('takes no axes for all, unless they mean none', () => {
    expect(axesOf('ReduceSum', 13, [], int64Tensor([]))).toEqual([0, 1, 2, 3]);
    expect(axesOf('ReduceSum', 13, [intAttribute('noop_with_empty_axes', 1)])).toEqual([]);
    expect(axesOf('ReduceSum', 13, [intAttribute('noop_with_empty_axes', 1)], int64Tensor([0]))).toEqual([0]);
  });

  it('does not know axes that are computed, bound by a caller or out of range', () => {
    expect(axesOf('ReduceSum', 13, [], typed('int64', [1]))).toBeUndefined();
    expect(axesOf('ReduceMean', 13, [{ name: 'axes', kind: 'reference', value: 'a' }])).toBeUndefined();
    expect(axesOf('ReduceMean', 13, [intsAttribute('axes', [4])])).toBeUndefined();
    expect(axesOf('Add', 13, [], x)).toBeUndefined();
    expect(axesOf('constructor', 13)).toBeUndefined();
  });

  it('follows what softmax means in each opset', () => {
    expect(axesOf('Softmax', 13)).toEqual([3]);
    expect(axesOf('Softmax', 11)).toEqual([1, 2, 3]);
    expect(axesOf('LogSoftmax', 11, [intAttribute('axis', -2)])).toEqual([2, 3]);
    expect(axesOf('Hardmax', 13, [intAttribute('axis', 0)])).toEqual([0]);
  });

  it('knows what normalizations and global pooling combine', () => {
    expect(axesOf('LayerNormalization', 17, [intAttribute('axis', -2)], typed('float', [4, 5]))).toEqual([2, 3]);
    expect(axesOf('LpNormalization', 13, [intAttribute('axis', 1)])).toEqual([1]);
    expect(axesOf('MeanVarianceNormalization', 13)).toEqual([0, 2, 3]);
    expect(axesOf('InstanceNormalization', 13)).toEqual([2, 3]);
    expect(axesOf('GlobalAveragePool', 13)).toEqual([2, 3]);
    expect(axesOf('ArgMax', 13)).toEqual([0]);
    expect(axesOf('LRN', 13)).toBeUndefined();
  });
});
