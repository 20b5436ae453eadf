import type { Sample } from '../calibrate/sources/source.js';
import { DiagnosticError } from '../ir/diagnostic.js';
import type { Tensor } from '../ir/tensor.js';
import { topHits } from './metric_top.js';

/** What a model answered to one sample, by output name. */
export type Answers = ReadonlyMap<string, Tensor>;

/** How well one sample was answered; the mean over all samples counts. Higher is better. */
export type SampleMetric = (outputs: Answers, labels: Tensor | undefined, sample: Sample) => number | Promise<number>;

/** How well all samples together were answered. Higher is better. Every answer is kept until the end. */
export type SetMetric = {
  readonly name: string;
  score(outputs: readonly Answers[], labels: readonly (Tensor | undefined)[]): number | Promise<number>;
};

/** `top1`, `top5`: the share of labels that are the class, or among the five classes, of the largest score. */
export type Metric = 'top1' | 'top5' | SampleMetric | SetMetric;

export const metricName = (metric: Metric): string =>
  typeof metric === 'string' ? metric : metric.name || 'custom metric';

/** Told every sample with its answers, gives the metric of them all. */
export type Scorer = {
  add(outputs: Answers, sample: Sample): Promise<void>;
  /** @throws DiagnosticError `metric/not-a-number`. */
  result(): Promise<number>;
};

/**
 * @param output the output that `top1` and `top5` read.
 * @throws DiagnosticError of the scorer: `metric/no-labels`, `metric/wrong-output`, `data/wrong-labels`.
 */
export function scorerOf(metric: Metric, output: string): Scorer {
  if (typeof metric === 'function') return meanScorer(metric);
  if (typeof metric === 'object') return setScorer(metric);
  let [hits, count] = [0, 0];
  const scorer = metric === 'top1' ? topHits(1) : topHits(5);
  return {
    async add(outputs, sample) {
      if (sample.labels === undefined) throw noLabels(metric, sample.name);
      const found = scorer(outputs.get(output), sample.labels, output, sample.name);
      hits += found.hits;
      count += found.count;
    },
    result: async () => asNumber(hits / count, metric),
  };
}

function meanScorer(metric: SampleMetric): Scorer {
  let [sum, count] = [0, 0];
  return {
    async add(outputs, sample) {
      sum += asNumber(await metric(outputs, sample.labels, sample), metric, sample.name);
      count += 1;
    },
    result: async () => asNumber(sum / count, metric),
  };
}

function setScorer(metric: SetMetric): Scorer {
  const answers: Answers[] = [];
  const labels: (Tensor | undefined)[] = [];
  return {
    async add(outputs, sample) {
      answers.push(outputs);
      labels.push(sample.labels);
    },
    result: async () => asNumber(await metric.score(answers, labels), metric),
  };
}

/** What a metric gives is the user's: it may be anything. */
function asNumber(value: unknown, metric: Metric, where?: string): number {
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  throw new DiagnosticError({
    code: 'metric/not-a-number',
    message: `the metric "${metricName(metric)}" gives ${String(value)}`,
    ...(where !== undefined && { where }),
    help: 'It has to give a finite number, the higher the better',
  });
}

const noLabels = (metric: Metric, where: string): DiagnosticError =>
  new DiagnosticError({
    code: 'metric/no-labels',
    message: `${metricName(metric)} needs labels, and the sample has none`,
    where,
    help: 'Give --labels with a file of one label a sample, or samples that bring "labels"',
  });
