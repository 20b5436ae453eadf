import { describe, expect, it } from 'vitest';
import { intAttribute, intsAttribute } from '../../../../src/ir/attribute.js';
import { int64Tensor } from '../../../../src/ir/tensor.js';
import { randomTensor } from '../../../build_model.js';
import { convertsTo, nodeDims, refusal, singleNode } from '../convert.js';

const feeds = { x: randomTensor(nodeDims) };

describe('Split', () => {
  const sizes = [intsAttribute('split', [1, 3, 2]), intAttribute('axis', 3)];

  it('takes its sizes as an input up and as an attribute down', async () => {
    for (const to of [13, 18]) await convertsTo(to, singleNode(11, 'Split', sizes, { outputs: 3 }), feeds);
    const constants = [int64Tensor([1, 3, 2])];
    await convertsTo(9, singleNode(18, 'Split', [intAttribute('axis', -1)], { constants, outputs: 3 }), feeds);
  });

  it('says into how many parts it splits from opset 18 on', async () => {
    const equal = [intAttribute('axis', 3)];
    const converted = await convertsTo(18, singleNode(2, 'Split', equal, { outputs: 3 }), feeds);
    expect([...converted.graph.nodes][0]?.attributes.get('num_outputs')?.value).toBe(3n);
  });

  it('gets its sizes said before, where the last part is smaller', async () => {
    const count = [intAttribute('num_outputs', 3), intAttribute('axis', 3)];
    const uneven = singleNode(18, 'Split', count, { outputs: 3, dims: [1, 2, 4, 7] });
    for (const to of [13, 11]) await convertsTo(to, uneven, { x: randomTensor([1, 2, 4, 7]) });
    await convertsTo(13, singleNode(18, 'Split', count, { outputs: 3 }), feeds);
    const open = singleNode(18, 'Split', count, { outputs: 3, dims: [1, 2, 4, 'w'] });
    expect(await refusal(17, open)).toMatch(/parts may differ in size/);
  });
});
