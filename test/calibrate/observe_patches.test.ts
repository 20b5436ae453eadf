import { describe, expect, it } from 'vitest';
import { ortRunner } from '../../src/backends/ort/run.js';
import { observePatches, type PatchStatistics } from '../../src/calibrate/observe_patches.js';
import { openSource } from '../../src/calibrate/sources/open_source.js';
import { type Attribute, intAttribute, intsAttribute, stringAttribute } from '../../src/ir/attribute.js';
import { constantTensor } from '../../src/ir/constant.js';
import type { Model } from '../../src/ir/graph.js';
import { floatTensor, type Tensor, tensorData } from '../../src/ir/tensor.js';
import type { ComputeNode } from '../../src/passes/quantize/compute_node.js';
import { layerRows } from '../../src/passes/quantize/layer_rows.js';
import { ModelBuilder, randomTensor } from '../build_model.js';

function layerModel(
  opType: string,
  input: readonly (number | string)[],
  weight: Tensor,
  attributes: readonly Attribute[] = [],
): Model {
  const b = new ModelBuilder(17);
  b.output(b.op(opType, [b.input('x', input), b.constant('w', weight)], { attributes }), 'y');
  return b.build();
}

function layerOf(model: Model): ComputeNode {
  const [node] = model.graph.nodes;
  const weight = node!.inputs[1]!;
  const weightDims = constantTensor(weight)!.dims;
  return { node: node!, input: node!.inputs[0]!, weight, weightDims, isQuantized: false, axis: 0, bias: null };
}

async function observe(model: Model, samples: readonly Tensor[]): Promise<PatchStatistics> {
  const data = await openSource(
    samples.map((x) => ({ x })),
    model.graph.inputs,
  );
  const found: PatchStatistics[] = [];
  await observePatches(model, [layerOf(model)], data, ortRunner(), (_, statistics) => found.push(statistics));
  expect(found).toHaveLength(1);
  return found[0]!;
}

/** Means and squared sums of each output channel over all places of all samples, from the layer itself. */
async function outputsOf(model: Model, samples: readonly Tensor[], axis: number) {
  const session = await ortRunner()(model);
  const sums: number[] = [];
  const squares: number[] = [];
  let count = 0;
  for (const x of samples) {
    const y = (await session.run(new Map([['x', x]]))).get('y')!;
    const channels = y.dims.at(axis)!;
    const inner = axis < 0 ? 1 : y.dims.slice(axis + 1).reduce((product, dim) => product * dim, 1);
    for (const [index, value] of (tensorData(y) as Float32Array).entries()) {
      const channel = Math.floor(index / inner) % channels;
      sums[channel] = (sums[channel] ?? 0) + value;
      squares[channel] = (squares[channel] ?? 0) + value * value;
    }
    count += y.dims.reduce((product, dim) => product * dim, 1) / channels;
  }
  await session.close();
  return { means: sums.map((sum) => sum / count), squares, count };
}

const three = (dims: readonly number[]) => [1, 2, 3].map((seed) => randomTensor(dims, seed));

