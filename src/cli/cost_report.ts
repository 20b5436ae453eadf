import type { CostFigures, CostSummary, CountText } from '../evaluate/cost_summary.js';
import { formatTable } from './table.js';

/** What one run takes, what that leaves out, and the largest nodes. */
export const costLines = (cost: CostSummary): string[] => [
  formatTable([
    ['one run', ''],
    ['multiply-accumulates', formatCount(cost.macs)],
    ['other element operations', formatCount(cost.elementOps)],
    ['bytes read', formatCount(cost.bytesRead)],
    ['bytes written', formatCount(cost.bytesWritten)],
  ]),
  ...unknownLines(cost),
  ...(isOpen(cost) ? ['  --dim NAME=SIZE gives an open dimension a size'] : []),
  ...(cost.largest.length === 0 ? [] : ['', formatTable(largestRows(cost))]),
];

const isOpen = (cost: CostSummary): boolean => figureNames.some(([figure]) => typeof cost[figure] === 'string');

const figureNames: readonly (readonly [keyof CostFigures, string])[] = [
  ['macs', 'multiply-accumulates'],
  ['elementOps', 'element operations'],
  ['bytesRead', 'bytes read'],
  ['bytesWritten', 'bytes written'],
];

const unknownLines = ({ unknown }: CostSummary): string[] =>
  figureNames.flatMap(([figure, name]) => {
    const nodes = unknown[figure];
    const shown = nodes.slice(0, 3).join(', ');
    return nodes.length === 0
      ? []
      : [`  without the ${name} of ${nodes.length} nodes: ${shown}${nodes.length > 3 ? ', …' : ''}`];
  });

const largestRows = ({ largest }: CostSummary): string[][] => [
  ['largest nodes', 'operator', 'MACs', 'bytes read', 'bytes written'],
  ...largest.map(({ node, operator, macs, bytesRead, bytesWritten }) => [
    shortened(node, 40),
    operator,
    ...[macs, bytesRead, bytesWritten].map((count) => formatCount(count, 32)),
  ]),
];

/** In groups of three; by hand, since the first use of a locale takes as long as many a whole pass. */
export const digits = (count: number | bigint): string => String(count).replace(/\B(?=(\d{3})+$)/g, ',');

/** Digits in groups; an expression with · for products, cut behind a term where it is longer than `width`. */
function formatCount(count: CountText, width = 72): string {
  if (count === null) return '?';
  return typeof count === 'string' ? shortened(count.replaceAll('*', '·'), width) : digits(count);
}

/** Cut at the last sum that fits, or anywhere; what is left out shows as an ellipsis. */
function shortened(text: string, width: number): string {
  if (text.length <= width) return text;
  const head = text.slice(0, width - 3);
  const end = head.lastIndexOf(' + ');
  const isInside = (head.slice(0, end).match(/\(/g) ?? []).length !== (head.slice(0, end).match(/\)/g) ?? []).length;
  return end > 0 && !isInside ? `${head.slice(0, end)} + …` : `${text.slice(0, width - 1)}…`;
}
