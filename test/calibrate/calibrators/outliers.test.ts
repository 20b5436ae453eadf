import { describe, expect, it } from 'vitest';
import { entropy } from '../../../src/calibrate/calibrators/entropy.js';
import { minmax } from '../../../src/calibrate/calibrators/minmax.js';
import { mse } from '../../../src/calibrate/calibrators/mse.js';
import { percentile } from '../../../src/calibrate/calibrators/percentile.js';
import { int8Symmetric, statisticsOf } from './statistics_of.js';

/**
 * A million values spread evenly over (0, 1), ten at 2.5 and one at 20, for int8 symmetric: 127 steps up to the
 * threshold t.
 *
 * - minmax: 20.
 * - percentile 99.9: 1,000 of 1,000,011 are cut off: the ten and the one, and 989 of the even ones, which leaves
 *   1 − 989e-6 = 0.99901. Bins between 1/2 and 1 are 1/256 wide, so that value lies in the last of them, which ends at 1.
 * - MSE: the even values err by a twelfth of a squared step on average, t² / (127² · 12), a million of them by 5.1667 t².
 *   The one errs by (20 − t)², and where t is above 2.5 nothing else saturates. The sum's derivative,
 *   2 · 5.1667 t − 2 (20 − t), is 0 at t = 20 / 6.1667 = 3.243. (Below 2.5 the ten saturate as well, and the sum falls up
 *   to there: its derivative would be 0 at (20 + 10 · 2.5) / 16.1667 = 2.78.) The even values end at 1, which is 39 steps
 *   and a part of one: that part's own error lets the sum waver by half a percent, and its minimum by some 8 %.
 * - entropy: 2,048 bins of 20 / 2048 = 0.0097656 each, of which the even values fill 102 and 40 % of the next. A
 *   threshold may end behind a filled bin only: what is cut off would fall into an empty bin, whose divergence is
 *   infinite. At least 128 bins are left (t = 1.25), so it is behind a bin of the ten or that of the one. At 20 a level is
 *   16 bins: the seventh one joins six full bins with the partly full one, and mixing those diverges by
 *   [6 ln(1 / 0.914) + 0.4 ln(0.4 / 0.914)] / 102.4 = 0.002. The ten lie in bin 2.5 / 0.0097656 = 256, and at 257 bins
 *   level 51 holds bins 102 and 103 alone: nothing is mixed, and the one cut off adds some 11 ln 2 / 1e6 = 1e-5. The
 *   bfloat16 bin of 2.5, [2.5, 2.515625), covers bins 256 and 257, so t is 257 or 258 bins: 2.51 to 2.52.
 */
const count = 1_000_000;
const values = new Float64Array(count + 11);
for (let index = 0; index < count; index += 1) values[index] = (index + 0.5) / count;
values.fill(2.5, count, count + 10);
values[count + 10] = 20;
const statistics = statisticsOf(values);

describe('a distribution with outliers', () => {
  it('gives four calibrators four thresholds, each as computed by hand', () => {
    expect(minmax(statistics, int8Symmetric).max).toBe(20);
    expect(percentile(99.9)(statistics, int8Symmetric).max).toBe(1);
    const byError = mse(statistics, int8Symmetric).max;
    expect(byError).toBeGreaterThan(3.243 * 0.92);
    expect(byError).toBeLessThan(3.243 * 1.08);
    const byEntropy = entropy(statistics, int8Symmetric).max;
    expect(byEntropy).toBeGreaterThanOrEqual(2.5);
    expect(byEntropy).toBeLessThan(2.52);
  });
});
