import { describe, expect, it } from 'vitest';
import { intAttribute, intsAttribute } from '../../../../src/ir/attribute.js';
import { int64Tensor } from '../../../../src/ir/tensor.js';
import { operatorsOf, randomTensor } from '../../../build_model.js';
import { convertsTo, modelOf, refusal } from '../convert.js';

const withAttribute = (opset: number, opType: string, axes: readonly number[], dims: readonly number[]) =>
  modelOf(opset, (b) => {
    b.output(b.op(opType, [b.input('x', dims)], { attributes: [intsAttribute('axes', axes)] }), 'y');
  });

const withInput = (opset: number, opType: string, axes: readonly number[] | null, noop = 0) =>
  modelOf(opset, (b) => {
    const inputs = [b.input('x', [2, 1, 3]), axes && b.constant('axes', int64Tensor(axes))];
    const attributes = opType.startsWith('Reduce') ? [intAttribute('noop_with_empty_axes', noop)] : [];
    b.output(b.op(opType, inputs, { attributes }), 'y');
  });

const feeds = { x: randomTensor([2, 1, 3]) };

describe('axes that became an input', () => {
  it.each([
    ['Squeeze', 11, 13, [1]],
    ['Unsqueeze', 11, 13, [0, 2]],
    ['ReduceSum', 11, 13, [0, 2]],
    ['ReduceMean', 17, 18, [1]],
    ['ReduceMax', 13, 20, [-1]],
  ] as const)('are one of %s from opset %i up to %i', async (opType, from, to, axes) => {
    const converted = await convertsTo(to, withAttribute(from, opType, axes, [2, 1, 3]), feeds);
    const [node] = [...converted.graph.nodes];
    expect(node?.attributes.has('axes')).toBe(false);
    expect(node?.inputs.length).toBe(2);
  });

  it.each([
    ['Squeeze', 13, 11, [1]],
    ['Unsqueeze', 13, 11, [0, 2]],
    ['ReduceSum', 13, 11, [0, 2]],
    ['ReduceMean', 18, 17, [1]],
    ['ReduceL2', 20, 9, [-1]],
  ] as const)('are an attribute of %s from opset %i down to %i', async (opType, from, to, axes) => {
    const converted = await convertsTo(to, withInput(from, opType, axes), feeds);
    const [node] = [...converted.graph.nodes];
    expect(node?.inputs.length).toBe(1);
    expect(converted.graph.initializers.size).toBe(0);
  });

  it('stay left out', async () => {
    await convertsTo(18, withAttribute(11, 'ReduceSum', [0], [2, 1, 3]), feeds);
    const converted = await convertsTo(11, withInput(18, 'ReduceMean', null), feeds);
    expect([...converted.graph.nodes][0]?.attributes.has('axes')).toBe(false);
  });

  it('are refused down where they are computed', async () => {
    const model = modelOf(13, (b) => {
      b.output(b.op('Squeeze', [b.input('x', [2, 1, 3]), b.input('axes', [1], 'int64')]), 'y');
    });
    expect(await refusal(12, model)).toBe('its axes are computed when it runs');
  });

  it('are found where the graph computes them from constants', async () => {
    const model = modelOf(13, (b) => {
      const one = b.constant('one', int64Tensor([1]));
      const axes = b.op('Constant', [], { attributes: [{ name: 'value', kind: 'tensor', value: int64Tensor([1]) }] });
      b.output(b.op('Squeeze', [b.input('x', [2, 1, 3]), axes]), 'y');
      b.output(b.op('Identity', [one]), 'z', 'int64');
    });
    const converted = await convertsTo(11, model, feeds);
    expect(operatorsOf(converted)).toEqual(['Squeeze', 'Identity']);
  });

  it('make a sum of no axes an Identity', async () => {
    const converted = await convertsTo(11, withInput(13, 'ReduceSum', [], 1), feeds);
    expect(operatorsOf(converted)).toEqual(['Identity']);
    expect(await refusal(17, withInput(18, 'ReduceSumSquare', null, 1))).toBe('it reduces no axis');
  });
});

describe('axes that count from the back', () => {
  it.each([
    ['Flatten', intAttribute('axis', -2), 1],
    ['Squeeze', intsAttribute('axes', [-2]), 1],
    ['Unsqueeze', intsAttribute('axes', [-1]), 3],
    ['ReduceMean', intsAttribute('axes', [-1]), 2],
  ] as const)('are counted from the front for %s before opset 11', async (opType, attribute, expected) => {
    const model = modelOf(11, (b) => {
      b.output(b.op(opType, [b.input('x', [2, 1, 3])], { attributes: [attribute] }), 'y');
    });
    const converted = await convertsTo(9, model, feeds);
    const found = [...converted.graph.nodes][0]?.attributes.get(attribute.name);
    expect(found?.value).toEqual(attribute.kind === 'int' ? BigInt(expected) : [BigInt(expected)]);
  });

  it('are refused without a rank', async () => {
    const model = modelOf(11, (b) => {
      const x = b.editor.addInput(b.graph, 'x', { kind: 'tensor', dtype: 'float', shape: undefined });
      b.output(b.op('Flatten', [x], { attributes: [intAttribute('axis', -1)] }), 'y');
    });
    expect(await refusal(10, model)).toBe('an axis counts from the back, and the rank is not known');
  });
});

describe('indices that count from the back', () => {
  const gather = (indices: readonly number[]) =>
    modelOf(11, (b) => {
      b.output(b.op('Gather', [b.input('x', [2, 1, 3]), b.constant('i', int64Tensor(indices))]), 'y');
    });

  it('are refused before opset 11, where they may be some', async () => {
    await convertsTo(9, gather([1, 0]), feeds);
    expect(await refusal(9, gather([-1]))).toBe('indices may count from the back here, and not there');
  });

  it('mean another thing to OneHot before', async () => {
    const oneHot = (indices: readonly number[]) =>
      modelOf(11, (b) => {
        const inputs = [
          b.constant('i', int64Tensor(indices)),
          b.constant('depth', int64Tensor([4], [])),
          b.input('values', [2]),
        ];
        b.output(b.op('OneHot', inputs), 'y');
      });
    await convertsTo(9, oneHot([1, 3]), { values: randomTensor([2]) });
    expect(await refusal(9, oneHot([-1]))).toMatch(/indices below 0/);
  });
});
