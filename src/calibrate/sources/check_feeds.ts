import { DiagnosticError } from '../../ir/diagnostic.js';
import { type Dim, dimEquals, evaluate, formatDim, symbol, symbolsOf } from '../../ir/dim.js';
import type { Tensor } from '../../ir/tensor.js';
import { formatShape, type TensorType } from '../../ir/value_type.js';
import type { Feeds, InputSpec } from './source.js';

/**
 * Checks that a sample is what the model takes, as far as the inputs' types say.
 * A symbolic dimension takes any size, but one size in all inputs; expressions over symbols must come out right.
 * @returns the feeds in the order of the inputs.
 * @throws DiagnosticError `data/unknown-input`, `data/missing-input`, `data/wrong-type`, `data/wrong-shape`.
 */
export function checkFeeds(feeds: Feeds, inputs: readonly InputSpec[], where: string): Feeds {
  checkNames([...feeds.keys()], inputs, where);
  const ordered = new Map<string, Tensor>();
  const bindings = new Map<string, Binding>();
  for (const { name, type } of inputs) {
    const tensor = feeds.get(name)!;
    ordered.set(name, tensor);
    if (type?.kind !== 'tensor') continue;
    checkType(tensor, name, type, where);
    bindSymbols(tensor, name, type, bindings, where);
  }
  const sizes = new Map([...bindings].map(([text, { size }]) => [text, size]));
  for (const { name, type } of inputs) {
    if (type?.kind === 'tensor') checkExpressions(feeds.get(name)!, name, type, sizes, where);
  }
  return ordered;
}

/** @throws DiagnosticError `data/unknown-input`, `data/missing-input` where `given` are not the inputs' names. */
export function checkNames(given: readonly string[], inputs: readonly InputSpec[], where: string): void {
  const wanted = inputs.map(({ name }) => name);
  const missing = wanted.filter((name) => !given.includes(name));
  const unknown = given.find((name) => !wanted.includes(name));
  const help = `The model takes ${listNames(inputs)}`;
  if (unknown !== undefined) {
    const rename = missing.length === 1 ? `; is this "${missing[0]}"?` : '';
    const message = `"${unknown}" is not an input of the model${rename}`;
    throw new DiagnosticError({ code: 'data/unknown-input', message, where, help });
  }
  if (missing.length > 0) {
    const message = `no data for ${missing.map((name) => JSON.stringify(name)).join(', ')}`;
    throw new DiagnosticError({ code: 'data/missing-input', message, where, help });
  }
}

export const listNames = (inputs: readonly InputSpec[]): string =>
  inputs.length === 0 ? 'no input' : inputs.map(({ name }) => JSON.stringify(name)).join(', ');

function checkType(tensor: Tensor, name: string, type: TensorType, where: string): void {
  if (type.dtype !== undefined && tensor.dtype !== type.dtype) {
    throw new DiagnosticError({
      code: 'data/wrong-type',
      message: `"${name}" takes ${type.dtype}, the sample has ${tensor.dtype}`,
      where,
      help: `Save the data as ${type.dtype}, or set cast to convert it`,
    });
  }
  const { shape } = type;
  if (shape === undefined) return;
  const fits =
    shape.length === tensor.dims.length &&
    shape.every((dim, axis) => typeof dim !== 'number' || dim === tensor.dims[axis]);
  if (!fits) throw wrongShape(tensor, name, type, where, batchHelp(tensor, type));
}

function batchHelp({ dims }: Tensor, { shape }: TensorType): string | undefined {
  if (shape !== undefined && dims.length + 1 === shape.length) return 'The batch axis may be missing: add it in front';
  const batch = shape?.[0];
  const many = typeof batch === 'number' && batch > 0 && dims.length === shape?.length && dims[0]! > batch;
  if (many && dims[0]! % batch === 0) return `To feed ${batch} of the ${dims[0]} at a time, set split to true`;
  return undefined;
}

type Binding = { readonly size: number; readonly input: string };

/** The dimensions of a tensor beside those of its type, where these are symbolic. */
function symbolicDims({ dims }: Tensor, { shape }: TensorType): [Exclude<Dim, number>, number][] {
  return (shape ?? []).flatMap((dim, axis) => (typeof dim === 'object' ? [[dim, dims[axis]!]] : []));
}

function bindSymbols(
  tensor: Tensor,
  name: string,
  type: TensorType,
  bindings: Map<string, Binding>,
  where: string,
): void {
  for (const [dim, size] of symbolicDims(tensor, type)) {
    const text = plainSymbol(dim);
    if (text === undefined) continue;
    const bound = bindings.get(text);
    if (bound !== undefined && bound.size !== size) {
      const reason = `${formatDim(dim)} is ${size} here and ${bound.size} in "${bound.input}"`;
      throw wrongShape(tensor, name, type, where, undefined, reason);
    }
    bindings.set(text, bound ?? { size, input: name });
  }
}

/** The name of the symbol that the dimension is, or undefined where it is an expression over some. */
export function plainSymbol(dim: Exclude<Dim, number>): string | undefined {
  const [name] = symbolsOf(dim);
  return name !== undefined && dimEquals(dim, symbol(name)) ? name : undefined;
}

function checkExpressions(
  tensor: Tensor,
  name: string,
  type: TensorType,
  sizes: ReadonlyMap<string, number>,
  where: string,
): void {
  for (const [dim, size] of symbolicDims(tensor, type)) {
    const expected = evaluate(dim, sizes);
    if (expected === undefined || expected === size) continue;
    throw wrongShape(tensor, name, type, where, undefined, `${formatDim(dim)} is ${expected} in this sample`);
  }
}

function wrongShape(
  { dims }: Tensor,
  name: string,
  { shape }: TensorType,
  where: string,
  help = 'Give the data the shape that the model takes',
  reason?: string,
): DiagnosticError {
  const message = `"${name}" takes ${formatShape(shape)}, the sample has [${dims.join(', ')}]`;
  return new DiagnosticError({
    code: 'data/wrong-shape',
    message: reason === undefined ? message : `${message}: ${reason}`,
    where,
    help,
  });
}
