// Everything this project promises about speed and memory, measured as ratios within one run.
//   npm run bench [-- --smoke] [-- --only NAME] [-- --json FILE] [-- --peers FOLDER] [-- --models FOLDER]...
import fs from 'node:fs';
import os from 'node:os';
import { parseArgs } from 'node:util';
import { hostCpu } from '../src/backends/ort/host.js';
import { formatTable } from '../src/cli/table.js';
import { accuracyBench } from './accuracy.js';
import { calibrationBench } from './calibration.js';
import { commandBench } from './command.js';
import { externalDataBench } from './external_data.js';
import { floatRewritesBench } from './float_rewrites.js';
import { halfBench } from './half_conversion.js';
import { inferenceBench } from './inference.js';
import { int8Bench } from './int8.js';
import type { Bench, Measurement } from './measurement.js';
import { precisionBench } from './precision.js';
import { simplifyBench } from './simplify.js';
import { weightOnlyBench } from './weight_only.js';

const benches: readonly Bench[] = [
  int8Bench,
  floatRewritesBench,
  accuracyBench,
  calibrationBench,
  externalDataBench,
  commandBench,
  inferenceBench,
  simplifyBench,
  weightOnlyBench,
  halfBench,
  precisionBench,
];

const { values } = parseArgs({
  options: {
    smoke: { type: 'boolean' },
    only: { type: 'string' },
    json: { type: 'string' },
    peers: { type: 'string' },
    models: { type: 'string', multiple: true },
    task: { type: 'string', multiple: true },
    calibrators: { type: 'boolean' },
    'write-samples': { type: 'string' },
  },
});

const cpu = hostCpu();
console.log(`${cpu.model}, ${cpu.cores} cores, ${cpu.kind}; Node ${process.version}, ${os.platform()} ${os.arch()}`);

const measurements: Measurement[] = [];
for (const bench of benches) {
  if (values.only !== undefined && values.only !== bench.name) continue;
  console.log(`\n${bench.name}: ${bench.summary}`);
  const made = await bench.run({
    smoke: values.smoke ?? false,
    ...(values.peers && { peers: values.peers }),
    ...(values.models && { models: values.models }),
    ...(values.task && { tasks: values.task }),
    ...(values.calibrators && { calibrators: true }),
    ...(values['write-samples'] && { writeSamples: values['write-samples'] }),
  });
  measurements.push(...made);
  const rows = made.map(({ what, value, unit, bar }) => [
    what,
    value.toFixed(value < 10 ? 3 : 1),
    unit,
    bar === undefined ? '' : `≤ ${bar}`,
    bar === undefined ? '' : value <= bar ? 'met' : 'MISSED',
  ]);
  console.log(formatTable([['', 'measured', 'unit', 'bar', ''], ...rows]));
}
if (values.json !== undefined) fs.writeFileSync(values.json, `${JSON.stringify(measurements, null, 2)}\n`);
