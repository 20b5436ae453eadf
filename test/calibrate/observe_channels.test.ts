import { expect, it } from 'vitest';
import { ortRunner } from '../../src/backends/ort/run.js';
import { observeChannels } from '../../src/calibrate/observe_channels.js';
import { openSource } from '../../src/calibrate/sources/open_source.js';
import type { Model } from '../../src/ir/graph.js';
import { floatTensor, type Tensor, tensorData } from '../../src/ir/tensor.js';
import { ModelBuilder, randomTensor } from '../build_model.js';

function negated(opset: number): Model {
  const b = new ModelBuilder(opset);
  b.output(b.op('Relu', [b.op('Neg', [b.input('x', ['B', 'N', 6])])]), 'y');
  return b.build();
}

const requests = (model: Model) => [{ value: [...model.graph.nodes][0]!.outputs[0]!, size: 6 }];
const open = (model: Model, samples: readonly Tensor[]) =>
  openSource(
    samples.map((x) => ({ x })),
    model.graph.inputs,
  );

it.each([13, 17, 21])('finds the largest and the sum of all magnitudes a channel, in opset %i', async (opset) => {
  const model = negated(opset);
  const samples = [randomTensor([2, 3, 6], 1), randomTensor([1, 4, 6], 2)];
  const [sizes] = (await observeChannels(model, requests(model), await open(model, samples), ortRunner())).values();
  const magnitudes = samples.flatMap((sample) => Array.from(tensorData(sample) as Float32Array, Math.abs));
  for (let channel = 0; channel < 6; channel += 1) {
    const own = magnitudes.filter((_each, index) => index % 6 === channel);
    expect(sizes!.largest[channel]).toBe(Math.max(...own));
    // Float sums of at most six numbers of at most 1.
    const sum = own.reduce((total, each) => total + each, 0);
    expect(sizes!.sum[channel]).toBeCloseTo(sum, 5);
  }
});

it('stops at the limit, and refuses what is no number or no sample', async () => {
  const model = negated(17);
  const bad = await open(model, [randomTensor([1, 1, 6], 1), floatTensor([1, 2, 3, 4, 5, Number.NaN], [1, 1, 6])]);
  expect((await observeChannels(model, requests(model), bad, ortRunner(), { limit: 1 })).size).toBe(1);
  await expect(observeChannels(model, requests(model), bad, ortRunner())).rejects.toThrow('calibrate/not-finite');
  const none = { samples: () => ReadableStream.from([]), count: 0 };
  await expect(observeChannels(model, requests(model), none as never, ortRunner())).rejects.toThrow(
    'calibrate/no-samples',
  );
});
