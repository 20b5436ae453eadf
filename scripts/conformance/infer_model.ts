import fs from 'node:fs';
import path from 'node:path';
import { isCarried } from '../../src/backends/ort/runtime_tensor.js';
import { openSession } from '../../src/backends/ort/session.js';
import { samplesThatRun } from '../../src/evaluate/check_samples.js';
import { subgraphs } from '../../src/ir/attribute.js';
import { symbol, symbolsOf } from '../../src/ir/dim.js';
import { Editor } from '../../src/ir/editor.js';
import type { Model, Value } from '../../src/ir/graph.js';
import { decodeModel } from '../../src/ir/onnx/decode.js';
import { Inference } from '../../src/ir/ops/inference/inference.js';
import type { Tensor } from '../../src/ir/tensor.js';
import { modelGraphs } from '../../src/ir/traversal.js';
import { formatType, tensorType } from '../../src/ir/value_type.js';
import { fits } from './draw_case.js';
import { exposeValues, isAbsent } from './exposed_values.js';
import { dropDeclaredTypes } from './infer_case.js';
import { isKnown, unknownRoots } from './unknown_roots.js';

export type ModelVerdict = {
  /** Intermediates that were computed, and inputs they were computed for: sizes differ where the model leaves them open. */
  readonly values: number;
  readonly runs: number;
  readonly wrong: readonly string[];
  /** Values of which not even the rank is known, where sizes are numbers either. */
  readonly open: number;
  readonly dims: number;
  readonly known: number;
  /**
   * Unknown because an If takes the one branch or the other as its inputs are sized: known once sizes are numbers.
   */
  readonly ofBranch: number;
  /** The other unknowns by the operators at which they begin. */
  readonly roots: ReadonlyMap<string, number>;
};

type Feeds = ReadonlyMap<string, Tensor>;

/**
 * Infers a model, with every declared type but those of the inputs taken out, and compares every intermediate that ONNX
 * Runtime computes without optimizations: of the main graph, and of the branches of If that are taken. A string says why
 * the model does not run.
 */
export async function inferModel(file: string): Promise<ModelVerdict | string> {
  const folder = path.dirname(path.resolve(file));
  const bytes = fs.readFileSync(file);
  const feeds = await feedsOf(decodeModel(bytes, { folder }), file);
  if (typeof feeds === 'string') return feeds;
  const model = decodeModel(bytes, { folder });
  dropDeclaredTypes(model);
  nameOpenDims(model);
  const inference = new Inference(model);
  inference.inferAll();
  const sized = inferSized(decodeModel(bytes, { folder }), feeds[0]!);
  const exposed = exposeValues(bytes, inference, (value) => isFetched(value, inference));
  const results = await runAll(exposed.bytes, feeds, [...exposed.values.keys()]);
  return compareAll(inference, sized, exposed.values, feeds, results);
}

/** What of this type the binding cannot hand over is left out. */
function isFetched(value: Value, inference: Inference): boolean {
  const type = inference.typeOf(value);
  return type === undefined || (type.kind === 'tensor' && type.dtype !== undefined && isCarried(type.dtype));
}

/** Two inputs of different sizes, where the model has open ones. */
async function feedsOf(model: Model, file: string): Promise<readonly Feeds[] | string> {
  const session = await openSession({ path: file });
  try {
    const { source, reason } = await samplesThatRun(model.graph, session);
    const bySizes = new Map<string, Feeds>();
    for await (const { feeds } of source?.samples() ?? []) {
      const sizes = [...feeds.values()].map(({ dims }) => String(dims)).join(' ');
      if (!bySizes.has(sizes) && bySizes.size < 2) bySizes.set(sizes, feeds);
    }
    return bySizes.size > 0 ? [...bySizes.values()] : (reason ?? 'no input could be made');
  } finally {
    await session.close();
  }
}

/** An open size of an input is a symbol of its own, named as sizes are bound: `input[axis]`. */
function nameOpenDims(model: Model): void {
  const editor = new Editor(model);
  for (const input of model.graph.inputs) {
    const { type } = input;
    if (type?.kind !== 'tensor' || type.shape === undefined || input.initializer !== null) continue;
    const shape = type.shape.map((dim, axis) => dim ?? symbol(`${input.name}[${axis}]`));
    editor.setType(input, tensorType(type.dtype, shape));
  }
}

