import fs from 'node:fs';
import path from 'node:path';
import { evaluate, formatDim } from '../../src/ir/dim.js';
import { Editor } from '../../src/ir/editor.js';
import type { Model, Value } from '../../src/ir/graph.js';
import { decodeModel } from '../../src/ir/onnx/decode.js';
import { Inference } from '../../src/ir/ops/inference/inference.js';
import { elementCount } from '../../src/ir/tensor.js';
import { modelGraphs } from '../../src/ir/traversal.js';
import { formatType, type ValueType } from '../../src/ir/value_type.js';
import { type StoredValue, storedTensor, storedValue } from './stored_value.js';
import { type Part, unknownRoots } from './unknown_roots.js';

/** An element type, a rank or a dimension of an output that inference leaves open. */
export type Unknown = {
  readonly output: string;
  readonly part: Part;
  /** Why: the values of inputs decide; or the operators whose results nothing about their inputs explains. */
  readonly reason: 'values of inputs' | readonly string[];
};

export type InferVerdict = {
  readonly wrong: readonly string[];
  readonly unknown: readonly Unknown[];
  /** Dimensions of all stored outputs, and how many of them were inferred. */
  readonly dims: number;
  readonly known: number;
};

/** Inputs up to this size are made constant to find out what depends on their values. */
const maxConstantElements = 64;

/**
 * Infers a node test, with every declared type but those of the inputs taken out, and compares with the outputs stored
 * beside it. What stays unknown is looked for again with the stored values of small inputs known: what that settles
 * depends on data, and must fit the stored outputs as well.
 */
export function inferCase(folder: string): InferVerdict {
  const wrong: string[] = [];
  const unknown: Unknown[] = [];
  let dims = 0;
  let known = 0;
  const sets = fs
    .readdirSync(folder)
    .filter((name) => name.startsWith('test_data_set_'))
    .map((name) => path.join(folder, name));
  for (const set of sets) {
    const plain = compareSet(folder, set, false);
    const constant = plain.unknown.length > 0 ? compareSet(folder, set, true) : plain;
    wrong.push(...plain.wrong, ...(constant === plain ? [] : constant.wrong));
    dims += plain.dims;
    known += plain.known;
    for (const { key, output, part } of plain.unknown) {
      const still = constant.unknown.find((each) => each.key === key);
      unknown.push({ output, part, reason: still === undefined ? 'values of inputs' : still.roots });
    }
  }
  return { wrong: [...new Set(wrong)], unknown, dims, known };
}

type Open = {
  readonly key: string;
  readonly output: string;
  readonly part: Part;
  readonly roots: readonly string[];
};
type Comparison = { readonly wrong: string[]; readonly unknown: Open[]; dims: number; known: number };

function compareSet(folder: string, set: string, constantInputs: boolean): Comparison {
  const declared = decodeModel(fs.readFileSync(path.join(folder, 'model.onnx')), { folder });
  const model = decodeModel(fs.readFileSync(path.join(folder, 'model.onnx')), { folder });
  dropDeclaredTypes(model);
  if (constantInputs) makeInputsConstant(model, set);
  const inference = new Inference(model);
  inference.inferAll();
  const bindings = bindingsOf(declared, set);
  const result: Comparison = { wrong: [], unknown: [], dims: 0, known: 0 };
  for (const { code, message } of inference.diagnostics) result.wrong.push(`${code}: ${message}`);
  for (const [index, { value, name }] of model.graph.outputs.entries()) {
    const stored = storedValue(set, 'output', index, declared.graph.outputs[index]!.type);
    const roots = (part: Part) => unknownRoots(inference, value, part);
    if (stored !== undefined)
      compareType(inference.typeOf(value), stored, { result, name, roots, bindings, areVaried: false });
  }
  return result;
}

/** Takes out every declared type but those of inputs. */
export function dropDeclaredTypes(model: Model): void {
  const editor = new Editor(model);
  for (const graph of modelGraphs(model)) {
    for (const slot of graph.outputs) editor.setOutputType(slot, undefined);
    for (const value of graph.values.values()) if (value.producer !== null) editor.setType(value, undefined);
  }
}

function makeInputsConstant(model: Model, set: string): void {
  const editor = new Editor(model);
  const taken: Value[] = [];
  for (const [index, input] of model.graph.inputs.entries()) {
    if (input.type?.kind !== 'tensor' || input.initializer !== null) continue;
    const tensor = storedTensor(set, 'input', index);
    if (tensor === undefined || elementCount(tensor.dims) > maxConstantElements) continue;
    editor.setInitializer(input, tensor);
    taken.push(input);
  }
  for (const input of taken) editor.inputToInitializer(input);
}

/** What the symbols of the inputs stand for in a data set. */
function bindingsOf(model: Model, set: string): ReadonlyMap<string, number> {
  const bindings = new Map<string, number>();
  for (const [index, { type }] of model.graph.inputs.entries()) {
    if (type?.kind !== 'tensor') continue;
    const stored = storedValue(set, 'input', index, type);
    for (const [axis, dim] of (type.shape ?? []).entries()) {
      const name = dim === undefined || typeof dim === 'number' ? undefined : formatDim(dim);
      if (name !== undefined && stored?.kind === 'tensor') bindings.set(name, stored.dims[axis]!);
    }
  }
  return bindings;
}

const isVaried = (members: readonly StoredValue[]): boolean =>
  new Set(members.map((member) => (member.kind === 'tensor' ? String(member.dims) : member.kind))).size > 1;

type Place = {
  readonly result: Comparison;
  readonly name: string;
  readonly roots: (part: Part) => readonly string[];
  /** Whether it is an element of a sequence whose elements differ in size. */
  readonly areVaried: boolean;
  readonly bindings: ReadonlyMap<string, number>;
};

function compareType(type: ValueType | undefined, stored: StoredValue, place: Place): void {
  const { result, name, roots, bindings } = place;
  const open = (part: Part, axis = 0) => {
    const key = `${name} ${part} ${axis}`;
    if (result.unknown.every((each) => each.key !== key)) {
      const differ = part === 'dimension' && place.areVaried;
      result.unknown.push({ key, output: name, part, roots: differ ? ['elements that differ'] : roots(part) });
    }
  };
  const wrong = (text: string) => result.wrong.push(`${name}: inferred ${formatType(type)}, stored ${text}`);
  if (stored.kind !== 'tensor') {
    if (type === undefined) open('type');
    else if (type.kind !== stored.kind) wrong(stored.kind);
    else {
      const areVaried = isVaried(stored.members);
      for (const member of stored.members) {
        compareType(type.element, member, { ...place, name: `${name}[]`, areVaried });
      }
    }
    return;
  }
  const text = `${stored.dtype}[${stored.dims}]`;
  result.dims += stored.dims.length;
  if (type === undefined) {
    open('type');
    return;
  }
  if (type.kind !== 'tensor') {
    wrong(text);
    return;
  }
  if (type.dtype === undefined) open('type');
  else if (type.dtype !== stored.dtype) wrong(text);
  if (type.shape === undefined) {
    open('rank');
    return;
  }
  if (type.shape.length !== stored.dims.length) {
    wrong(text);
    return;
  }
  for (const [axis, dim] of type.shape.entries()) {
    if (dim === undefined) open('dimension', axis);
    else if (evaluate(dim, bindings) === stored.dims[axis]) result.known += 1;
    else wrong(text);
  }
}
