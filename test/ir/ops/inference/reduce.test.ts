import { describe, expect, it } from 'vitest';
import { type Attribute, intAttribute, intsAttribute } from '../../../../src/ir/attribute.js';
import { int64Tensor, tensorFromData } from '../../../../src/ir/tensor.js';
import { type Given, inferOne, type Size, typed } from './infer_one.js';
import { inferSteps } from './infer_steps.js';

const x = (sizes?: readonly Size[]) => typed('float', sizes);
const axesAttribute = (...axes: number[]) => intsAttribute('axes', axes);
const flat = intAttribute('keepdims', 0);
const noop = intAttribute('noop_with_empty_axes', 1);

describe('reduction', () => {
  const reduced = (inputs: readonly Given[], attributes: readonly Attribute[] = [], opset = 18) =>
    inferOne('ReduceMax', inputs, { attributes, opset });

  it('leaves 1 of each axis, or nothing', () => {
    expect(reduced([x(['N', 3, 'W'])], [axesAttribute(-1, 1)], 1).types).toEqual(['float[N, 1, 1]']);
    expect(reduced([x(['N', 3, 'W']), int64Tensor([-1])], [flat]).types).toEqual(['float[N, 3]']);
    expect(inferOne('ReduceSum', [x([2, 0]), int64Tensor([1])], { opset: 13 }).types).toEqual(['float[2, 1]']);
  });

  it('takes no axes for all, or for none where it says so', () => {
    expect(reduced([x(['N', 3])], [flat], 11).types).toEqual(['float[]']);
    expect(reduced([x(['N', 3]), int64Tensor([])]).types).toEqual(['float[1, 1]']);
    expect(reduced([x(['N', 3]), typed('int64', [0])], [noop]).types).toEqual(['float[N, 3]']);
    expect(reduced([x()], [flat]).types).toEqual(['float[]']);
    expect(reduced([x()]).types).toEqual(['float[*]']);
  });

  it('takes an axis that is named twice as one', () => {
    expect(reduced([x([2, 3, 4])], [axesAttribute(0, -3), flat], 13).types).toEqual(['float[3, 4]']);
  });

  it('knows what is certain of axes that are data', () => {
    const axes = (count: Size) => typed('int64', [count]);
    expect(reduced([x(['N', 3]), axes(null)]).types).toEqual(['float[?, ?]']);
    expect(reduced([x(['N', 3, 4]), axes(1)], [flat]).types).toEqual(['float[?, ?]']);
    expect(reduced([x(['N', 3, 4]), axes(2)], [flat]).types).toEqual(['float[*]']);
    expect(reduced([x(['N']), axes(null)], [flat]).types).toEqual(['float[]']);
    expect(reduced([x(['N']), axes(null)], [flat, noop]).types).toEqual(['float[*]']);
    expect(reduced([x(['N']), axes(3)], [noop]).types).toEqual(['float[1]']);
    expect(reduced([x([]), axes(null)]).types).toEqual(['float[]']);
  });

  it('reports axes that are not there', () => {
    expect(reduced([x([2, 3])], [axesAttribute(2)], 13)).toMatchObject({ types: ['float[*]'], codes: ['infer/axis'] });
    expect(reduced([x([2, 3]), int64Tensor([-(2n ** 63n)])]).codes).toEqual(['infer/axis']);
    expect(reduced([x([])], [axesAttribute(0)], 13)).toMatchObject({ types: ['float[]'], codes: [] });
  });

  it('of 8-bit integers sums in 32 bits', () => {
    const options = { domain: 'com.microsoft', attributes: [axesAttribute(1), flat] };
    expect(inferOne('ReduceSumInteger', [typed('int8', [2, 3])], options).types).toEqual(['int32[2]']);
    expect(inferOne('QLinearReduceMean', [typed('uint8', [2, 3]), x([])], options).types).toEqual(['uint8[2]']);
  });
});

