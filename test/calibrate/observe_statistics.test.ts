import { describe, expect, it } from 'vitest';
import { ortRunner } from '../../src/backends/ort/run.js';
import { observeRanges } from '../../src/calibrate/observe_ranges.js';
import { observeStatistics } from '../../src/calibrate/observe_statistics.js';
import type { SampleSource } from '../../src/calibrate/sources/source.js';
import type { Model, Value } from '../../src/ir/graph.js';
import { encodeHalf } from '../../src/ir/half_float.js';
import { floatTensor, type Tensor, tensorFromData } from '../../src/ir/tensor.js';
import { ModelBuilder, pseudoRandom } from '../build_model.js';

const sourceOf = (tensors: readonly Tensor[], input = 'x'): SampleSource => ({
  description: 'samples of the test',
  count: tensors.length,
  async *samples() {
    for (const [index, tensor] of tensors.entries()) yield { name: `#${index}`, feeds: new Map([[input, tensor]]) };
  },
});

/** x => 2x => relu(2x), of any size; the values in between are observed. */
function chain(): { model: Model; values: Value[] } {
  const b = new ModelBuilder();
  const x = b.input('x', ['n', 'w']);
  const doubled = b.op('Mul', [x, b.constant('two', floatTensor([2], []))], { outputs: ['doubled'] });
  b.output(b.op('Relu', [doubled], { outputs: ['positive'] }), 'positive', 'float', 2);
  const model = b.build();
  return { model, values: ['x', 'doubled', 'positive'].map((name) => model.graph.values.get(name)!) };
}

const data = pseudoRandom(600);
const rows = (count: number, width: number): Tensor[] =>
  Array.from({ length: 600 / (count * width) }, (_, index) =>
    floatTensor(data.subarray(index * count * width, (index + 1) * count * width), [count, width]),
  );

describe('observing statistics', () => {
  it('counts every element of inputs and of values in between', async () => {
    const { model, values } = chain();
    const { samples, tensors } = await observeStatistics(model, values, sourceOf(rows(1, 60)), ortRunner());
    expect(samples).toBe(10);
    const positive = tensors.get('positive')!;
    const expected = Array.from(data, (value) => Math.max(0, 2 * value));
    expect(positive.max).toBe(Math.max(...expected));
    expect(positive.histogram.counts.reduce((sum, each) => sum + each)).toBe(600);
    const zero = positive.histogram.bins.indexOf(0);
    expect(positive.histogram.counts[zero]).toBe(expected.filter((value) => value === 0).length);
    expect(tensors.get('x')!.min).toBe(Math.min(...data));
  });

  it('gives the same histograms for any batch size and shape, mixed ones included', async () => {
    const { model, values } = chain();
    const observe = async (tensors: readonly Tensor[]) => {
      const found = await observeStatistics(model, values, sourceOf(tensors), ortRunner());
      return [...found.tensors].map(([name, { histogram, min, max }]) => ({ name, histogram, min, max }));
    };
    const single = await observe(rows(1, 20));
    expect(await observe(rows(5, 20))).toEqual(single);
    expect(await observe(rows(30, 20))).toEqual(single);
    const mixed = [floatTensor(data.subarray(0, 100), [1, 100]), floatTensor(data.subarray(100), [2, 250])];
    expect(await observe(mixed)).toEqual(single);
    expect(await observe(rows(1, 20).reverse())).toEqual(single);
  });

  it('gives the same where activations are fetched in groups, whatever may be held at a time', async () => {
    const { model, values } = chain();
    const observe = (maxFetchBytes: number) =>
      observeStatistics(model, values, sourceOf(rows(1, 60)), ortRunner(), { maxFetchBytes });
    const whole = await observe(2 ** 28);
    for (const bytes of [1, 500, 1000]) expect(await observe(bytes)).toEqual(whole);
  });

  it('runs in a thread of its own to the same result', async () => {
    const { model, values } = chain();
    const observe = (worker: boolean) => observeStatistics(model, values, sourceOf(rows(1, 60)), ortRunner({ worker }));
    expect(await observe(true)).toEqual(await observe(false));
  });

  it('has the extremes that the runtime reduces to', async () => {
    const { model, values } = chain();
    const { tensors } = await observeStatistics(model, values, sourceOf(rows(1, 60)), ortRunner());
    const { ranges } = await observeRanges(model, values, sourceOf(rows(1, 60)), ortRunner());
    for (const [name, { min, max }] of tensors) expect({ min, max }).toEqual(ranges.get(name));
  });

  it('stops at the limit and reports progress', async () => {
    const { model, values } = chain();
    const told: [number, number | undefined][] = [];
    const found = await observeStatistics(model, values, sourceOf(rows(1, 60)), ortRunner(), {
      limit: 3,
      onSample: (done, total) => told.push([done, total]),
    });
    expect(found.samples).toBe(3);
    expect(told).toEqual([
      [1, 3],
      [2, 3],
      [3, 3],
    ]);
  });

  it('names the value and the sample where one is NaN or infinite, in the middle of a tensor too', async () => {
    const b = new ModelBuilder();
    const x = b.input('x', ['n']);
    b.output(b.op('Log', [x], { outputs: ['log'] }), 'log', 'float', 1);
    const model = b.build();
    const values = [model.graph.values.get('log')!];
    for (const odd of [-1, 0]) {
      const tensors = [floatTensor([1, 2, 3]), floatTensor([1, odd, 3, 4])];
      await expect(observeStatistics(model, values, sourceOf(tensors), ortRunner())).rejects.toThrow(
        /calibrate\/not-finite: "log" takes NaN or infinity on sample #1/,
      );
    }
    const fed = [floatTensor([1, Number.NaN])];
    await expect(observeStatistics(model, [model.graph.values.get('x')!], sourceOf(fed), ortRunner())).rejects.toThrow(
      /"x" takes NaN or infinity on sample #0/,
    );
  });

  it('observes half and double activations as floats, and refuses integers', async () => {
    const numbers = Float32Array.of(1, -2, 0.5);
    for (const [dtype, tensor] of [
      ['float16', tensorFromData('float16', [3], encodeHalf('float16', numbers))],
      ['double', tensorFromData('double', [3], Float64Array.from(numbers))],
    ] as const) {
      const b = new ModelBuilder();
      b.output(b.op('Neg', [b.input('x', [3], dtype)], { outputs: ['y'] }), 'y', dtype, 1);
      const model = b.build();
      const { tensors } = await observeStatistics(
        model,
        [model.graph.values.get('y')!],
        sourceOf([tensor]),
        ortRunner(),
      );
      expect(tensors.get('y')).toMatchObject({ min: -1, max: 2 });
    }
    const b = new ModelBuilder();
    b.output(b.op('Neg', [b.input('x', [1], 'int32')], { outputs: ['y'] }), 'y', 'int32', 1);
    const model = b.build();
    await expect(observeStatistics(model, [model.graph.values.get('y')!], sourceOf([]), ortRunner())).rejects.toThrow(
      'calibrate/not-float',
    );
  });

  it('leaves out what was empty in every sample', async () => {
    const { model, values } = chain();
    const { samples, tensors } = await observeStatistics(
      model,
      values,
      sourceOf([floatTensor([], [0, 3])]),
      ortRunner(),
    );
    expect([samples, tensors.size]).toEqual([1, 0]);
  });
});
