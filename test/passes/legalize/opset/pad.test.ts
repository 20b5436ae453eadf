import { describe, expect, it } from 'vitest';
import { floatAttribute, intsAttribute, stringAttribute } from '../../../../src/ir/attribute.js';
import { floatTensor, int64Tensor } from '../../../../src/ir/tensor.js';
import { randomTensor } from '../../../build_model.js';
import { convertsTo, modelOf, refusal } from '../convert.js';

const feeds = { x: randomTensor([3, 4]) };

const scalar = (value: number) => floatTensor([value], []);

describe('pads of Pad', () => {
  const older = (mode: string, value: number) =>
    modelOf(9, (b) => {
      const attributes = [
        intsAttribute('pads', [0, 1, 1, 0]),
        stringAttribute('mode', mode),
        floatAttribute('value', value),
      ];
      b.output(b.op('Pad', [b.input('x', [3, 4])], { attributes }), 'y');
    });
  const newer = (opset: number, pads: readonly number[], axes: readonly number[] | null, mode = 'constant') =>
    modelOf(opset, (b) => {
      const inputs = [b.constant('pads', int64Tensor(pads)), b.constant('value', scalar(2.5))];
      const own = axes === null ? inputs : [...inputs, b.constant('axes', int64Tensor(axes))];
      b.output(b.op('Pad', [b.input('x', [3, 4]), ...own], { attributes: [stringAttribute('mode', mode)] }), 'y');
    });

  it.each(['constant', 'reflect', 'edge'])('become inputs up in mode %s', async (mode) => {
    await convertsTo(13, older(mode, 1.5), feeds);
    await convertsTo(19, older(mode, 0), feeds);
  });

  it('become attributes down', async () => {
    const converted = await convertsTo(9, newer(13, [0, 1, 1, 0], null), feeds);
    expect(converted.graph.initializers.size).toBe(0);
  });

  it('of some axes become those of all', async () => {
    await convertsTo(13, newer(18, [1, 2], [-1]), feeds);
    await convertsTo(9, newer(19, [1, 2, 0, 1], [1, 0]), feeds);
  });

  it('are refused where the mode or their number is not there', async () => {
    expect(await refusal(18, newer(19, [0, 1, 1, 0], null, 'wrap'))).toBe('mode "wrap" does not exist there');
    const computed = modelOf(18, (b) => {
      const inputs = [b.input('x', [3, 4]), b.input('pads', [2], 'int64'), null, b.constant('axes', int64Tensor([1]))];
      b.output(b.op('Pad', inputs), 'y');
    });
    expect(await refusal(17, computed)).toBe('its pads or axes are computed when it runs');
  });
});
