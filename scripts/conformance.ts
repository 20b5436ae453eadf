// Runs a folder of models (by default the models of the development dependencies) through the codec and through
// `optimize`, and compares with the originals in ONNX Runtime.
//   npm run conformance -- FOLDER... [--no-optimize] [--filter TEXT] [--verbose]
import path from 'node:path';
import { parseArgs } from 'node:util';
import { findTarget, targets } from '../src/backends/target.js';
import { formatTable } from '../src/cli/table.js';
import { type Case, findCases } from './conformance/cases.js';
import { checkCase, type Verdict } from './conformance/check_case.js';
import { packagesWithModels } from './conformance/packages_with_models.js';
import { type Restoration, restoration, restorationText } from './conformance/restoration.js';

const repository = path.resolve(import.meta.dirname, '..');

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    'no-optimize': { type: 'boolean' },
    filter: { type: 'string' },
    verbose: { type: 'boolean' },
  },
});

const cases: Case[] = [
  ...positionals.flatMap((folder) =>
    findCases(path.resolve(folder)).map((each) => ({ ...each, group: groupOf(each, folder) })),
  ),
  ...packagesWithModels.flatMap((name) =>
    findCases(path.join(repository, 'node_modules', name)).map((each) => ({ ...each, group: 'npm models' })),
  ),
  ...findCases(path.join(repository, 'fixtures')).map((each) => ({ ...each, group: 'fixtures' })),
].filter(({ name }) => values.filter === undefined || name.includes(values.filter));

function groupOf({ group }: Case, folder: string): string {
  return group === 'node tests' ? group : path.basename(folder);
}

/** Node tests are small enough for every target. */
const targetsOf = ({ group }: Case) => (group === 'node tests' ? targets : [findTarget('ort-cpu')]);

const restorations: Restoration[] = [];

type Counts = { same: number; unsupported: number; differs: number };
const counts = new Map<string, Counts>();
const failures: string[] = [];
const reasons = new Map<string, number>();

function count(step: string, test: Case, verdict: Verdict): void {
  const key = `${test.group}\t${step}`;
  const entry = counts.get(key) ?? { same: 0, unsupported: 0, differs: 0 };
  entry[verdict.status] += 1;
  counts.set(key, entry);
  if (verdict.status === 'differs') failures.push(`${test.name} (${step}): ${verdict.reason}`);
  if (verdict.status === 'unsupported' && step === 'round trip') {
    const reason = verdict.reason.replace(/'[^']*'|"[^"]*"|\([^()]*\)/g, '…').slice(0, 100);
    reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
    if (values.verbose) console.log(`unsupported ${test.name}: ${verdict.reason}`);
  }
}

for (const test of cases) {
  try {
    const { roundTrip, optimized } = await checkCase(test, values['no-optimize'] ? [] : targetsOf(test));
    count('round trip', test, roundTrip);
    for (const [target, verdict] of optimized) count(`for ${target}`, test, verdict);
    if (!values['no-optimize']) restorations.push(...(await restoration(test)));
  } catch (error) {
    count('round trip', test, {
      status: 'differs',
      reason: error instanceof Error ? (error.stack ?? '') : String(error),
    });
  }
}

const rows = [...counts].map(([key, { same, unsupported, differs }]) => [
  ...key.split('\t'),
  String(same + unsupported + differs),
  String(same),
  String(unsupported),
  String(differs),
]);
console.log(formatTable([['models', 'step', 'all', 'ran, same', 'unsupported by the runtime', 'differs'], ...rows]));
if (reasons.size > 0) {
  const sorted = [...reasons].sort((a, b) => b[1] - a[1]);
  console.log(
    `\nwhat the runtime says of models it does not run as they came:\n${sorted.map(([r, n]) => `${String(n).padStart(5)}  ${r}`).join('\n')}`,
  );
}
if (restorations.length > 0) console.log(`\n${restorationText(restorations)}`);
for (const failure of failures) console.log(`FAILED ${failure}`);
process.exitCode = failures.length > 0 || cases.length === 0 ? 1 : 0;
