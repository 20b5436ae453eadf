import { describe, expect, it } from 'vitest';
import {
  type Attribute,
  floatAttribute,
  intAttribute,
  intsAttribute,
  stringAttribute,
} from '../../../../src/ir/attribute.js';
import type { Model } from '../../../../src/ir/graph.js';
import { floatTensor, type Tensor } from '../../../../src/ir/tensor.js';
import { convertOpset } from '../../../../src/passes/legalize/convert_opset.js';
import { applyPass, largestDifference, operatorsOf, randomTensor } from '../../../build_model.js';
import { modelOf, refusal } from '../convert.js';

const dims = [2, 3, 4, 5];
const feeds = { x: randomTensor(dims) };

const single = (opset: number, opType: string, attributes: readonly Attribute[], constants: readonly Tensor[] = []) =>
  modelOf(opset, (b) => {
    const inputs = constants.map((tensor, index) => b.constant(`c${index}`, tensor));
    b.output(b.op(opType, [b.input('x', dims), ...inputs], { attributes }), 'y');
  });

/** ONNX Runtime has no kernels before opset 7: what is expected is written in that opset. */
async function becomes(older: Model, expected: Model, tolerance = 0): Promise<Model> {
  const { model } = await applyPass(older, convertOpset(7));
  expect(await largestDifference(expected, model, feeds)).toBeLessThanOrEqual(tolerance);
  return model;
}

describe('models of opsets before 7', () => {
  it.each(['Add', 'Sub', 'Mul', 'Div', 'Pow'])('align the second operand of %s from the back', async (opType) => {
    const operand = [1, 2, 3];
    const broadcast = [intAttribute('broadcast', 1), intAttribute('axis', 1)];
    const expected = single(7, opType, [], [floatTensor(operand, [3, 1, 1])]);
    const converted = await becomes(single(6, opType, broadcast, [floatTensor(operand)]), expected);
    expect(operatorsOf(converted)).toEqual(['Unsqueeze', opType]);
  });

  it('leave operands that match from the back as they are', async () => {
    const operand = randomTensor([5]);
    const suffix = await becomes(
      single(6, 'Add', [intAttribute('broadcast', 1)], [operand]),
      single(7, 'Add', [], [operand]),
    );
    expect(operatorsOf(suffix)).toEqual(['Add']);
    const last = [intAttribute('broadcast', 1), intAttribute('axis', 3)];
    expect(operatorsOf(await becomes(single(6, 'Mul', last, [operand]), single(7, 'Mul', [], [operand])))).toEqual([
      'Mul',
    ]);
  });

  it('lose hints at memory', async () => {
    const hint = intsAttribute('consumed_inputs', [0]);
    await becomes(single(1, 'Relu', [hint]), single(7, 'Relu', []));
    await becomes(single(1, 'Add', [hint], [randomTensor(dims, 2)]), single(7, 'Add', [], [randomTensor(dims, 2)]));
  });

  it('spell out constants that were rounded otherwise', async () => {
    const selu = await becomes(
      single(1, 'Selu', []),
      single(7, 'Selu', [floatAttribute('alpha', 1.6732), floatAttribute('gamma', 1.0507)]),
    );
    expect([...selu.graph.nodes][0]?.attributes.get('alpha')?.value).toBe(Math.fround(1.6732));
  });

  it('clip infinities only where they say so', async () => {
    const { model } = await applyPass(single(1, 'Clip', [floatAttribute('min', 0)]), convertOpset(7));
    expect([...model.graph.nodes][0]?.attributes.get('max')?.value).toBe(Number.POSITIVE_INFINITY);
  });

  it('normalize and drop nothing only in test mode', async () => {
    const statistics = [1, 2, 3].map((seed) => randomTensor([3], seed));
    const constants = [...statistics, floatTensor([1, 2, 3])];
    const test = intAttribute('is_test', 1);
    await becomes(single(6, 'BatchNormalization', [test], constants), single(7, 'BatchNormalization', [], constants));
    await becomes(single(6, 'Dropout', [test]), single(7, 'Dropout', []));
    expect(await refusal(7, single(6, 'BatchNormalization', [], constants))).toBe('it is in training mode');
    expect(await refusal(7, single(6, 'Dropout', []))).toBe('it is in training mode');
  });

  it('give the slope of a channel axes of its own', async () => {
    const slope = floatTensor([0.1, 0.2, 0.3]);
    await becomes(single(6, 'PRelu', [], [slope]), single(7, 'PRelu', [], [floatTensor([0.1, 0.2, 0.3], [3, 1, 1])]));
  });

  it('reshape by an attribute and cast by a name', async () => {
    const { model } = await applyPass(single(1, 'Reshape', [intsAttribute('shape', [6, -1])]), convertOpset(13));
    expect([...model.graph.nodes][0]?.inputs.length).toBe(2);
    const cast = await becomes(
      single(1, 'Cast', [stringAttribute('to', 'FLOAT')]),
      single(7, 'Cast', [intAttribute('to', 1)]),
    );
    expect([...cast.graph.nodes][0]?.attributes.get('to')?.value).toBe(1n);
  });

  it('upsample by two sides', async () => {
    const sides = [floatAttribute('height_scale', 2), floatAttribute('width_scale', 3)];
    const scales: Attribute = { name: 'scales', kind: 'floats', value: [1, 1, 2, 3] };
    await becomes(single(1, 'Upsample', sides), single(7, 'Upsample', [scales]));
  });

  it('are refused where they contradict themselves or compute attributes', async () => {
    const paddings = [intsAttribute('paddings', [0, 0, 0, 0, 0, 0, 1, 1])];
    expect(await refusal(7, single(1, 'Pad', paddings))).toMatch(/contradicts itself/);
    expect(await refusal(7, single(1, 'LpPool', [floatAttribute('p', 1.5)]))).toBe('its order 1.5 is not whole');
  });
});
