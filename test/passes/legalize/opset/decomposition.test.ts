import { describe, expect, it } from 'vitest';
import { type Attribute, floatAttribute, intAttribute } from '../../../../src/ir/attribute.js';
import { floatTensor, int64Tensor } from '../../../../src/ir/tensor.js';
import { operatorsOf, randomTensor } from '../../../build_model.js';
import { convertsTo, modelOf } from '../convert.js';

const dims = [2, 4, 3, 5];
const feeds = { x: randomTensor(dims) };
const rounding = 2e-6;

describe('LayerNormalization', () => {
  const layerNormalization = (axis: number, outputs: number) =>
    modelOf(17, (b) => {
      const [scale, bias] = [1, 2].map((seed) => b.constant(`c${seed}`, randomTensor([3, 5], seed)));
      const results = b.ops('LayerNormalization', [b.input('x', dims), scale!, bias!], {
        attributes: [intAttribute('axis', axis)],
        outputs,
      });
      for (const [index, result] of results.entries()) b.output(result, `y${index}`);
    });

  it('is taken apart before opset 17, with mean and deviation', async () => {
    await convertsTo(16, layerNormalization(-2, 1), feeds, rounding);
    const converted = await convertsTo(13, layerNormalization(2, 3), feeds, rounding);
    expect(converted.graph.outputs.map(({ name }) => name)).toEqual(['y0', 'y1', 'y2']);
  });
});

describe('operators that are defined by older ones', () => {
  const unary = (opset: number, opType: string, attributes: readonly Attribute[] = []) =>
    modelOf(opset, (b) => b.output(b.op(opType, [b.input('x', dims)], { attributes }), 'y'));

  it.each([
    ['HardSwish', 14, 13, []],
    ['Mish', 18, 17, []],
    ['Gelu', 20, 19, []],
    ['Gelu', 20, 13, [{ name: 'approximate', kind: 'string', value: new TextEncoder().encode('tanh') }]],
    ['Swish', 24, 23, []],
    ['Swish', 24, 13, [floatAttribute('alpha', 1.5)]],
  ] as const)('%s of opset %i in opset %i', async (opType, from, to, attributes) => {
    await convertsTo(to, unary(from, opType, attributes), feeds, rounding);
  });

  it('CastLike is a Cast', async () => {
    const model = modelOf(19, (b) => {
      b.output(b.op('CastLike', [b.input('x', dims), b.constant('like', int64Tensor([1]))]), 'y', 'int64');
    });
    expect(operatorsOf(await convertsTo(14, model, feeds))).toEqual(['Cast']);
  });

  it('GreaterOrEqual and LessOrEqual are two conditions, neither true of NaN', async () => {
    for (const opType of ['GreaterOrEqual', 'LessOrEqual']) {
      const model = modelOf(12, (b) => {
        b.output(b.op(opType, [b.input('x', [4]), b.input('z', [4])]), 'y', 'bool');
      });
      const numbers = { x: floatTensor([1, 2, Number.NaN, 3]), z: floatTensor([1, 3, 1, 2]) };
      expect(operatorsOf(await convertsTo(11, model, numbers))).toEqual([opType.slice(0, -7), 'Equal', 'Or']);
    }
  });
});
