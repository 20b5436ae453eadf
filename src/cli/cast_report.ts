import type { CastReport } from '../half/cast_to_half.js';
import { formatNumber, formatTable } from './table.js';

/** What became of a request for 16-bit floats; with `all`, every reason and every set that was measured. */
export function castText(report: CastReport, all: boolean): string {
  const { casts, naiveCasts, inputs, outputs, samples, search, half } = report;
  const naive = naiveCasts === undefined ? '' : `, where one around each node kept in float comes to ${naiveCasts}`;
  const named = (names: readonly string[]) => names.map((name) => `"${name}"`).join(', ');
  return [
    report.description.trimEnd(),
    `${casts} ${casts === 1 ? 'cast' : 'casts'}${naive}`,
    ...(samples > 0 ? [`ranges observed on ${samples} samples`] : []),
    ...(inputs.length > 0 ? [`inputs that are ${half} now: ${named(inputs)}`] : []),
    ...(outputs.length > 0 ? [`outputs that are ${half} now: ${named(outputs)}`] : []),
    ...(search === undefined ? [] : searchText(search, all)),
    ...(all ? [reasonTable(report)] : []),
  ].join('\n');
}

function searchText({ nodes, steps, samples }: NonNullable<CastReport['search']>, all: boolean): string[] {
  const lines = [
    `error: ${nodes.length} nodes left in float, found with ${steps.length} models measured on ${samples} samples`,
    ...nodes.map((node) => `  ${node}`),
  ];
  if (!all) return lines;
  const rows = steps.map(({ floats, sqnr, reached }) => [String(floats), formatNumber(sqnr), reached ? 'yes' : 'no']);
  return [...lines, formatTable([['in float', 'SQNR dB', 'reached'], ...rows])];
}

const reasonTable = ({ reasons }: CastReport): string =>
  formatTable([
    ['nodes', 'type', 'reason'],
    ...reasons.map(({ type, reason, nodes }) => [String(nodes), type, reason]),
  ]);
