import { describe, expect, it } from 'vitest';
import { ortRunner } from '../../src/backends/ort/run.js';
import { observeRanges } from '../../src/calibrate/observe_ranges.js';
import type { SampleSource } from '../../src/calibrate/sources/source.js';
import type { Model, Value } from '../../src/ir/graph.js';
import { floatTensor } from '../../src/ir/tensor.js';
import { ModelBuilder, pseudoRandom } from '../build_model.js';

const dims = [1, 4, 20, 20];
const count = 1600;

/** x => log => relu => pool: the logarithm of a negative number is NaN, which the pool passes by. */
function logarithm(): { model: Model; values: Value[] } {
  const b = new ModelBuilder();
  const log = b.op('Log', [b.input('x', dims)], { outputs: ['log'] });
  const positive = b.op('Relu', [log], { outputs: ['positive'] });
  b.output(b.op('GlobalMaxPool', [positive], { outputs: ['pooled'] }));
  const model = b.build();
  return { model, values: ['pooled', 'positive', 'log'].map((name) => model.graph.values.get(name)!) };
}

const samplesOf = (...samples: readonly Float32Array[]): SampleSource => ({
  description: 'samples of the test',
  async *samples() {
    for (const [index, data] of samples.entries()) {
      yield { name: `#${index}`, feeds: new Map([['x', floatTensor(data, dims)]]) };
    }
  },
});

const positives = Float32Array.from(pseudoRandom(count), (value) => Math.abs(value) + 0.1);
const withAt = (position: number, value: number) => positives.with(position, value);

describe('extremes of values that are no numbers', () => {
  it.each([0, 1, 3, 7, 63, 399, 400, 801, 1599])(
    'names the value and the sample of a NaN at element %i',
    async (at) => {
      const { model, values } = logarithm();
      const source = samplesOf(positives, withAt(at, -1));
      await expect(observeRanges(model, values, source, ortRunner())).rejects.toThrow(
        /calibrate\/not-finite: "log" takes NaN or infinity on sample #1/,
      );
    },
  );

  it('names the first value that is infinite', async () => {
    const { model, values } = logarithm();
    await expect(observeRanges(model, values, samplesOf(withAt(5, 0)), ortRunner())).rejects.toThrow(
      /calibrate\/not-finite: "log" takes NaN or infinity on sample #0/,
    );
  });

  it('names a value whose products overflow to both sides, so that the sum of them is NaN', async () => {
    const b = new ModelBuilder();
    const x = b.input('x', [1, 2]);
    // 2 · 3e38 − 2 · 3e38 is infinity − infinity.
    const weights = floatTensor([3e38, 3e38, -3e38, -3e38], [2, 2]);
    const product = b.op('MatMul', [x, b.constant('w', weights)]);
    b.output(b.op('Relu', [product], { outputs: ['positive'] }));
    const model = b.build();
    const source: SampleSource = {
      description: 'one sample',
      async *samples() {
        yield { name: '#0', feeds: new Map([['x', floatTensor([2, 2], [1, 2])]]) };
      },
    };
    const observed = observeRanges(model, [model.graph.values.get('positive')!], source, ortRunner());
    await expect(observed).rejects.toThrow('calibrate/not-finite: "positive" takes NaN or infinity on sample #0');
  });

  it('takes numbers whose sum is none', async () => {
    const b = new ModelBuilder();
    const scaled = b.op('Mul', [b.input('x', dims), b.constant('c', floatTensor([1e38], []))], { outputs: ['scaled'] });
    b.output(b.op('Relu', [scaled], { outputs: ['y'] }));
    const model = b.build();
    const values = ['scaled', 'y'].map((name) => model.graph.values.get(name)!);
    const { ranges } = await observeRanges(model, values, samplesOf(new Float32Array(count).fill(2)), ortRunner());
    expect(ranges.get('scaled')).toEqual({ min: Math.fround(2e38), max: Math.fround(2e38) });
    expect(ranges.get('y')).toEqual({ min: 0, max: Math.fround(2e38) });
  });
});
