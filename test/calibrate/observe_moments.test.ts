import { expect, it } from 'vitest';
import { ortRunner } from '../../src/backends/ort/run.js';
import { observeMoments } from '../../src/calibrate/observe_moments.js';
import { openSource } from '../../src/calibrate/sources/open_source.js';
import { floatTensor, tensorData } from '../../src/ir/tensor.js';
import { ModelBuilder, randomTensor } from '../build_model.js';

function model() {
  const b = new ModelBuilder(17);
  b.output(b.op('Relu', [b.op('Neg', [b.input('x', ['B', 'N', 6])])]), 'y');
  return b.build();
}

const request = (source: ReturnType<typeof model>) => {
  const value = [...source.graph.nodes][0]!.outputs[0]!;
  return [
    { value, size: 6 },
    { value: source.graph.inputs[0]!, size: 6 },
  ];
};

it('adds up products of all rows of all samples', async () => {
  const source = model();
  const samples = [randomTensor([2, 3, 6], 1), randomTensor([1, 4, 6], 2), randomTensor([1, 1, 6], 3)];
  const data = await openSource(
    samples.map((x) => ({ x })),
    source.graph.inputs,
  );
  const moments = await observeMoments(source, request(source), data, ortRunner());
  expect(moments.size).toBe(2);
  for (const sum of moments.values()) {
    for (let a = 0; a < 6; a += 1) {
      for (let b = 0; b < 6; b += 1) {
        let expected = 0;
        for (const sample of samples) {
          const x = tensorData(sample) as Float32Array;
          for (let from = 0; from < x.length; from += 6) expected += x[from + a]! * x[from + b]!;
        }
        // Float sums of at most six products of at most 1.
        expect(sum[a * 6 + b]).toBeCloseTo(expected, 5);
      }
    }
  }
});

it('stops at the limit, and refuses what is no number or no sample', async () => {
  const source = model();
  const open = (samples: object[]) => openSource(samples as never, source.graph.inputs);
  const one = await open([
    { x: randomTensor([1, 1, 6], 1) },
    { x: floatTensor([1, 2, 3, 4, 5, Number.NaN], [1, 1, 6]) },
  ]);
  expect((await observeMoments(source, request(source), one, ortRunner(), { limit: 1 })).size).toBe(2);
  await expect(observeMoments(source, request(source), one, ortRunner())).rejects.toThrow('calibrate/not-finite');
});
