import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mergeStatistics, type Statistics } from '../../src/calibrate/statistics.js';
import { formatStatistics, loadStatistics, mergeStatisticsFiles } from '../../src/calibrate/statistics_file.js';
import { statisticsOf } from './calibrators/statistics_of.js';

let folder: string;
beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'onnxopt-statistics-'));
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

function write(name: string, content: string | object): string {
  const file = path.join(folder, name);
  fs.writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
  return file;
}

const oneTensor = (samples: readonly (readonly number[])[]): Statistics => ({
  samples: samples.length,
  tensors: new Map(samples.length === 0 ? [] : [['x', statisticsOf(...samples)]]),
});

const float = fc.float({ noNaN: true, noDefaultInfinity: true });

describe('a file of statistics', () => {
  it('brings back what was written, bit for bit', () => {
    fc.assert(
      fc.property(fc.array(fc.array(float, { minLength: 1 }), { minLength: 1 }), (samples) => {
        const statistics = oneTensor(samples);
        expect(loadStatistics(write('a.json', formatStatistics(statistics)))).toEqual(statistics);
      }),
      { numRuns: 100 },
    );
  });

  it('of shards merges to that of the whole, whichever samples fall to which and in which order', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(float, { minLength: 1 }), { minLength: 1, maxLength: 12 }),
        fc.integer({ min: 1, max: 4 }),
        fc.boolean(),
        (samples, of, reverse) => {
          const files = Array.from({ length: of }, (_, index) => {
            const part = oneTensor(samples.filter((_, position) => position % of === index));
            const shard = { index: index + 1, of };
            return write(`part${index}.json`, formatStatistics({ ...part, shard }));
          });
          const merged = mergeStatisticsFiles(reverse ? files.reverse() : files);
          expect(formatStatistics(merged)).toBe(formatStatistics(oneTensor(samples)));
          expect(mergeStatistics([merged])).toEqual(merged);
        },
      ),
      { numRuns: 100 },
    );
  });

  it('stays small: 4,000 bins take less than 30 kB', () => {
    const values = Array.from({ length: 4000 }, (_, index) => 1.005 ** (index - 2000));
    expect(formatStatistics(oneTensor([values])).length).toBeLessThan(30_000);
  });

  it('is refused where it is damaged or contradicts itself', () => {
    const good = JSON.parse(formatStatistics(oneTensor([[1, 2, -3]])));
    const x = good.tensors.x;
    const bad: Record<string, string | object> = {
      'not JSON': '{',
      'another format': { ...good, format: 'onnxopt-ranges' },
      'another version': { ...good, version: 2 },
      'no whole count': { ...good, tensors: { x: { ...x, runs: [[40000, [1.5]]] } } },
      'a bin of infinity': { ...good, tensors: { x: { ...x, runs: [[65408, [1]]] } } },
      'bins out of order': { ...good, tensors: { x: { ...x, runs: x.runs.toReversed() } } },
      'an extreme outside the bins': { ...good, tensors: { x: { ...x, max: 9 } } },
      'an extreme that is no float': { ...good, tensors: { x: { ...x, max: 2.000000001 } } },
      'sums that are no integers': { ...good, tensors: { x: { ...x, minSum: '1.5' } } },
      'more samples of a tensor than there are': { ...good, tensors: { x: { ...x, samples: 2 } } },
      'a shard beyond the last': { ...good, shard: { index: 3, of: 2 } },
    };
    for (const [what, content] of Object.entries(bad)) {
      expect(() => loadStatistics(write('bad.json', content)), what).toThrow('calibrate/bad-statistics-file');
    }
    expect(() => loadStatistics(path.join(folder, 'nowhere.json'))).toThrow('calibrate/bad-statistics-file');
  });

  it('is not merged with shards missing, doubled, or of another split', () => {
    const part = (index: number, of: number) =>
      write(`s${index}of${of}.json`, formatStatistics({ ...oneTensor([[index]]), shard: { index, of } }));
    const whole = write('whole.json', formatStatistics(oneTensor([[1]])));
    const wrong = [[part(1, 2)], [part(1, 2), part(1, 2)], [part(1, 2), part(2, 3)], [whole, part(1, 2)]];
    for (const files of wrong) expect(() => mergeStatisticsFiles(files)).toThrow('calibrate/shards-incomplete');
    expect(mergeStatisticsFiles([whole]).samples).toBe(1);
  });
});
