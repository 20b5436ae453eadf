import { describe, expect, it } from 'vitest';
import { optimize } from '../../../src/optimize.js';
import type { PlacementOptions } from '../../../src/passes/quantize/selection.js';
import { qdqText } from './qdq_text.js';
import { basicBlock, noise } from './small_networks.js';

async function quantized(quantization: PlacementOptions, target = 'tensorrt@10') {
  const model = basicBlock();
  const data = noise(model);
  return optimize({ model, target, precision: 'int8', calibration: { data }, quantization, check: { data } });
}

const eightBitConvolutions = ({ model }: Awaited<ReturnType<typeof quantized>>): string[] =>
  qdqText(model.graph).flatMap((line) => (/Conv\(8 .*, 8 /.test(line) ? [line.split(' ')[0]!] : []));

const scaleOf = ({ model }: Awaited<ReturnType<typeof quantized>>, name: string): number => {
  const tensor = model.graph.values.get(`${name}_scale`)?.initializer;
  if (tensor?.kind !== 'dense') throw new Error(`no scale of ${name}`);
  return new Float32Array(tensor.storage.bytes().slice().buffer)[0]!;
};

describe('what is said about single nodes and values', () => {
  it('excludes nodes by name, glob or predicate', async () => {
    expect(eightBitConvolutions(await quantized({}))).toEqual(['conv0', 'conv1', 'conv2', 'y']);
    expect(eightBitConvolutions(await quantized({ exclude: ['conv1', 'conv3'] }))).toEqual(['conv0', 'conv2']);
    expect(eightBitConvolutions(await quantized({ exclude: ['c*1', (node) => node.name === 'conv0'] }))).toEqual([
      'conv2',
      'y',
    ]);
  });

  it('includes only the nodes named, also where the target had rather leave them', async () => {
    const named = await quantized({ include: ['conv2'] });
    expect(eightBitConvolutions(named)).toEqual(['conv2']);
    // The first layer is one that ort-cpu leaves in float by itself.
    const first = await quantized({ include: ['conv0'] }, 'ort-cpu');
    expect(first.quantization!.eightBit).toBe(1);
    expect(eightBitConvolutions(first)).toHaveLength(1);
  });

  it('takes ranges that are given in the place of calibrated ones', async () => {
    const { model, ...rest } = await quantized({ tensors: [{ match: 'stem', range: { min: 0, max: 12.7 } }] });
    expect(scaleOf({ model, ...rest }, 'stem')).toBeCloseTo(0.1, 6);
    expect(rest.quantization!.ranges.has('stem')).toBe(false);
    expect(rest.quantization!.ranges.has('relu1')).toBe(true);
  });

  it('leaves values in float, with the layers that read them and the sum', async () => {
    const result = await quantized({ tensors: [{ match: ({ name }) => name === 'stem', skip: true }] });
    expect(eightBitConvolutions(result)).toEqual(['conv0', 'conv2', 'y']);
    expect(qdqText(result.model.graph)).toContain('sum = Add(conv2, stem)');
    expect(result.quantization!.floats).toContainEqual({ node: 'conv1', reason: 'its input is to stay in float' });
  });

  it.each<[string, PlacementOptions]>([
    ['a name', { exclude: ['conv9'] }],
    ['a name to include', { include: ['Conv0'] }],
    ['a glob', { exclude: ['conv0', 'layer*'] }],
    ['a predicate', { exclude: [(node) => node.opType === 'LSTM'] }],
    ['a tensor', { tensors: [{ match: 'stem.*', skip: true }] }],
  ])('refuses %s that matches nothing', async (_, options) => {
    await expect(quantized(options)).rejects.toThrow('quantize/override-matches-nothing');
  });
});
