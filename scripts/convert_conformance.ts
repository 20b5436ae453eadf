// Converts every model of a folder of ONNX node tests up to the newest opset that ONNX Runtime loads, down to each
// older one, and from there up again, and compares what they compute there, graph optimizations off. Each model is
// taken as it comes, and with all inputs behind the first made constant, as axes and sizes mostly are.
//   npm run conformance:convert -- FOLDER [--filter TEXT] [--targets 13,17] [--verbose]
import fs from 'node:fs';
import { parseArgs } from 'node:util';
import { ortRunner } from '../src/backends/ort/run.js';
import { findTarget } from '../src/backends/target.js';
import { formatTable } from '../src/cli/table.js';
import { ErrorAccumulator } from '../src/evaluate/output_error.js';
import { toleranceViolation } from '../src/evaluate/tolerance.js';
import { cloneModel } from '../src/ir/clone.js';
import { DiagnosticError } from '../src/ir/diagnostic.js';
import { Editor } from '../src/ir/editor.js';
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
const counts = {
  up: new Map<Outcome, number>(),
  down: new Map<Outcome, number>(),
  'down and up': new Map<Outcome, number>(),
};
const reasons = new Map<string, Set<string>>();
const failures: string[] = [];
const skipped = new Map<string, number>();
const countIn = <K>(map: Map<K, number>, key: K) => map.set(key, (map.get(key) ?? 0) + 1);

for (const test of positionals.flatMap((folder) => findCases(folder))) {
  if (values.filter !== undefined && !test.name.includes(values.filter)) continue;
  if (!Array.isArray(test.inputs)) countIn(skipped, 'its data are no tensors');
  else for (const variant of variants(test, test.inputs)) await check(variant);
}
report();

type Variant = { readonly name: string; readonly model: Model; readonly feeds: readonly Results[] };

function* variants(test: Case, sets: readonly (readonly Tensor[])[]): Generator<Variant> {
  const bytes = fs.readFileSync(test.model);
  const model = decodeModel(bytes);
  const { inputs } = model.graph;
  const feeds = sets.map((set) => new Map(set.map((tensor, index) => [inputs[index]!.name, tensor])));
  yield { name: test.name, model, feeds };
  const [first, ...rest] = sets[0] ?? [];
  if (first === undefined || rest.length === 0) return;
  const fixed = decodeModel(bytes);
  const editor = new Editor(fixed);
  editor.setModelProperties({ irVersion: Math.max(4, fixed.irVersion) });
  for (const [index, input] of [...fixed.graph.inputs].slice(1).entries()) {
    const tensor = rest[index];
    if (tensor === undefined) continue;
    editor.setInitializer(input, tensor);
    editor.inputToInitializer(input);
  }
  yield { name: `${test.name}, constant`, model: fixed, feeds: [new Map([[inputs[0]!.name, first]])] };
}

async function check(test: Variant): Promise<void> {
  const { model } = test;
  const from = model.opsetImports.get('') ?? model.opsetImports.get('ai.onnx');
  const reference = from === undefined ? 'has no default domain' : await runOriginal(test);
  if (from === undefined || typeof reference === 'string') {
    countIn(skipped, typeof reference === 'string' ? reference : 'has no default domain');
    return;
  }
  const top = Math.max(...targets);
  for (const target of targets) {
    // Up, one conversion takes every step; down, each version is a place to stop.
    if (target === from || (target > from && target !== top)) continue;
    const converted = await convertAndCompare(test, model, target, reference);
    record(target > from ? 'up' : 'down', `${test.name} ${from} → ${target}`, converted);
    if (target > from || converted.model === undefined) continue;
    const back = await convertAndCompare(test, converted.model, top, reference);
    record('down and up', `${test.name} ${from} → ${target} → ${top}`, back);
  }
}

type Conversion = { readonly outcome: Outcome; readonly text: string; readonly model?: Model };

function record(direction: keyof typeof counts, name: string, { outcome, text }: Conversion): void {
  countIn(counts[direction], outcome);
  if (outcome === 'differs') failures.push(`${name}: ${text}`);
  if (outcome === 'refused') note(`${direction}  ${text}`, name.split(/[ ,]/)[0]!);
  if (values.verbose && outcome !== 'same') console.log(`${outcome}: ${name}: ${text}`);
}

/** What the model as it came computes; or why that tells nothing. */
async function runOriginal({ model, feeds }: Variant): Promise<readonly Results[] | string> {
  try {
    const first = await run(model, feeds);
    const second = await run(model, feeds);
    const isStable = first.every((results, index) => difference(results, second[index]!) === undefined);
    return isStable ? first : 'is random';
  } catch (error) {
    if (error instanceof DiagnosticError) return 'ONNX Runtime does not run it as it came';
    throw error;
  }
}

async function run(model: Model, feeds: readonly Results[]): Promise<Results[]> {
  const session = await ortRunner()(model, { optimize: false });
  try {
    const results: Results[] = [];
    for (const each of feeds) results.push(await session.run(each));
    return results;
  } finally {
    await session.close();
  }
}

async function convertAndCompare(
  { feeds }: Variant,
  model: Model,
  target: number,
  reference: readonly Results[],
): Promise<Conversion> {
  const before = encodeModel(model);
  const [obstacle] = opsetObstacles(model, target);
  if (Buffer.compare(before, encodeModel(model)) !== 0) return { outcome: 'differs', text: 'the original was changed' };
  if (obstacle !== undefined) {
    return { outcome: 'refused', text: `${obstacle.node.opType} ${obstacle.version ?? ''}: ${obstacle.reason}` };
  }
  const copy = cloneModel(model);
  await runPipeline(copy, [{ pass: convertOpset(target), reason: 'test' }], {
    target: findTarget('ort-cpu'),
    verifyTypes: true,
  });
  const converted = decodeModel(encodeModel(copy));
  try {
    const results = await run(converted, feeds);
    const [found] = reference.flatMap((expected, index) => difference(expected, results[index]!) ?? []);
    return { outcome: found === undefined ? 'same' : 'differs', text: found ?? '', model: converted };
  } catch (error) {
    if (!(error instanceof DiagnosticError)) throw error;
    const text = error.diagnostic.message;
    const hasKernel = !/NOT_IMPLEMENTED|Could not find an implementation/.test(text);
    return { outcome: hasKernel ? 'differs' : 'no kernel', text, model: converted };
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
