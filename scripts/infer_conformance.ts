// Proves shape inference, and the bytes of costs, against the outputs stored with the ONNX node tests; and inference for
// the same tests with drawn input sizes, and for every intermediate of whole models, against ONNX Runtime.
//   npm run conformance:infer -- FOLDER... [--filter TEXT] [--only stored|draws|models] [--verbose]
//     [--seed 1] [--symbolizations 2] [--bindings 4]
import path from 'node:path';
import { parseArgs } from 'node:util';
import { findCases } from './conformance/cases.js';
import { reportDraws } from './conformance/draw_report.js';
import { reportModels } from './conformance/model_report.js';
import { packagesWithModels } from './conformance/packages_with_models.js';
import { reportStored } from './conformance/stored_report.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    filter: { type: 'string' },
    only: { type: 'string' },
    verbose: { type: 'boolean', default: false },
    seed: { type: 'string', default: '1' },
    symbolizations: { type: 'string', default: '2' },
    bindings: { type: 'string', default: '4' },
  },
});

const repository = path.resolve(import.meta.dirname, '..');
const found = [
  ...positionals.map((folder) => path.resolve(folder)),
  ...packagesWithModels.map((name) => path.join(repository, 'node_modules', name)),
  path.join(repository, 'fixtures'),
]
  .flatMap((folder) => findCases(folder))
  .filter(({ name }) => values.filter === undefined || name.includes(values.filter));
const tests = found.filter(({ group }) => group === 'node tests').map(({ model }) => path.dirname(model));
const models = found.filter(({ group }) => group !== 'node tests').map(({ model }) => model);

const isAsked = (part: string) => values.only === undefined || values.only === part;
const failures: string[] = [];
if (tests.length === 0) console.log('NOT RUN: no node tests were given');
if (tests.length > 0 && isAsked('stored')) failures.push(...reportStored(tests, values.verbose));
if (tests.length > 0 && isAsked('draws')) {
  const { seed, symbolizations, bindings, verbose } = values;
  const options = { seed: Number(seed), symbolizations: Number(symbolizations), bindings: Number(bindings) };
  failures.push(...(await reportDraws(tests, options, verbose)));
}
if (isAsked('models')) failures.push(...(await reportModels(models)));
for (const failure of failures) console.log(`FAILED ${failure}`);
process.exitCode = failures.length > 0 || found.length === 0 ? 1 : 0;