const layers: [string, Model, readonly Tensor[], number][] = [
  [
    'a convolution with uneven padding, strides and dilations',
    layerModel('Conv', ['N', 3, 'H', 'W'], randomTensor([4, 3, 3, 2], 7), [
      intsAttribute('pads', [1, 0, 2, 1]),
      intsAttribute('strides', [2, 1]),
      intsAttribute('dilations', [1, 2]),
    ]),
    [randomTensor([2, 3, 7, 8], 1), randomTensor([1, 3, 9, 5], 2)],
    1,
  ],
  [
    'a convolution of one dimension that keeps its size',
    layerModel('Conv', ['N', 3, 'L'], randomTensor([4, 3, 4], 7), [stringAttribute('auto_pad', 'SAME_UPPER')]),
    [randomTensor([2, 3, 7], 1), randomTensor([1, 3, 9], 2)],
    1,
  ],
  [
    'a convolution place by place',
    layerModel('Conv', [2, 5, 4, 3], randomTensor([6, 5, 1, 1], 7)),
    three([2, 5, 4, 3]),
    1,
  ],
  [
    'a convolution place by place with strides',
    layerModel('Conv', [2, 5, 4, 3], randomTensor([6, 5, 1, 1], 7), [intsAttribute('strides', [2, 2])]),
    three([2, 5, 4, 3]),
    1,
  ],
  [
    'a grouped convolution',
    layerModel('Conv', [1, 6, 5, 5], randomTensor([4, 3, 3, 3], 7), [intAttribute('group', 2)]),
    three([1, 6, 5, 5]),
    1,
  ],
  [
    'a depthwise convolution',
    layerModel('Conv', [1, 4, 5, 5], randomTensor([8, 1, 3, 3], 7), [intAttribute('group', 4)]),
    three([1, 4, 5, 5]),
    1,
  ],
  [
    'a transposed convolution',
    layerModel('ConvTranspose', [2, 3, 4, 5], randomTensor([3, 4, 3, 2], 7), [
      intsAttribute('strides', [2, 2]),
      intsAttribute('pads', [1, 0, 0, 1]),
      intsAttribute('output_padding', [1, 0]),
    ]),
    three([2, 3, 4, 5]),
    1,
  ],
  ['a product', layerModel('MatMul', ['B', 'N', 6], randomTensor([6, 4], 7)), three([2, 3, 6]), -1],
  ['a product of a vector', layerModel('MatMul', [6], randomTensor([6, 4], 7)), three([6]), -1],
  [
    'a Gemm with transposed weights',
    layerModel('Gemm', ['N', 6], randomTensor([4, 6], 7), [intAttribute('transB', 1)]),
    three([5, 6]),
    -1,
  ],
];

describe('statistics of what a layer sums over', () => {
  it.each(layers)('give the means and squares of its outputs: %s', async (_, model, samples, axis) => {
    const expected = await outputsOf(model, samples, axis);
    const layer = layerOf(model);
    const { outputs, products, groups, at } = layerRows(layer.node, layer.weightDims);
    const weights = tensorData(constantTensor(layer.weight)!) as Float32Array;
    const { mean, moments, count } = await observe(model, samples);
    expect(count).toBe(expected.count);
    expect(expected.means).toHaveLength(outputs);
    for (let output = 0; output < outputs; output += 1) {
      const group = Math.floor(output / (outputs / groups));
      let average = 0;
      let square = 0;
      for (let a = 0; a < products; a += 1) {
        const weight = weights[at(output, a)]!;
        average += weight * mean[group * products + a]!;
        for (let b = 0; b < products; b += 1) {
          square += weight * weights[at(output, b)]! * moments[(group * products + a) * products + b]!;
        }
      }
      // Float sums of some hundred numbers of at most 1.
      expect(average).toBeCloseTo(expected.means[output]!, 4);
      expect(square / expected.squares[output]!).toBeCloseTo(1, 4);
    }
  });

  it('takes patches at even distances from large samples', async () => {
    const model = layerModel('Conv', [1, 2, 300, 300], randomTensor([4, 2, 1, 1], 7));
    const sample = randomTensor([1, 2, 300, 300], 5);
    const { moments, count, mean } = await observe(model, [sample]);
    // 90,000 places, one sample: at most 32,768 of them.
    expect(count).toBe(30_000);
    const values = tensorData(sample) as Float32Array;
    let square = 0;
    let sum = 0;
    for (let place = 0; place < 90_000; place += 3) {
      square += values[place]! ** 2;
      sum += values[place]!;
    }
    expect(moments[0]! / square).toBeCloseTo(1, 3);
    expect(mean[0]).toBeCloseTo(sum / 30_000, 4);
  });

  it('refuses what is no number', async () => {
    const model = layerModel('MatMul', [2, 3], randomTensor([3, 3], 7));
    const sample = floatTensor([1, 2, 3, 4, Number.NaN, 6], [2, 3]);
    await expect(observe(model, [sample])).rejects.toThrow('calibrate/not-finite');
  });
});
