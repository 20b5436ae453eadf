import { describe, expect, it } from 'vitest';
import { floatAttribute, intAttribute } from '../../../../src/ir/attribute.js';
import { floatTensor, tensorFromData } from '../../../../src/ir/tensor.js';
import { randomTensor } from '../../../build_model.js';
import { convertsTo, modelOf, nodeDims, refusal, singleNode } from '../convert.js';

const feeds = { x: randomTensor(nodeDims) };

describe('Dropout', () => {
  it('lets everything through in every opset', async () => {
    const ratio = [floatAttribute('ratio', 0.3)];
    for (const to of [10, 12, 22]) await convertsTo(to, singleNode(7, 'Dropout', ratio), feeds);
    const off = tensorFromData('bool', [], Uint8Array.of(0));
    const constants = [floatTensor([0.3], []), off];
    const converted = await convertsTo(10, singleNode(13, 'Dropout', [intAttribute('seed', 1)], { constants }), feeds);
    expect([...converted.graph.nodes][0]?.attributes.get('ratio')?.value).toBeCloseTo(0.3);
    expect(converted.graph.initializers.size).toBe(0);
  });

  it('is refused in training, and where its mask is read', async () => {
    const on = tensorFromData('bool', [], Uint8Array.of(1));
    expect(await refusal(10, singleNode(12, 'Dropout', [], { constants: [null, on] }))).toBe(
      'it may be in training mode',
    );
    const masked = modelOf(12, (b) => {
      const [y, mask] = b.ops('Dropout', [b.input('x', nodeDims)], { outputs: 2 });
      b.output(y!, 'y');
      b.output(mask!, 'mask', 'bool');
    });
    expect(await refusal(11, masked)).toMatch(/its mask is read/);
  });
});
