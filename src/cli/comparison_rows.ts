import type { Comparison } from '../evaluate/compare.js';
import { formatNumber } from './table.js';

/** One row an output, headed. */
export const comparisonRows = ({ outputs }: Comparison): string[][] => [
  ['output', 'max abs', 'max rel', 'cosine', 'SQNR dB', 'differ', 'verdict'],
  ...outputs.map(({ name, error, violation }) => [
    name,
    formatNumber(error.maxAbsolute),
    formatNumber(error.maxRelative),
    error.cosine.toFixed(6),
    formatNumber(error.sqnr),
    String(error.discreteMismatches + error.nonFiniteMismatches),
    violation ?? 'ok',
  ]),
];
