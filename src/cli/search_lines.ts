import type { FloatSearch } from '../int8/float_search.js';
import { formatNumber, formatTable } from './table.js';

/** Which layers were left in float to be as true as asked for; with `all`, every set that was measured. */
export function searchLines({ layers, steps, ranked, samples, metric }: FloatSearch, all: boolean): string[] {
  const models = ranked + steps.length;
  const scored = metric === undefined ? '' : `; ${metric.name} of float: ${formatNumber(metric.float)}`;
  const lines = [
    `accuracy: ${layers.length} layers left in float, found with ${models} models measured on ${samples} samples${scored}`,
    ...layers.map(({ node, operator, sqnr }) => `  ${node} (${operator}): alone on 8 bits ${formatNumber(sqnr)} dB`),
  ];
  if (!all) return lines;
  const table = formatTable([
    ['measured', 'in float', 'of operations', 'SQNR dB', ...(metric ? [metric.name] : []), 'reached'],
    ...steps.map(({ step, floats, costShare, sqnr, metric: score, reached }) => [
      step,
      String(floats),
      `${(costShare * 100).toFixed(1)} %`,
      formatNumber(sqnr),
      ...(score === undefined ? [] : [formatNumber(score)]),
      reached ? 'yes' : 'no',
    ]),
  ]);
  return [...lines, table];
}
