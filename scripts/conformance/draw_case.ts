import fs from 'node:fs';
import path from 'node:path';
import { isCarried } from '../../src/backends/ort/runtime_tensor.js';
import { type OrtSession, openSession } from '../../src/backends/ort/session.js';
import { dataTypeKind } from '../../src/ir/data_type.js';
import { DiagnosticError } from '../../src/ir/diagnostic.js';
import { type Dim, evaluate, symbol } from '../../src/ir/dim.js';
import { Editor } from '../../src/ir/editor.js';
import type { Model, Value } from '../../src/ir/graph.js';
import { decodeModel } from '../../src/ir/onnx/decode.js';
import { encodeModel } from '../../src/ir/onnx/encode.js';
import type { Content } from '../../src/ir/ops/inference/content.js';
import { Inference } from '../../src/ir/ops/inference/inference.js';
import { elementCount, type Tensor, tensorIntegers } from '../../src/ir/tensor.js';
import { modelGraphs } from '../../src/ir/traversal.js';
import { formatType, tensorType, type ValueType } from '../../src/ir/value_type.js';
import { dropDeclaredTypes } from './infer_case.js';
import { type Random, seededRandom, seedOf } from './random.js';
import { resizedTensor } from './resized_tensor.js';
import { runtimeDeparture } from './runtime_departures.js';
import { storedTensor } from './stored_value.js';

export type DrawOptions = {
  readonly seed: number;
  /** How often input sizes are replaced by other symbols. */
  readonly symbolizations: number;
  /** How often each of those is bound to numbers and run. */
  readonly bindings: number;
};

export type DrawCounts = {
  /** Draws that the runtime computed, and of which every output fitted what was inferred. */
  agreed: number;
  /** What the runtime did not load or did not compute: a size the operator does not take, or one it has no kernel for. */
  readonly refused: string[];
  /** Where the runtime departs from the standard, one reason each. */
  readonly departed: string[];
  readonly wrong: string[];
};

/** Inputs up to this size that shapes may be read from keep their stored values and size. */
const maxShapeElements = 16;
const maxElements = 20_000;

/**
 * Draws for one node test: numbers of its input sizes become symbols, outputs are inferred, symbols are bound to numbers,
 * and what ONNX Runtime computes for inputs of those sizes must have the shapes that the inferred expressions give.
 */
export async function drawCase(folder: string, options: DrawOptions): Promise<DrawCounts> {
  const random = seededRandom(seedOf(options.seed, path.basename(folder)));
  const counts: DrawCounts = { agreed: 0, refused: [], departed: [], wrong: [] };
  const sample = readSample(folder);
  if (sample === undefined) return counts;
  for (let index = 0; index < options.symbolizations; index += 1) {
    await drawBindings(folder, sample, random, options, counts);
  }
  return counts;
}

/** The stored inputs by position; undefined where one is no tensor or of a type that cannot be handed over. */
function readSample(folder: string): readonly Tensor[] | undefined {
  const { graph } = decodeModel(fs.readFileSync(path.join(folder, 'model.onnx')), { folder });
  const tensors: Tensor[] = [];
  for (const [index, { type, initializer }] of graph.inputs.entries()) {
    if (type?.kind !== 'tensor' || initializer !== null) return undefined;
    const tensor = storedTensor(path.join(folder, 'test_data_set_0'), 'input', index);
    if (tensor === undefined || !isCarried(tensor.dtype)) return undefined;
    tensors.push(tensor);
  }
  return graph.outputs.some(isFetched) ? tensors : undefined;
}

const isFetched = ({ type }: { readonly type: ValueType | undefined }): boolean =>
  type?.kind === 'tensor' && type.dtype !== undefined && isCarried(type.dtype);

/** An input that is fed: `shape` where its sizes are drawn, else as stored. */
type Fed = { readonly name: string; readonly stored: Tensor; readonly shape: readonly Dim[] | undefined };

