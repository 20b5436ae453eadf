import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ortRunner } from '../../src/backends/ort/run.js';
import { magnitudeBounds } from '../../src/calibrate/magnitude_bounds.js';
import { floatTensor, tensorData } from '../../src/ir/tensor.js';
import { ModelBuilder, pseudoRandom, randomTensor } from '../build_model.js';

/** x => conv => relu => (log, pool + relu). */
function network() {
  const b = new ModelBuilder();
  const conv = [
    b.input('x', [1, 4, 6, 6]),
    b.constant('w', randomTensor([4, 4, 3, 3], 1)),
    b.constant('b', randomTensor([4], 2)),
  ];
  const relu = b.op('Relu', [b.op('Conv', conv, { outputs: ['conv'] })], { outputs: ['relu'] });
  b.output(b.op('Log', [relu], { outputs: ['log'] }), 'log', 'float', 4);
  const twice = b.op('Add', [b.op('Tanh', [relu]), relu], { outputs: ['sum'] });
  b.output(b.op('Mul', [twice, relu], { outputs: ['product'] }), 'product', 'float', 4);
  const model = b.build();
  const values = ['relu', 'log', 'sum', 'product'].map((name) => model.graph.values.get(name)!);
  return { model, values };
}

describe('bounds of magnitudes', () => {
  it('follow from inputs and constants, but not behind what may make NaN', () => {
    const { model, values } = network();
    const { follows } = magnitudeBounds(model.graph, values);
    expect([...follows].map(({ name }) => name)).toEqual(['relu', 'sum', 'product']);
  });

  it('are infinite where a size is not known, or a constant holds no number', () => {
    const { model, values } = network();
    expect(magnitudeBounds(model.graph, values).bounds(new Map()).get('relu')).toBe(Number.POSITIVE_INFINITY);
    const b = new ModelBuilder();
    const weights = floatTensor([1, Number.NaN, 1, 1], [2, 2]);
    b.output(b.op('MatMul', [b.input('x', [1, 2]), b.constant('w', weights)], { outputs: ['y'] }));
    const { graph } = b.build();
    const { bounds } = magnitudeBounds(graph, [graph.values.get('y')!]);
    expect(bounds(new Map([['x', 1]])).get('y')).toBe(Number.POSITIVE_INFINITY);
  });

  it('hold in the runtime', async () => {
    const { model, values } = network();
    const { bounds } = magnitudeBounds(model.graph, values);
    const session = await ortRunner()(model);
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 1e6 }),
        fc.double({ min: -15, max: 15, noNaN: true }),
        async (seed, power) => {
          const x = Float32Array.from(pseudoRandom(144, seed), (value) => value * 10 ** power);
          const results = await session.run(new Map([['x', floatTensor(x, [1, 4, 6, 6])]]));
          const size = (data: ArrayLike<number>) =>
            Array.from(data).reduce((most, each) => Math.max(most, Math.abs(each)), 0);
          const found = size(tensorData(results.get('product')!) as Float32Array);
          // A millionth for the rounding of sums.
          expect(found).toBeLessThanOrEqual(bounds(new Map([['x', size(x)]])).get('product')! * (1 + 1e-6));
        },
      ),
      { numRuns: 40 },
    );
    await session.close();
  });
});
