import { describe, expect, it } from 'vitest';
import { intsAttribute } from '../../../../src/ir/attribute.js';
import { int64Tensor } from '../../../../src/ir/tensor.js';
import { randomTensor } from '../../../build_model.js';
import { convertsTo, modelOf, refusal } from '../convert.js';

const feeds = { x: randomTensor([3, 4]) };

describe('bounds of Slice', () => {
  const older = modelOf(9, (b) => {
    const attributes = [intsAttribute('starts', [1, -3]), intsAttribute('ends', [2 ** 31 - 1, -1])];
    b.output(b.op('Slice', [b.input('x', [3, 4])], { attributes }), 'y');
  });
  const newer = (opset: number, axes: readonly number[], steps: readonly number[]) =>
    modelOf(opset, (b) => {
      const inputs = [[1, 0], [3, 4], axes, steps].map((values, i) => b.constant(`c${i}`, int64Tensor(values)));
      b.output(b.op('Slice', [b.input('x', [3, 4]), ...inputs]), 'y');
    });

  it('become inputs up', async () => {
    const converted = await convertsTo(13, older, feeds);
    expect([...converted.graph.nodes][0]?.inputs.length).toBe(3);
  });

  it('keep a bound past every size exactly', async () => {
    const model = modelOf(9, (b) => {
      const attributes = [intsAttribute('starts', [1]), intsAttribute('ends', [2n ** 63n - 1n])];
      b.output(b.op('Slice', [b.input('x', [3, 4])], { attributes }), 'y');
    });
    await convertsTo(13, model, feeds);
  });

  it('become attributes down, axes counted from the front', async () => {
    const converted = await convertsTo(9, newer(13, [0, 1], [1, 1]), feeds);
    expect([...converted.graph.nodes][0]?.attributes.has('starts')).toBe(true);
    const counted = await convertsTo(10, newer(11, [-2, -1], [1, 2]), feeds);
    expect([...counted.graph.nodes][0]?.inputs[3]?.initializer).toMatchObject({ dims: [2] });
  });

  it('are refused down with steps, or where they are computed', async () => {
    expect(await refusal(9, newer(13, [0, 1], [1, 2]))).toBe('it takes steps other than 1');
    const computed = modelOf(10, (b) => {
      const ends = b.constant('ends', int64Tensor([2]));
      b.output(b.op('Slice', [b.input('x', [3, 4]), b.input('starts', [1], 'int64'), ends]), 'y');
    });
    expect(await refusal(9, computed)).toBe('its bounds are computed when it runs');
  });
});
