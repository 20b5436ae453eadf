import path from 'node:path';
import { formatTable } from '../../src/cli/table.js';
import { compareCost } from './cost_case.js';
import { dataDependent } from './data_dependent.js';
import { inferCase, type Unknown } from './infer_case.js';

/** Of the dimensions that no data decides, so many must be exact. */
export const requiredShare = 0.99;

type Tally = {
  readonly byReason: Map<string, { dims: number; readonly cases: Set<string> }>;
  readonly failures: string[];
  cases: number;
  /** In how many the bytes that nodes write were compared. */
  priced: number;
  complete: number;
  dims: number;
  known: number;
  unexplained: number;
};

/** Compares what is inferred of node tests, and the bytes of their costs, with their stored outputs, prints what stays unknown, and gives what failed. */
export function reportStored(folders: readonly string[], verbose: boolean): string[] {
  const tally: Tally = {
    byReason: new Map(),
    failures: [],
    cases: 0,
    priced: 0,
    complete: 0,
    dims: 0,
    known: 0,
    unexplained: 0,
  };
  for (const folder of folders) {
    const name = path.basename(folder);
    const { wrong, unknown, dims, known } = inferCase(folder);
    tally.failures.push(...wrong.map((text) => `${name}: ${text}`));
    tally.cases += 1;
    const cost = compareCost(folder);
    if (cost !== undefined) tally.priced += 1;
    if (cost?.wrong !== undefined) tally.failures.push(`${name}: ${cost.wrong}`);
    tally.complete += wrong.length === 0 && unknown.length === 0 ? 1 : 0;
    tally.dims += dims;
    tally.known += known;
    for (const each of unknown) countUnknown(tally, name, each, verbose);
  }
  return printTally(tally);
}

function countUnknown(tally: Tally, name: string, { output, part, reason }: Unknown, verbose: boolean): void {
  const isOfInputs = reason === 'values of inputs';
  const isOfData = isOfInputs || reason.every((operator) => Object.hasOwn(dataDependent, operator));
  const text = isOfInputs
    ? 'values of inputs: known once they are'
    : reason.map((operator) => `${operator}: ${dataDependent[operator] ?? 'NOT EXPLAINED'}`).join('; ');
  const key = `${part}\t${text}`;
  const entry = tally.byReason.get(key) ?? { dims: 0, cases: new Set() };
  entry.dims += 1;
  entry.cases.add(name);
  tally.byReason.set(key, entry);
  if (!isOfData && part === 'dimension') tally.unexplained += 1;
  if (!isOfData && part !== 'dimension') tally.failures.push(`${name}: ${part} of ${output} is unknown`);
  if (verbose) console.log(`unknown ${name}: ${part} of ${output}, ${text}`);
}

function printTally({ byReason, failures, cases, priced, complete, dims, known, unexplained }: Tally): string[] {
  const share = known / Math.max(1, known + unexplained);
  console.log(
    `stored outputs: ${cases} node tests, ${complete} known whole; ${known} of ${dims} dimensions known, ` +
      `${(share * 100).toFixed(2)} % of those that no data decides; bytes written compared in ${priced}; ${failures.length} wrong or missing`,
  );
  const rows = [...byReason]
    .sort((a, b) => b[1].dims - a[1].dims)
    .map(([key, entry]) => [...key.split('\t'), String(entry.dims), String(entry.cases.size)]);
  if (rows.length > 0) console.log(formatTable([['unknown', 'because of', 'count', 'tests'], ...rows]));
  const shortfall = `${(share * 100).toFixed(2)} % of the dimensions are exact, ${requiredShare * 100} % must be`;
  return share < requiredShare ? [...failures, shortfall] : failures;
}
