import { asDim, type Dim, dimEquals, divideExact, lowerBound, mul, product } from '../../dim.js';
import { elementCount } from '../../tensor.js';
import type { Shape } from '../../value_type.js';
import { normalAxes } from './axes.js';
import { content } from './content.js';
import type { InferenceContext, InferenceRules } from './context.js';

function inferReshape(context: InferenceContext): void {
  const dtype = context.dtype(0);
  const given = context.ints('shape', undefined) ?? context.content(1)?.elements;
  if (given === undefined) {
    const rank = context.shape(1)?.[0];
    const shape = typeof rank === 'number' && rank <= 64 ? Array.from({ length: rank }, () => undefined) : undefined;
    context.setTensor(0, dtype, shape);
    return;
  }
  const input = context.shape(0);
  const keepsZero = context.int('allowzero', 0) !== 0;
  // A symbol may be 0, which copies from the input: only what is certainly above 0 stands for itself.
  const dims = given.map((element, axis): Dim | undefined | 'rest' => {
    if (element === -1) return 'rest';
    if (element === 0) return keepsZero ? 0 : input?.[axis];
    if (typeof element === 'number') return element;
    if (element === undefined) return undefined;
    const isItself = keepsZero || (lowerBound(element) ?? 0) > 0 || dimEquals(element, input?.[axis]);
    return isItself ? asDim(element) : undefined;
  });
  if (dims.some((dim) => typeof dim === 'number' && dim < 0) || dims.filter((dim) => dim === 'rest').length > 1) {
    context.fail('infer/reshape', `the shape [${given.slice(0, 16).map(String)}]`);
    context.setTensor(0, dtype);
    return;
  }
  const shape = dims.map((dim) => (dim === 'rest' ? restOf(input, dims) : dim));
  if (wrongCount(input, shape)) {
    context.fail('infer/reshape', 'the number of elements changes');
    context.setTensor(0, dtype);
    return;
  }
  context.setTensor(0, dtype, shape);
  setSameElements(context, shape);
}

/** What −1 stands for: the size of the input by the other sizes, equal sizes on both sides cancelled first. */
function restOf(input: Shape | undefined, dims: readonly (Dim | undefined | 'rest')[]): Dim | undefined {
  if (input === undefined) return undefined;
  const others = dims.filter((dim) => dim !== 'rest');
  if (others.some((dim) => dim === undefined)) return undefined;
  const left = [...input];
  const right: (Dim | undefined)[] = [];
  for (const dim of others) {
    const same = left.findIndex((each) => each !== undefined && dimEquals(each, dim));
    if (same >= 0) left.splice(same, 1);
    else right.push(dim);
  }
  const quotient = divideExact(product(left), product(right));
  return quotient !== undefined && dimEquals(mul(quotient, product(right)), product(left))
    ? asDim(quotient)
    : undefined;
}

function wrongCount(input: Shape | undefined, output: Shape): boolean {
  const before = input && product(input);
  const after = product(output);
  return typeof before === 'number' && typeof after === 'number' && before !== after;
}

/** A view of the same elements under a shape of numbers. */
export function setSameElements(context: InferenceContext, shape: Shape): void {
  const known = context.content(0);
  if (known === undefined) return;
  const dims = shape.map((dim) => (typeof dim === 'number' ? dim : -1));
  if (!dims.includes(-1) && elementCount(dims) === known.elements.length) {
    context.setContent(0, content(known.dtype, dims, known.elements));
  }
}

function inferFlatten(context: InferenceContext): void {
  const shape = context.shape(0);
  const axis = context.int('axis', 1);
  const cut = shape && (axis < 0 ? axis + shape.length : axis);
  const known = shape !== undefined && cut !== undefined && cut >= 0 && cut <= shape.length;
  const dims = known ? [asDim(product(shape.slice(0, cut))), asDim(product(shape.slice(cut)))] : [undefined, undefined];
  context.setTensor(0, context.dtype(0), dims);
}

function inferSqueeze(context: InferenceContext): void {
  const shape = context.shape(0);
  const dtype = context.dtype(0);
  const given = context.ints('axes', undefined) ?? (context.has(1) ? context.numbers(1) : 'all');
  context.setTensor(0, dtype);
  if (shape === undefined || given === undefined) return;
  if (given === 'all') {
    if (shape.every((dim) => typeof dim === 'number'))
      setView(
        context,
        shape.filter((dim) => dim !== 1),
      );
    return;
  }
  const axes = normalAxes(given, shape.length);
  if (axes === undefined || axes.some((axis) => typeof shape[axis] === 'number' && shape[axis] !== 1)) {
    context.fail('infer/axis', `cannot squeeze axes ${given.slice(0, 8)}`);
    return;
  }
  setView(
    context,
    shape.filter((_, axis) => !axes.includes(axis)),
  );
}

function inferUnsqueeze(context: InferenceContext): void {
  const shape = context.shape(0);
  const given = context.ints('axes', undefined) ?? context.numbers(1);
  context.setTensor(0, context.dtype(0));
  if (shape === undefined || given === undefined || given.length > 64) return;
  const axes = normalAxes(given, shape.length + given.length);
  if (axes === undefined) {
    context.fail('infer/axis', `cannot insert axes ${given.slice(0, 8)}`);
    return;
  }
  const rest = [...shape];
  const inserted = Array.from({ length: shape.length + axes.length }, (_, axis) =>
    axes.includes(axis) ? 1 : rest.shift(),
  );
  setView(context, inserted);
}

function setView(context: InferenceContext, shape: Shape): void {
  context.setTensor(0, context.dtype(0), shape);
  setSameElements(context, shape);
}

function inferTranspose(context: InferenceContext): void {
  const shape = context.shape(0);
  const perm = context.ints('perm', undefined) ?? shape?.map((_, axis) => shape.length - 1 - axis);
  context.setTensor(
    0,
    context.dtype(0),
    perm !== undefined && perm.length <= 64 ? perm.map(() => undefined) : undefined,
  );
  if (shape === undefined || perm === undefined) return;
  if (perm.length !== shape.length || normalAxes(perm, shape.length) === undefined || perm.some((axis) => axis < 0)) {
    context.fail('infer/axis', `perm [${perm.slice(0, 8)}] for a tensor of rank ${shape.length}`);
    context.setTensor(0, context.dtype(0));
    return;
  }
  context.setTensor(
    0,
    context.dtype(0),
    perm.map((axis) => shape[axis]),
  );
  if (shape.length <= 1) setSameElements(context, shape);
}

export const reshapeRules: InferenceRules = {
  Reshape: inferReshape,
  Flatten: inferFlatten,
  Squeeze: inferSqueeze,
  Unsqueeze: inferUnsqueeze,
  Transpose: inferTranspose,
};
