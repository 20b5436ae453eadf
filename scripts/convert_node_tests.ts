// Converts every model of a folder of ONNX node tests up to the newest opset that ONNX Runtime loads and down to each
// older one, and compares what both compute there, graph optimizations off.
//   npx jiti scripts/convert_node_tests.ts FOLDER [--filter TEXT] [--targets 13,17] [--verbose]
import fs from 'node:fs';
import { parseArgs } from 'node:util';
import { ortRunner } from '../src/backends/ort/run.js';
import { findTarget } from '../src/backends/target.js';
import { formatTable } from '../src/cli/table.js';
import { ErrorAccumulator } from '../src/evaluate/output_error.js';
import { toleranceViolation } from '../src/evaluate/tolerance.js';
import { cloneModel } from '../src/ir/clone.js';
import { DiagnosticError } from '../src/ir/diagnostic.js';
import type { Model } from '../src/ir/graph.js';
import { decodeModel } from '../src/ir/onnx/decode.js';
import { encodeModel } from '../src/ir/onnx/encode.js';
import type { Tensor } from '../src/ir/tensor.js';
import { convertOpset, oldestTargetOpset, opsetObstacles } from '../src/passes/legalize/convert_opset.js';
import { runPipeline } from '../src/passes/pipeline.js';
import { type Case, findCases } from './conformance/cases.js';

/** The newest opset that ONNX Runtime 1.30 loads. */
const newest = 26;

/** Kernels of two versions may round differently. */
const tolerance = { absolute: 1e-6, relative: 1e-5, discrete: 0 };
const halfTolerance = { absolute: 1e-3, relative: 1e-3, discrete: 0 };

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { filter: { type: 'string' }, targets: { type: 'string' }, verbose: { type: 'boolean' } },
});

type Results = ReadonlyMap<string, Tensor>;
type Outcome = 'same' | 'refused' | 'no kernel' | 'differs';

const targets =
  values.targets?.split(',').map(Number) ??
  Array.from({ length: newest - oldestTargetOpset + 1 }, (_, index) => oldestTargetOpset + index);
const counts = { up: new Map<Outcome, number>(), down: new Map<Outcome, number>() };
const reasons = new Map<string, Set<string>>();
const failures: string[] = [];
const skipped = new Map<string, number>();
const countIn = <K>(map: Map<K, number>, key: K) => map.set(key, (map.get(key) ?? 0) + 1);

for (const test of positionals.flatMap((folder) => findCases(folder))) {
  if (values.filter === undefined || test.name.includes(values.filter)) await check(test);
}
report();

async function check(test: Case): Promise<void> {
  const model = decodeModel(fs.readFileSync(test.model));
  const from = model.opsetImports.get('') ?? model.opsetImports.get('ai.onnx');
  const reference = from === undefined ? 'has no default domain' : await runOriginal(test, model);
  if (from === undefined || typeof reference === 'string') {
    countIn(skipped, typeof reference === 'string' ? reference : 'has no default domain');
    return;
  }
  for (const target of targets) {
    const isUp = target > from;
    // Up, one conversion takes every step; down, each version is a place to stop.
    if (target === from || (isUp && target !== Math.max(...targets))) continue;
    const { outcome, text } = await convertAndCompare(test, model, target, reference);
    countIn(isUp ? counts.up : counts.down, outcome);
    if (outcome === 'differs') failures.push(`${test.name} ${from} → ${target}: ${text}`);
    if (outcome === 'refused') note(text, test.name);
    if (values.verbose && outcome !== 'same') console.log(`${outcome}: ${test.name} ${from} → ${target}: ${text}`);
  }
}

/** What the model as it came computes; or why that tells nothing. */
async function runOriginal(test: Case, model: Model): Promise<readonly Results[] | string> {
  if (!Array.isArray(test.inputs)) return 'its data are no tensors';
  try {
    const first = await run(model, test.inputs);
    const second = await run(model, test.inputs);
    const isStable = first.every((results, index) => difference(results, second[index]!) === undefined);
    return isStable ? first : 'is random';
  } catch (error) {
    if (error instanceof DiagnosticError) return 'ONNX Runtime does not run it as it came';
    throw error;
  }
}

async function run(model: Model, sets: readonly (readonly Tensor[])[]): Promise<Results[]> {
  const session = await ortRunner()(model, { optimize: false });
  try {
    const results: Results[] = [];
    for (const set of sets) {
      results.push(await session.run(new Map(set.map((tensor, i) => [model.graph.inputs[i]!.name, tensor]))));
    }
    return results;
  } finally {
    await session.close();
  }
}

async function convertAndCompare(
  test: Case,
  model: Model,
  target: number,
  reference: readonly Results[],
): Promise<{ outcome: Outcome; text: string }> {
  const [obstacle] = opsetObstacles(model, target);
  if (obstacle !== undefined) {
    return { outcome: 'refused', text: `${obstacle.node.opType} ${obstacle.version}: ${obstacle.reason}` };
  }
  const copy = cloneModel(model);
  const before = encodeModel(model);
  await runPipeline(copy, [{ pass: convertOpset(target), reason: 'test' }], {
    target: findTarget('ort-cpu'),
    verifyTypes: true,
  });
  if (Buffer.compare(before, encodeModel(model)) !== 0) return { outcome: 'differs', text: 'the original was changed' };
  try {
    const results = await run(decodeModel(encodeModel(copy)), test.inputs as readonly (readonly Tensor[])[]);
    const found = reference.flatMap((expected, index) => difference(expected, results[index]!) ?? []);
    return found[0] === undefined ? { outcome: 'same', text: '' } : { outcome: 'differs', text: found[0] };
  } catch (error) {
    if (!(error instanceof DiagnosticError)) throw error;
    const text = error.diagnostic.message;
    return { outcome: /NOT_IMPLEMENTED|Could not find an implementation/.test(text) ? 'no kernel' : 'differs', text };
  }
}

function difference(expected: Results, actual: Results): string | undefined {
  for (const [name, tensor] of expected) {
    const other = actual.get(name);
    const [was, is] = [tensor, other].map((each) => each && `${each.dtype}[${each.dims}]`);
    if (other === undefined || was !== is) return `output "${name}" is ${is}, was ${was}`;
    const errors = new ErrorAccumulator();
    errors.add(tensor, other);
    const violation = toleranceViolation(errors.result(), tensor.dtype === 'float16' ? halfTolerance : tolerance);
    if (violation !== undefined) return `output "${name}": ${violation}`;
  }
  return undefined;
}

function note(reason: string, name: string): void {
  const text = reason.replace(/"[^"]*"/g, '…');
  reasons.set(text, (reasons.get(text) ?? new Set()).add(name));
}

function report(): void {
  const outcomes = ['same', 'refused', 'no kernel', 'differs'] as const;
  const rows = Object.entries(counts).map(([direction, of]) => [
    direction,
    ...outcomes.map((outcome) => String(of.get(outcome) ?? 0)),
  ]);
  console.log(formatTable([['', ...outcomes], ...rows]));
  console.log(`\n${formatTable([['skipped', 'models'], ...[...skipped].map(([text, n]) => [text, String(n)])])}`);
  const sorted = [...reasons].sort(([a], [b]) => a.localeCompare(b));
  console.log(`\n${formatTable([['refused', 'models'], ...sorted.map(([text, { size }]) => [text, String(size)])])}`);
  for (const failure of failures) console.log(`differs: ${failure}`);
  if (failures.length > 0) process.exitCode = 1;
}