/** A node test with symbols for sizes of its inputs. */
type Variant = {
  readonly inference: Inference;
  readonly bytes: Uint8Array;
  readonly fed: readonly Fed[];
  /** The number that each symbol stands for in the stored data. */
  readonly sizes: ReadonlyMap<string, number>;
  readonly wanted: readonly string[];
};

async function drawBindings(
  folder: string,
  sample: readonly Tensor[],
  random: Random,
  { bindings }: DrawOptions,
  counts: DrawCounts,
): Promise<void> {
  const variant = symbolize(folder, sample, random);
  const session = await openOrRefuse(variant.bytes);
  if (typeof session === 'string') {
    counts.refused.push(session);
    return;
  }
  try {
    for (let index = 0; index < bindings; index += 1) {
      const bound = new Map([...variant.sizes].map(([name, size]) => [name, drawnSize(size, random)]));
      const feeds = feedsOf(variant.fed, bound);
      if (feeds === undefined) continue;
      const results = await runOrRefuse(session, feeds, variant.wanted);
      if (typeof results === 'string') counts.refused.push(results);
      else countAgreement(variant, bound, feeds, results, counts);
    }
  } finally {
    await session.close();
  }
}

function symbolize(folder: string, sample: readonly Tensor[], random: Random): Variant {
  const model = decodeModel(fs.readFileSync(path.join(folder, 'model.onnx')), { folder });
  const editor = new Editor(model);
  const declaredOutputs = model.graph.outputs.map(({ type }) => type);
  const wanted = model.graph.outputs.filter(isFetched).map(({ name }) => name);
  dropDeclaredTypes(model);
  openSubgraphInputs(model, editor);
  const sizes = new Map<string, number>();
  const areShared = random.next() < 0.5;
  const areConstant = random.next() < 0.7;
  const kept = random.pick([0, 0.2, 0.5]);
  const dimOf = (size: number): Dim => {
    if (random.next() < kept) return size;
    const name = areShared ? `d${size}` : `s${sizes.size}`;
    sizes.set(name, size);
    return symbol(name);
  };
  const fed: Fed[] = [];
  const constants: Value[] = [];
  for (const [index, input] of model.graph.inputs.entries()) {
    const stored = sample[index]!;
    if (mayCarryShape(stored) && areConstant) {
      editor.setInitializer(input, stored);
      constants.push(input);
      continue;
    }
    const shape = mayCarryShape(stored) ? undefined : stored.dims.map(dimOf);
    editor.setType(input, tensorType(stored.dtype, shape ?? stored.dims));
    fed.push({ name: input.name, stored, shape });
  }
  for (const input of constants) editor.inputToInitializer(input);
  const inference = new Inference(model);
  inference.inferAll();
  for (const [index, slot] of model.graph.outputs.entries()) {
    const type = declaredOutputs[index];
    editor.setOutputType(slot, type?.kind === 'tensor' ? tensorType(type.dtype) : type);
  }
  return { inference, bytes: encodeModel(model), fed, sizes, wanted };
}

/** The sizes that a body declares for its inputs would not hold for other sizes of what comes in. */
function openSubgraphInputs(model: Model, editor: Editor): void {
  for (const { owner, inputs } of modelGraphs(model)) {
    for (const input of owner === null ? [] : inputs) {
      const { type } = input;
      if (type?.kind !== 'tensor') continue;
      editor.setType(
        input,
        tensorType(
          type.dtype,
          type.shape?.map(() => undefined),
        ),
      );
    }
  }
}

/** Axes, shapes, sizes and the like, whose values say what the operator does. */
const mayCarryShape = ({ dtype, dims }: Tensor): boolean =>
  dims.length < 2 &&
  elementCount(dims) <= maxShapeElements &&
  (dtype === 'bool' || dtype === 'string' || dataTypeKind(dtype) !== 'float' || elementCount(dims) === 1);

function drawnSize(original: number, random: Random): number {
  const kind = random.next();
  if (kind < 0.45) return original;
  if (kind < 0.52) return 0;
  if (kind < 0.65) return 1;
  return kind < 0.75 ? original * 2 : Math.floor(random.next() * 12);
}

