import { describe, expect, it } from 'vitest';
import { type Attribute, intAttribute } from '../../../../src/ir/attribute.js';
import { int64Tensor } from '../../../../src/ir/tensor.js';
import { randomTensor } from '../../../build_model.js';
import { convertsTo, modelOf, nodeDims, refusal, singleNode } from '../convert.js';

const feeds = { x: randomTensor(nodeDims) };

describe('TopK', () => {
  it('is refused before opset 11 where it takes the smallest, or in any order', async () => {
    const constants = [int64Tensor([3])];
    const newer = (attributes: readonly Attribute[]) => singleNode(11, 'TopK', attributes, { constants, outputs: 2 });
    expect(await refusal(10, newer([intAttribute('largest', 0)]))).toBe('it takes the smallest');
    expect(await refusal(10, newer([intAttribute('sorted', 0)]))).toBe('its results are in no order');
  });

  it('takes k as an input up and as an attribute down', async () => {
    const model = (opset: number) =>
      modelOf(opset, (b) => {
        const k = opset < 10 ? [] : [b.constant('k', int64Tensor([3]))];
        const attributes = [intAttribute('axis', opset < 11 ? -1 : -2), ...(opset < 10 ? [intAttribute('k', 3)] : [])];
        const [values, indices] = b.ops('TopK', [b.input('x', nodeDims), ...k], { attributes, outputs: 2 });
        b.output(values!, 'values');
        b.output(indices!, 'indices', 'int64');
      });
    for (const to of [10, 11, 24]) await convertsTo(to, model(7), feeds);
    for (const to of [7, 10]) await convertsTo(to, model(11), feeds);
  });
});
