import { describe, expect, it } from 'vitest';
import { runRounds, timeRatio } from '../../src/int8/latency_gate_rounds.js';

const model = (times: readonly number[]) => {
  let at = 0;
  return { runs: () => at, run: async () => times[at++ % times.length]!, close: async () => undefined };
};

describe('rounds', () => {
  it('compare within each round, so that a slow phase of the machine meets both', () => {
    const slow = [1, 1, 1, 5, 5, 5, 1, 1, 1];
    const { ratio, low, high } = timeRatio(
      slow.map((time) => time * 0.5),
      slow,
    );
    expect([ratio, low, high]).toEqual([0.5, 0.5, 0.5]);
  });

  it('give an interval that a few outliers do not move', () => {
    const times = [...Array.from({ length: 18 }, (_, index) => 0.9 + index / 1000), 40, 40];
    const { low, high } = timeRatio(
      times,
      times.map(() => 1),
    );
    expect(low).toBeGreaterThanOrEqual(0.9);
    expect(high).toBeLessThan(1);
  });

  it('end for a model that is settled while the others go on, and at the latest when they must', async () => {
    const [first, quick, open] = [model([1]), model([0.5]), model([0.9, 1.1])];
    const isSettled = ({ low, high }: { low: number; high: number }) => high < 1 || low > 1;
    const options = { least: 5, most: 30, isSettled, isOver: () => false };
    const { ratios, runs } = await runRounds(first!, [quick!, open!], options);
    expect(ratios.map(({ rounds }) => rounds)).toEqual([5, 30]);
    expect(runs).toBe(first!.runs() + quick!.runs() + open!.runs());
    const over = await runRounds(model([1]), [model([0.9, 1.1])], { ...options, isOver: () => true });
    expect(over.ratios[0]!.rounds).toBe(5);
  });
});
