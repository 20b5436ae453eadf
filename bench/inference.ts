import { Inference } from '../src/ir/ops/inference/inference.js';
import { type Bench, type Measurement, median } from './measurement.js';
import { transformerModel } from './transformer_model.js';

/** Seconds for 10,000 nodes, and how many times that 100,000 may take. */
const bars = { tenThousand: 1, tenfold: 12 };

/** Types and shapes of a deep transformer with two symbolic sizes, every node once. */
export const inferenceBench: Bench = {
  name: 'inference',
  summary: 'time to infer all types and shapes of an unfused transformer, median',
  async run({ smoke }) {
    const counts = smoke ? [1_000, 10_000] : [1_000, 10_000, 100_000];
    const runs = counts.map((nodes) => measure(nodes, smoke ? 1 : 3));
    const measurements: Measurement[] = runs.flatMap(({ asked, nodes, seconds }) => [
      {
        what: `${nodes} nodes`,
        value: seconds,
        unit: 's',
        ...(asked === 10_000 && { bar: bars.tenThousand }),
      },
      { what: `${nodes} nodes, each`, value: (seconds / nodes) * 1e6, unit: 'µs' },
    ]);
    const [, before, last] = runs;
    if (before !== undefined && last !== undefined) {
      const what = `${last.nodes} nodes / ${before.nodes} nodes`;
      measurements.push({ what, value: last.seconds / before.seconds, unit: 'ratio', bar: bars.tenfold });
    }
    return measurements;
  },
};

type Run = { readonly asked: number; readonly nodes: number; readonly seconds: number };

function measure(asked: number, rounds: number): Run {
  const perBlock = transformerModel({ blocks: 1 }).graph.nodes.size;
  const model = transformerModel({ blocks: Math.ceil(asked / perBlock) });
  new Inference(transformerModel({ blocks: 10 })).inferAll();
  const times = Array.from({ length: rounds }, () => {
    const inference = new Inference(model);
    const start = performance.now();
    inference.inferAll();
    return (performance.now() - start) / 1000;
  });
  return { asked, nodes: model.graph.nodes.size, seconds: median(times) };
}
