// Proves shape inference, and the bytes of costs: what they say of the ONNX node tests against the outputs stored there.
//   npm run conformance:infer -- FOLDER... [--filter TEXT] [--verbose]
import path from 'node:path';
import { parseArgs } from 'node:util';
import { formatTable } from '../src/cli/table.js';
import { findCases } from './conformance/cases.js';
import { compareCost } from './conformance/cost_case.js';
import { dataDependent } from './conformance/data_dependent.js';
import { inferCase, type Unknown } from './conformance/infer_case.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { filter: { type: 'string' }, verbose: { type: 'boolean' } },
});

/** Of the dimensions that no data decides, so many must be exact. */
const requiredShare = 0.99;

const failures: string[] = [];
const byReason = new Map<string, { dims: number; cases: Set<string> }>();
const totals = { cases: 0, priced: 0, complete: 0, dims: 0, known: 0, ofData: 0, unexplained: 0 };

for (const { name, model, group } of positionals.flatMap((folder) => findCases(path.resolve(folder)))) {
  if (group !== 'node tests' || (values.filter !== undefined && !name.includes(values.filter))) continue;
  const { wrong, unknown, dims, known } = inferCase(path.dirname(model));
  failures.push(...wrong.map((text) => `${name}: ${text}`));
  totals.cases += 1;
  const cost = compareCost(path.dirname(model));
  if (cost !== undefined) totals.priced += 1;
  if (cost?.wrong !== undefined) failures.push(`${name}: ${cost.wrong}`);
  totals.complete += wrong.length === 0 && unknown.length === 0 ? 1 : 0;
  totals.dims += dims;
  totals.known += known;
  for (const each of unknown) countUnknown(name, each);
}

function countUnknown(name: string, { output, part, reason }: Unknown): void {
  const isOfInputs = reason === 'values of inputs';
  const isOfData = isOfInputs || reason.every((operator) => Object.hasOwn(dataDependent, operator));
  const text = isOfInputs
    ? 'values of inputs: known once they are'
    : reason.map((operator) => `${operator}: ${dataDependent[operator] ?? 'NOT EXPLAINED'}`).join('; ');
  const entry = byReason.get(`${part}\t${text}`) ?? { dims: 0, cases: new Set() };
  entry.dims += 1;
  entry.cases.add(name);
  byReason.set(`${part}\t${text}`, entry);
  if (part === 'dimension') totals[isOfData ? 'ofData' : 'unexplained'] += 1;
  if (!isOfData && part !== 'dimension') failures.push(`${name}: ${part} of ${output} is unknown`);
  if (values.verbose) console.log(`unknown ${name}: ${part} of ${output}, ${text}`);
}

const settled = totals.known + totals.unexplained;
const share = settled === 0 ? 0 : totals.known / settled;
console.log(
  `${totals.cases} node tests, ${totals.complete} known whole; ${totals.known} of ${totals.dims} dimensions known,\n` +
    `${(share * 100).toFixed(2)} % of those that no data decides; bytes written compared in ${totals.priced}; ${failures.length} wrong or missing\n`,
);
const rows = [...byReason]
  .sort((a, b) => b[1].dims - a[1].dims)
  .map(([key, { dims, cases }]) => [...key.split('\t'), String(dims), String(cases.size)]);
if (rows.length > 0) console.log(formatTable([['unknown', 'because of', 'count', 'tests'], ...rows]));
for (const failure of failures) console.log(`FAILED ${failure}`);
if (totals.cases === 0) console.log('NOT RUN: no node tests were given');
else if (share < requiredShare) console.log(`FAILED less than ${requiredShare * 100} % of the dimensions are exact`);
process.exitCode = failures.length > 0 || (totals.cases > 0 && share < requiredShare) ? 1 : 0;
