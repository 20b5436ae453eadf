import { describe, expect, it } from 'vitest';
import { intAttribute } from '../../../../src/ir/attribute.js';
import { floatTensor } from '../../../../src/ir/tensor.js';
import { operatorsOf, randomTensor } from '../../../build_model.js';
import { convertsTo, modelOf, refusal } from '../convert.js';

const model = (opset: number, opType: string, dims: readonly (number | string)[], axis?: number) =>
  modelOf(opset, (b) => {
    const attributes = axis === undefined ? [] : [intAttribute('axis', axis)];
    b.output(b.op(opType, [b.input('x', dims)], { attributes }), 'y');
  });

const operators = ['Softmax', 'LogSoftmax', 'Hardmax'] as const;
const feeds = { x: randomTensor([2, 3, 4]) };
const rounding = 2e-7;

describe.each(operators)('%s, which ran along rows before opset 13', (opType) => {
  it('stays one node where its axis is the last', async () => {
    for (const axis of [2, -1]) {
      const converted = await convertsTo(13, model(11, opType, [2, 3, 4], axis), feeds, rounding);
      expect(operatorsOf(converted)).toEqual([opType]);
    }
  });

  it('stays one node where all other axes from its own on have size 1', async () => {
    const x = randomTensor([2, 3, 1, 1]);
    const converted = await convertsTo(13, model(9, opType, [2, 3, 1, 1]), { x }, rounding);
    expect(operatorsOf(converted)).toEqual([opType]);
    const behind = await convertsTo(13, model(9, opType, ['n', 1, 5]), { x: randomTensor([2, 1, 5]) }, rounding);
    expect([...behind.graph.nodes][0]?.attributes.get('axis')?.value).toBe(2n);
  });

  it('goes through rows otherwise', async () => {
    for (const axis of [0, 1, undefined]) {
      const converted = await convertsTo(13, model(11, opType, [2, 3, 4], axis), feeds, rounding);
      expect(operatorsOf(converted)).toEqual(['Flatten', opType, 'Reshape']);
    }
    await convertsTo(13, model(7, opType, ['n', 3, 4]), feeds, rounding);
  });

  it('gives shapes back that are known when it runs, of empty tensors too', async () => {
    const open = model(11, opType, ['a', 'b', 'c'], 1);
    const converted = await convertsTo(14, open, feeds, rounding);
    expect(operatorsOf(converted)).toEqual(['Shape', 'Flatten', opType, 'Reshape']);
    await convertsTo(17, open, { x: floatTensor([], [2, 0, 4]) }, rounding);
    expect(await refusal(13, open)).toMatch(/cannot give an empty tensor its shape back/);
  });

  it('is turned so that its axis is the last on the way down', async () => {
    for (const axis of [0, 1, -2]) {
      const converted = await convertsTo(11, model(13, opType, [2, 3, 4], axis), feeds, rounding);
      expect(operatorsOf(converted)).toEqual(['Transpose', opType, 'Transpose']);
    }
    const last = await convertsTo(7, model(13, opType, [2, 3, 4]), feeds, rounding);
    expect(operatorsOf(last)).toEqual([opType]);
    const single = await convertsTo(11, model(13, opType, [2, 3, 1], 1), { x: randomTensor([2, 3, 1]) }, rounding);
    expect(operatorsOf(single)).toEqual([opType]);
  });
});

describe('Softmax without a rank', () => {
  const unranked = (opset: number, axis: number) =>
    modelOf(opset, (b) => {
      const x = b.editor.addInput(b.graph, 'x', { kind: 'tensor', dtype: 'float', shape: undefined });
      b.output(b.op('Softmax', [x], { attributes: [intAttribute('axis', axis)] }), 'y');
    });

  it('goes through rows where its axis counts from the front', async () => {
    await convertsTo(15, unranked(11, 1), feeds, rounding);
    expect(await refusal(15, unranked(11, -2))).toBe('the rank of its input is not known');
    expect(await refusal(11, unranked(13, 1))).toBe('the rank of its input is not known');
  });
});
