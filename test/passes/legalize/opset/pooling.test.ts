import { describe, expect, it } from 'vitest';
import { type Attribute, intAttribute, intsAttribute, stringAttribute } from '../../../../src/ir/attribute.js';
import { randomTensor } from '../../../build_model.js';
import { convertsTo, nodeDims, refusal, singleNode } from '../convert.js';

const feeds = { x: randomTensor(nodeDims) };

describe('pooling', () => {
  const window = (ceil: number, stride: number, more: readonly Attribute[] = []) => [
    intsAttribute('kernel_shape', [2, 2]),
    intsAttribute('strides', [stride, stride]),
    intAttribute('ceil_mode', ceil),
    ...more,
  ];

  it.each(['MaxPool', 'AveragePool'])('of %s is the same where no window can start in the padding', async (opType) => {
    for (const to of [8, 12, 19, 22]) {
      await convertsTo(to, singleNode(to === 8 ? 11 : 10, opType, window(0, 2)), feeds, 1e-7);
    }
    for (const to of [13, 22]) await convertsTo(to, singleNode(11, opType, window(1, 2)), feeds, 1e-7);
    expect(await refusal(22, singleNode(21, opType, window(1, 3)))).toMatch(/last window may start in the padding/);
    expect(await refusal(9, singleNode(10, opType, window(1, 2)))).toBe('attribute "ceil_mode" does not exist there');
  });

  it('is refused where nobody says what a window past the edge is divided by', async () => {
    const counting = window(1, 2, [intAttribute('count_include_pad', 1)]);
    expect(await refusal(19, singleNode(18, 'AveragePool', counting))).toMatch(/what its last window is divided by/);
  });

  it('the other way is refused for paddings that flip between versions', async () => {
    const constants = [randomTensor([2, 3, 3, 3])];
    const same = singleNode(10, 'ConvTranspose', [stringAttribute('auto_pad', 'SAME_UPPER')], { constants });
    expect(await refusal(11, same)).toMatch(/which side gets an odd padding/);
    await convertsTo(22, singleNode(10, 'ConvTranspose', [], { constants }), feeds, 1e-6);
  });
});
