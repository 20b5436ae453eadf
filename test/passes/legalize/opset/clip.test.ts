import { describe, expect, it } from 'vitest';
import { type Attribute, floatAttribute } from '../../../../src/ir/attribute.js';
import type { DataType } from '../../../../src/ir/data_type.js';
import { floatTensor, type Tensor, tensorFromData } from '../../../../src/ir/tensor.js';
import { randomTensor } from '../../../build_model.js';
import { convertsTo, modelOf, refusal } from '../convert.js';

const feeds = { x: randomTensor([3, 4]) };

const extremes = { x: floatTensor([Number.NEGATIVE_INFINITY, -3e38, -1, 0, 1, Number.POSITIVE_INFINITY]) };

const clipOlder = (opset: number, attributes: readonly Attribute[], dims: readonly number[] = [3, 4]) =>
  modelOf(opset, (b) => b.output(b.op('Clip', [b.input('x', dims)], { attributes }), 'y'));

const clipNewer = (opset: number, min: Tensor | null, max: Tensor | null, dtype: DataType = 'float') =>
  modelOf(opset, (b) => {
    const inputs = [b.input('x', [3, 4], dtype), min && b.constant('min', min), max && b.constant('max', max)];
    b.output(b.op('Clip', inputs), 'y', dtype);
  });

const scalar = (value: number) => floatTensor([value], []);

describe('bounds of Clip', () => {
  it('become inputs up, in the type of the tensor', async () => {
    const both = [floatAttribute('min', -0.25), floatAttribute('max', 0.5)];
    const converted = await convertsTo(13, clipOlder(9, both), feeds);
    expect([...converted.graph.nodes][0]?.inputs.map((input) => input?.initializer?.dtype)).toEqual([
      undefined,
      'float',
      'float',
    ]);
  });

  it('that are left out stay so in float, where their default stays the same', async () => {
    const converted = await convertsTo(11, clipOlder(9, [], [6]), extremes);
    expect([...converted.graph.nodes][0]?.inputs.length).toBe(1);
    await convertsTo(12, clipOlder(7, [floatAttribute('max', 0.25)], [6]), extremes);
  });

  it('become attributes down', async () => {
    const converted = await convertsTo(9, clipNewer(13, scalar(-0.25), scalar(0.5)), feeds);
    expect([...converted.graph.nodes][0]?.inputs.length).toBe(1);
    expect(converted.graph.initializers.size).toBe(0);
    await convertsTo(7, clipNewer(12, null, scalar(0.5)), feeds);
  });

  it('are refused down where attributes cannot say them', async () => {
    const double = tensorFromData('double', [], Float64Array.of(0.1));
    expect(await refusal(10, clipNewer(11, double, double, 'double'))).toBe('a bound is no float');
    expect(await refusal(10, clipNewer(11, null, null, 'double'))).toBe('a bound left out is the largest double here');
    expect(await refusal(12, clipNewer(13, scalar(1), scalar(0)))).toMatch(/minimum is over its maximum/);
    const computed = modelOf(11, (b) => {
      b.output(b.op('Clip', [b.input('x', [3, 4]), b.input('min', [])]), 'y');
    });
    expect(await refusal(10, computed)).toBe('its bounds are computed when it runs');
  });
});
