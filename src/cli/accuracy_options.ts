import { type Command, InvalidArgumentError, Option } from 'commander';
import type { AccuracyBar } from '../int8/float_search.js';
import { parseNumber, parsePositive } from './data_options.js';

/** How true int8 is, or has to be; without --min-sqnr, which every check knows. */
export type AccuracyFlags = {
  readonly labels?: string;
  readonly metric?: 'top1' | 'top5';
  readonly metricOutput?: string;
};

export type SearchFlags = AccuracyFlags & {
  readonly maxDrop?: number;
  readonly maxEvaluations?: number;
  readonly searchSamples?: number;
};

export const addAccuracyOptions = (command: Command): Command =>
  command
    .option('--labels <file>', 'one label a sample: a line each, a JSON array or npy')
    .addOption(new Option('--metric <name>', 'what labels are scored by (default: top1)').choices(['top1', 'top5']))
    .option('--metric-output <name>', 'the output that --metric reads (default: the first)');

export const addSearchOptions = (command: Command): Command =>
  addAccuracyOptions(
    command.option(
      '--max-drop <share>',
      'largest drop of the metric, e.g. 0.5% or 0.005: leaves layers in float',
      parseDrop,
    ),
  )
    .option('--max-evaluations <count>', 'models to measure for that after one a layer (default: 40)', parsePositive)
    .option('--search-samples <count>', 'samples to measure them on (default: 32; with --max-drop all)', parsePositive);

export const accuracyOptions = ({ labels, metric, metricOutput }: AccuracyFlags): AccuracyBar => ({
  ...(labels !== undefined && { labels }),
  ...(metric && { metric }),
  ...(metricOutput !== undefined && { metricOutput }),
});

export const searchOptions = ({ maxDrop, maxEvaluations, searchSamples, ...flags }: SearchFlags): AccuracyBar => ({
  ...accuracyOptions(flags),
  ...(maxDrop !== undefined && { maxDrop }),
  ...(maxEvaluations !== undefined && { maxEvaluations }),
  ...(searchSamples !== undefined && { samples: searchSamples }),
});

/** A share: percentage points with a percent sign, otherwise a fraction. */
export function parseDrop(text: string): number {
  const isPercent = text.trim().endsWith('%');
  const value = parseNumber(isPercent ? text.trim().slice(0, -1) : text);
  if (value < 0) throw new InvalidArgumentError('It is 0 or more, such as 0.5% or 0.005.');
  return isPercent ? value / 100 : value;
}