/** What is known of each value once the inputs have these sizes. */
function inferSized(model: Model, feeds: Feeds): ReadonlyMap<string, boolean> {
  dropDeclaredTypes(model);
  const editor = new Editor(model);
  for (const input of model.graph.inputs) {
    const fed = feeds.get(input.name);
    if (fed !== undefined) editor.setType(input, tensorType(fed.dtype, fed.dims));
  }
  const inference = new Inference(model);
  inference.inferAll();
  return new Map(
    [...modelGraphs(model)].flatMap(({ values }) =>
      [...values.values()].map((value) => [placeOf(value), isKnown(inference.typeOf(value), 'dimension')] as const),
    ),
  );
}

/** The same for the same value of another copy of the model. */
function placeOf({ name, graph }: Value): string {
  const { owner } = graph;
  if (owner === null) return name;
  const first = owner.outputs.find((output) => output !== null);
  return `${first === undefined || first === null ? '' : placeOf(first)} > ${subgraphs(owner).indexOf(graph)} > ${name}`;
}

async function runAll(
  bytes: Uint8Array,
  feeds: readonly Feeds[],
  wanted: readonly string[],
): Promise<readonly Feeds[]> {
  const session = await openSession({ bytes }, { optimization: 'disabled' });
  try {
    const results: Feeds[] = [];
    for (const each of feeds) results.push(await session.run(each, wanted));
    return results;
  } finally {
    await session.close();
  }
}

function compareAll(
  inference: Inference,
  sized: ReadonlyMap<string, boolean>,
  values: ReadonlyMap<string, Value>,
  feeds: readonly Feeds[],
  results: readonly Feeds[],
): ModelVerdict {
  const wrong = inference.diagnostics.map(({ code, message }) => `${code}: ${message}`);
  const seen = new Map<string, readonly number[]>();
  for (const [run, result] of results.entries()) {
    const bound = bindingsOf(inference.model, feeds[run]!);
    for (const [name, tensor] of result) {
      if (isAbsent(tensor.dims)) continue;
      seen.set(name, tensor.dims);
      const type = inference.typeOf(values.get(name)!);
      if (!fits(type, tensor, bound)) {
        wrong.push(`${name}: inferred ${formatType(type)}, is ${tensor.dtype}[${tensor.dims}]`);
      }
    }
  }
  const roots = new Map<string, number>();
  let [open, dims, known, ofBranch] = [0, 0, 0, 0];
  for (const [name, actual] of seen) {
    const value = values.get(name)!;
    const type = inference.typeOf(value);
    const shape = type?.kind === 'tensor' ? type.shape : undefined;
    const unknown = actual.length - (shape?.filter((dim) => dim !== undefined).length ?? 0);
    dims += actual.length;
    known += actual.length - unknown;
    if (shape === undefined && sized.get(placeOf(value)) !== true) open += 1;
    if (unknown === 0) continue;
    const from = unknownRoots(inference, value, 'dimension');
    const isOfBranch = from.every((root) => root === 'If') && sized.get(placeOf(value)) === true;
    if (isOfBranch) ofBranch += unknown;
    else for (const root of from) roots.set(root, (roots.get(root) ?? 0) + unknown);
  }
  return { values: seen.size, runs: results.length, wrong: [...new Set(wrong)], open, dims, known, ofBranch, roots };
}

function bindingsOf({ graph }: Model, feeds: Feeds): ReadonlyMap<string, number> {
  const bound = new Map<string, number>();
  for (const { name, type } of graph.inputs) {
    const dims = feeds.get(name)?.dims;
    if (type?.kind !== 'tensor' || dims === undefined) continue;
    for (const [axis, dim] of (type.shape ?? []).entries()) {
      const symbols = dim === undefined ? [] : [...symbolsOf(dim)];
      if (symbols.length === 1) bound.set(symbols[0]!, dims[axis]!);
    }
  }
  return bound;
}