function feedsOf(fed: readonly Fed[], bound: ReadonlyMap<string, number>): Map<string, Tensor> | undefined {
  const feeds = new Map<string, Tensor>();
  for (const { name, stored, shape } of fed) {
    const dims = shape?.map((dim) => Number(evaluate(dim, bound))) ?? stored.dims;
    const tensor = elementCount(dims) <= maxElements ? resizedTensor(stored, dims) : undefined;
    if (tensor === undefined) return undefined;
    feeds.set(name, tensor);
  }
  return feeds;
}

function countAgreement(
  { inference, wanted }: Variant,
  bound: ReadonlyMap<string, number>,
  feeds: ReadonlyMap<string, Tensor>,
  results: ReadonlyMap<string, Tensor>,
  counts: DrawCounts,
): void {
  const { graph } = inference.model;
  const sizes = [...bound].map(([name, size]) => `${name}=${size}`).join(' ');
  const wrong = inference.diagnostics.map(({ code, message }) => `${code}: ${message}, but it runs with ${sizes}`);
  const departed: string[] = [];
  for (const { name, value } of graph.outputs) {
    const result = results.get(name);
    const type = inference.typeOf(value);
    if (result !== undefined) wrong.push(...wrongElements(inference.contentOf(value), result, bound, name));
    if (!wanted.includes(name) || result === undefined || fits(type, result, bound)) continue;
    const inferred = type?.kind === 'tensor' && type.dtype === result.dtype ? type.shape : undefined;
    const departure =
      inferred && runtimeDeparture({ graph, feeds: feeds.values(), inferred, actual: result.dims, bound });
    if (departure !== undefined) departed.push(departure);
    else wrong.push(`${name}: inferred ${formatType(type)}, is ${result.dtype}[${result.dims}] with ${sizes}`);
  }
  if (wrong.length > 0) counts.wrong.push(...wrong);
  else if (departed.length > 0) counts.departed.push(...departed);
  else counts.agreed += 1;
}

/** What is known of the elements of an integer output, against what it holds. */
function wrongElements(
  known: Content | undefined,
  result: Tensor,
  bound: ReadonlyMap<string, number>,
  name: string,
): string[] {
  const integers = known && tensorIntegers(result);
  if (known === undefined || integers === undefined) return [];
  const expected = known.elements.map((element) => (element === undefined ? undefined : evaluate(element, bound)));
  const isSame =
    expected.length === integers.length &&
    expected.every((element, index) => element === undefined || BigInt(element) === integers[index]);
  return isSame ? [] : [`${name}: inferred elements ${expected.slice(0, 16)}, are ${integers.slice(0, 16)}`];
}

/** Whether a tensor is what was inferred, as far as that says anything. */
export function fits(
  type: ValueType | undefined,
  { dtype, dims }: Tensor,
  bound: ReadonlyMap<string, number>,
): boolean {
  if (type === undefined) return true;
  if (type.kind !== 'tensor' || (type.dtype !== undefined && type.dtype !== dtype)) return false;
  if (type.shape === undefined) return true;
  return (
    type.shape.length === dims.length &&
    type.shape.every((dim, axis) => dim === undefined || evaluate(dim, bound) === dims[axis])
  );
}

async function openOrRefuse(bytes: Uint8Array): Promise<OrtSession | string> {
  try {
    return await openSession({ bytes }, { optimization: 'disabled', intraOpThreads: 1 });
  } catch (error) {
    return refusal(error);
  }
}

async function runOrRefuse(
  session: OrtSession,
  feeds: ReadonlyMap<string, Tensor>,
  wanted: readonly string[],
): Promise<ReadonlyMap<string, Tensor> | string> {
  try {
    return await session.run(feeds, wanted);
  } catch (error) {
    return refusal(error);
  }
}

function refusal(error: unknown): string {
  if (error instanceof DiagnosticError) return error.diagnostic.message;
  throw error;
}
