import { describe, expect, it } from 'vitest';
import type { Sample } from '../../src/calibrate/sources/source.js';
import { type Metric, metricName, scorerOf } from '../../src/evaluate/metric.js';
import { floatTensor, int64Tensor, type Tensor } from '../../src/ir/tensor.js';

const sample = (labels?: Tensor): Sample => ({ name: 'sample', feeds: new Map(), ...(labels && { labels }) });

async function scoreOf(metric: Metric, pairs: readonly (readonly [Tensor, Tensor | undefined])[]): Promise<number> {
  const scorer = scorerOf(metric, 'scores');
  for (const [scores, labels] of pairs) await scorer.add(new Map([['scores', scores]]), sample(labels));
  return scorer.result();
}

describe('top1 and top5', () => {
  it('count labels over all rows of all samples', async () => {
    const scores = floatTensor([0.1, 0.9, 0.5, 0.7, 0.2, 0.1], [2, 3]);
    expect(await scoreOf('top1', [[scores, int64Tensor([1, 2])]])).toBe(0.5);
    const one = floatTensor([3, 2, 1], [1, 3]);
    expect(
      await scoreOf('top1', [
        [scores, int64Tensor([1, 2])],
        [one, int64Tensor([0])],
      ]),
    ).toBeCloseTo(2 / 3, 12);
  });

  it('top5 takes the five largest', async () => {
    const scores = floatTensor([9, 8, 7, 6, 5, 4], [1, 6]);
    expect(await scoreOf('top5', [[scores, int64Tensor([4])]])).toBe(1);
    expect(await scoreOf('top5', [[scores, int64Tensor([5])]])).toBe(0);
  });

  it('takes the first of equal scores, and no NaN', async () => {
    const equal = floatTensor([2, 2], [1, 2]);
    expect(await scoreOf('top1', [[equal, int64Tensor([0])]])).toBe(1);
    expect(await scoreOf('top1', [[equal, int64Tensor([1])]])).toBe(0);
    expect(await scoreOf('top1', [[floatTensor([Number.NaN, 1], [1, 2]), int64Tensor([0])]])).toBe(0);
  });

  it('reads scores of one row, and of axes of size 1 behind', async () => {
    expect(await scoreOf('top1', [[floatTensor([1, 2]), int64Tensor([1])]])).toBe(1);
    expect(await scoreOf('top1', [[floatTensor([1, 2], [1, 2, 1, 1]), int64Tensor([1], [])]])).toBe(1);
  });

  it('refuse what is no label or no score', async () => {
    const scores = floatTensor([1, 2], [1, 2]);
    const codeOf = async (pairs: readonly (readonly [Tensor, Tensor | undefined])[]) =>
      scoreOf('top1', pairs).then(String, (error: { diagnostic: { code: string } }) => error.diagnostic.code);
    expect(await codeOf([[scores, undefined]])).toBe('metric/no-labels');
    expect(await codeOf([[scores, int64Tensor([2])]])).toBe('data/wrong-labels');
    expect(await codeOf([[scores, floatTensor([0.5])]])).toBe('data/wrong-labels');
    expect(await codeOf([[scores, int64Tensor([0, 1])]])).toBe('data/wrong-labels');
    expect(await codeOf([[floatTensor([1, 2, 3, 4], [1, 2, 2]), int64Tensor([0])]])).toBe('metric/wrong-output');
    expect(await codeOf([[int64Tensor([1, 2], [1, 2]), int64Tensor([0])]])).toBe('metric/wrong-output');
  });
});

describe('metrics of a program', () => {
  const answers = [floatTensor([1]), floatTensor([4])];
  const pairs = answers.map((each) => [each, int64Tensor([3])] as const);
  const first = (tensor: Tensor) => new Float32Array(tensor.storage.bytes().slice().buffer)[0]!;

  it('a function of one sample is averaged', async () => {
    const closeness: Metric = (outputs, labels) => {
      expect(labels?.dims).toEqual([1]);
      return -Math.abs(first(outputs.get('scores')!) - 3);
    };
    expect(await scoreOf(closeness, pairs)).toBe(-1.5);
    expect(metricName(closeness)).toBe('closeness');
  });

  it('a set is scored as a whole', async () => {
    const metric: Metric = {
      name: 'largest',
      score: (outputs, labels) => Math.max(...outputs.map((each) => first(each.get('scores')!))) + labels.length,
    };
    expect(await scoreOf(metric, pairs)).toBe(6);
    expect(metricName(metric)).toBe('largest');
  });

  it('what is no number is refused', async () => {
    await expect(scoreOf(() => Number.NaN, pairs)).rejects.toMatchObject({
      diagnostic: { code: 'metric/not-a-number' },
    });
    const nothing = (() => undefined) as unknown as Metric;
    await expect(scoreOf(nothing, pairs)).rejects.toMatchObject({ diagnostic: { code: 'metric/not-a-number' } });
  });
});
