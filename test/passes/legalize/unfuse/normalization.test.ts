import { describe, expect, it } from 'vitest';
import { floatAttribute, intAttribute } from '../../../../src/ir/attribute.js';
import { randomTensor } from '../../../build_model.js';
import { int32, keeps, type Single, unfuses, without } from './unfused.js';

/** Numbers up to 3 after division by a deviation near ½. */
const tolerance = 4e-6;

const x = randomTensor([2, 3, 8], 1);
const skip = randomTensor([2, 3, 8], 2);
const scale = randomTensor([8], 3);
const shift = randomTensor([8], 4);
const bias = randomTensor([8], 5);
const epsilon = floatAttribute('epsilon', 1e-3);

const skipNormalizations: Record<string, Single> = {
  SkipLayerNormalization: { opType: 'SkipLayerNormalization', inputs: [x, skip, scale, shift, bias] },
  'SkipLayerNormalization without a bias': { opType: 'SkipLayerNormalization', inputs: [x, skip, scale, shift] },
  'SkipLayerNormalization with a scale only': { opType: 'SkipLayerNormalization', inputs: [x, skip, scale] },
  'SkipLayerNormalization of one skip for all': {
    opType: 'SkipLayerNormalization',
    inputs: [x, randomTensor([3, 8], 6), scale, shift],
  },
  'SkipLayerNormalization whose sum is read': {
    ...{ opType: 'SkipLayerNormalization', inputs: [x, skip, scale, shift, bias] },
    outputs: ['y', null, null, 'sum'],
  },
  SkipSimplifiedLayerNormalization: {
    ...{ opType: 'SkipSimplifiedLayerNormalization', inputs: [x, skip, scale, bias] },
    outputs: ['y', null, null, 'sum'],
  },
};

describe('normalization of a sum', () => {
  for (const [name, node] of Object.entries(skipNormalizations)) {
    for (const opset of [12, 17, 23]) {
      it(`spells ${name} in opset ${opset}`, async () => {
        const operators = await unfuses({ ...node, opset, attributes: [epsilon] }, tolerance);
        const rms = node.opType.includes('Simplified');
        expect(operators.includes('LayerNormalization')).toBe(!rms && opset >= 17);
        expect(operators.includes('RMSNormalization')).toBe(rms && opset >= 23);
      });
    }
  }

  it('stays where its statistics are read', async () => {
    const { opType, inputs } = skipNormalizations['SkipLayerNormalization']!;
    expect(await keeps({ opType, inputs, outputs: ['y', 'mean'] })).toContain('its statistics are asked for');
  });
});

describe('normalization of the standard', () => {
  it('spells LayerNormalization along several axes', async () => {
    const inputs = [randomTensor([2, 3, 4, 8], 1), randomTensor([4, 8], 2), randomTensor([4, 8], 3)];
    for (const opset of [17, 18]) {
      const node = { domain: '', opset, opType: 'LayerNormalization', inputs, attributes: [intAttribute('axis', -2)] };
      const operators = await unfuses(node, tolerance, without('LayerNormalization'));
      expect(operators).toEqual(['ReduceMean', 'Sub', 'Mul', 'ReduceMean', 'Add', 'Sqrt', 'Div', 'Mul', 'Add']);
    }
  });

  it('spells RMSNormalization, and what ONNX Runtime called it before', async () => {
    for (const [opType, opset] of [
      ['RMSNormalization', 23],
      ['SimplifiedLayerNormalization', 17],
    ] as const) {
      const node = { domain: '', opset, opType, inputs: [x, scale], attributes: [epsilon] };
      const operators = await unfuses(node, tolerance, without(opType));
      expect(operators).toEqual(['Mul', 'ReduceMean', 'Add', 'Sqrt', 'Div', 'Mul']);
    }
  });

  it('writes SimplifiedLayerNormalization as RMSNormalization where that exists', async () => {
    const node = { domain: '', opset: 23, opType: 'SimplifiedLayerNormalization', inputs: [x, scale] };
    expect(await unfuses(node, tolerance)).toEqual(['RMSNormalization']);
  });

  for (const [opset, count] of [
    [18, 2],
    [21, 6],
  ] as const) {
    for (const open of [false, true]) {
      it(`spells GroupNormalization of opset ${opset}${open ? ' with open sizes' : ''}`, async () => {
        const node = {
          ...{ domain: '', opset, opType: 'GroupNormalization', open },
          inputs: [
            randomTensor([2, 6, 4, 5], 1),
            { constant: randomTensor([count], 2) },
            { constant: randomTensor([count], 3) },
          ],
          attributes: [intAttribute('num_groups', 2), epsilon],
        };
        const operators = await unfuses(node, tolerance, without('GroupNormalization'));
        expect(operators).toContain('InstanceNormalization');
      });
    }
  }
});

describe('EmbedLayerNormalization', () => {
  const ids = int32([1, 4, 2, 0, 3, 3], [2, 3]);
  const tables = [randomTensor([5, 8], 6), randomTensor([4, 8], 7)];
  const positions = int32([2, 0, 1, 0, 1, 2], [2, 3]);

  it('becomes Gather, Add and LayerNormalization', async () => {
    const segmented = [ids, int32([0, 1, 0, 1, 1, 0], [2, 3]), ...tables, randomTensor([2, 8], 8), scale, shift];
    const operators = await unfuses(
      { opType: 'EmbedLayerNormalization', inputs: segmented, outputs: ['y', 'unread', 'sum'] },
      tolerance,
    );
    expect(operators).toEqual(['Slice', 'Gather', 'Add', 'Gather', 'Add', 'LayerNormalization']);
    const placed = [ids, null, ...tables, null, scale, shift, null, positions];
    const others = await unfuses(
      { opType: 'EmbedLayerNormalization', inputs: placed, attributes: [epsilon], outputs: ['y', 'unread'] },
      tolerance,
    );
    expect(others).toEqual(['Gather', 'Gather', 'Add', 'LayerNormalization']);
  });

  it('stays where its mask index is read', async () => {
    const inputs = [ids, null, ...tables, null, scale, shift];
    const node = { opType: 'EmbedLayerNormalization', inputs, outputs: ['y', 'mask'], result: 'float' } as const;
    expect(await keeps(node)).toContain('its mask index is asked for');
  });
});