describe('reduction of shapes', () => {
  const ofShape = (opType: string, attributes: readonly Attribute[] = [flat], axes: readonly number[] = []) => {
    const steps = inferSteps({ x: x(['N', 3, 'W', 4]) }, [
      ['s', 'Shape', ['x']],
      ['m', 'Reshape', ['s', int64Tensor([2, 2])]],
      ['y', opType, axes.length === 0 ? ['m'] : ['m', int64Tensor(axes)], attributes],
    ]);
    return steps.content('y');
  };

  it('gives expressions', () => {
    expect(ofShape('ReduceProd')).toBe('12*N*W');
    expect(ofShape('ReduceSum')).toBe('N + W + 7');
    expect(ofShape('ReduceMax', [flat], [1])).toBe('max(N, 3), max(W, 4)');
    expect(ofShape('ReduceMin', [], [0])).toBe('min(N, W), 3');
    expect(ofShape('ReduceMean')).toBeUndefined();
  });

  it('is of the elements themselves along no axis', () => {
    const options = { attributes: [noop], opset: 18 };
    expect(inferOne('ReduceProd', [int64Tensor([2, 3]), int64Tensor([])], options).contents).toEqual(['2, 3']);
  });

  it('has a value where there is nothing to reduce only for sums and products', () => {
    const nothing = int64Tensor([], [0]);
    expect(inferOne('ReduceSum', [nothing], { opset: 13 }).contents).toEqual(['0']);
    expect(inferOne('ReduceProd', [nothing], { opset: 18 }).contents).toEqual(['1']);
    expect(inferOne('ReduceMax', [nothing], { opset: 18 })).toMatchObject({
      types: ['int64[1]'],
      contents: [undefined],
    });
  });

  it('is not known where it leaves the type', () => {
    const large = tensorFromData('int32', [2], Int32Array.of(2 ** 30, 2 ** 30));
    expect(inferOne('ReduceSum', [large], { opset: 13 }).contents).toEqual([undefined]);
    const product = inferOne('ReduceProd', [int64Tensor([2n ** 62n, 4])], { opset: 18 });
    expect(product).toMatchObject({ types: ['int64[1]'], contents: [undefined] });
  });
});

describe('ArgMax', () => {
  const found = (input: Given, ...attributes: Attribute[]) => inferOne('ArgMax', [input], { attributes, opset: 1 });

  it('gives indices along one axis', () => {
    expect(found(x(['N', 3])).types).toEqual(['int64[1, 3]']);
    expect(found(x(['N', 3]), intAttribute('axis', -1), flat).types).toEqual(['int64[N]']);
    expect(found(x()).types).toEqual(['int64[*]']);
    expect(found(x([])).types).toEqual(['int64[]']);
  });

  it('reports an axis that is not there', () => {
    expect(found(x(['N', 3]), intAttribute('axis', 2))).toMatchObject({ types: ['int64[*]'], codes: ['infer/axis'] });
  });
});

describe('TopK', () => {
  const top = (inputs: readonly Given[], attributes: readonly Attribute[] = [], opset = 11) =>
    inferOne('TopK', inputs, { attributes, opset, outputs: 2 });

  it('has as many elements as it is asked for', () => {
    expect(top([x(['N', 9]), int64Tensor([5])]).types).toEqual(['float[N, 5]', 'int64[N, 5]']);
    const attributes = [intAttribute('axis', 0), intAttribute('k', 5)];
    expect(top([x(['N', 9])], attributes, 1).types).toEqual(['float[5, 9]', 'int64[5, 9]']);
    expect(top([x(['N', 9]), typed('int64', [1])]).types).toEqual(['float[N, ?]', 'int64[N, ?]']);
    expect(top([x(), int64Tensor([5])]).types).toEqual(['float[*]', 'int64[*]']);
  });

  it('follows a number that is computed', () => {
    const steps = inferSteps({ x: x(['N', 9]) }, [
      ['s', 'Shape', ['x']],
      ['n', 'Slice', ['s', int64Tensor([0]), int64Tensor([1])]],
      ['k', 'Min', ['n', int64Tensor([100])]],
      ['y', 'TopK', ['x', 'k'], [intAttribute('axis', 0)]],
    ]);
    expect(steps.type('y')).toBe('float[min(N, 100), 9]');
  });

  it('reports more than there are', () => {
    expect(top([x([3]), int64Tensor([4])]).codes).toEqual(['infer/negative-size']);
    expect(top([x([3]), int64Tensor([-1])]).codes).toEqual(['infer/negative-size']);
    expect(top([x([3]), int64Tensor([1])], [intAttribute('axis', 1)]).codes).toEqual(['infer/axis']);
    expect(top([x(['N'])], [intAttribute('k', 2n ** 62n)], 1).types).toEqual(['float[?]', 'int64[?]']);
  });
});
