import { expect, it } from 'vitest';
import type { SampleSource } from '../../src/calibrate/sources/source.js';
import { answersOf } from '../../src/int8/sensitivity_answers.js';
import { floatTensor, tensorData } from '../../src/ir/tensor.js';

/** Samples of 4 bytes whose answers are as large, and a count of what was read and computed. */
function counted(count: number, limit: number, keptBytes: number) {
  const counts = { read: 0, run: 0 };
  const source: SampleSource = {
    description: 'numbers',
    async *samples() {
      for (let at = 0; at < count; at += 1) {
        counts.read += 1;
        yield { name: `${at}`, feeds: new Map([['x', floatTensor([at])]]) };
      }
    },
  };
  const run = async (feeds: ReadonlyMap<string, ReturnType<typeof floatTensor>>) => {
    counts.run += 1;
    return new Map([['y', floatTensor([Number(tensorData(feeds.get('x')!)[0]) * 2])]]);
  };
  const answers = answersOf(source, { run }, limit, keptBytes);
  const all = async (first?: number) => {
    const found: string[] = [];
    for await (const { sample, expected } of answers.each(first)) {
      found.push(`${sample.name}:${tensorData(expected.get('y')!)[0]}`);
    }
    return found;
  };
  return { all, counts };
}

const wanted = ['0:0', '1:2', '2:4', '3:6'];

it('keeps what it has room for, and reads and computes it once', async () => {
  const { all, counts } = counted(4, Number.POSITIVE_INFINITY, 100);
  expect(await all()).toEqual(wanted);
  expect(await all()).toEqual(wanted);
  expect(await all(2)).toEqual(wanted.slice(0, 2));
  expect(counts).toEqual({ read: 4, run: 4 });
});

it('reads and computes again what it has no room for, in the same order', async () => {
  const { all, counts } = counted(4, 4, 16);
  expect(await all()).toEqual(wanted);
  expect(await all()).toEqual(wanted);
  expect(counts).toEqual({ read: 8, run: 6 });
  expect(await all(2)).toEqual(wanted.slice(0, 2));
  expect(await all(3)).toEqual(wanted.slice(0, 3));
  expect(counts).toEqual({ read: 11, run: 7 });
});

it('stops at the limit, and after the first few', async () => {
  const { all, counts } = counted(9, 4, 100);
  expect(await all(2)).toEqual(wanted.slice(0, 2));
  expect(await all()).toEqual(wanted);
  expect(await all(9)).toEqual(wanted);
  expect(counts.run).toBe(4);
});
