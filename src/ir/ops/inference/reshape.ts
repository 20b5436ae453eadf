import {
  add,
  asDim,
  type Dim,
  dimEquals,
  divideExact,
  type Expr,
  floorDiv,
  formatDim,
  lowerBound,
  max,
  min,
  mul,
  product,
  provablyDifferent,
  sub,
} from '../../dim.js';
import { formatShape, type Shape } from '../../value_type.js';
import { setSameElements } from './content_view.js';
import type { InferenceContext, InferenceRules } from './context.js';
import { maxRank, unknownShape } from './rank.js';
import { shapeSize } from './shape_size.js';

/** Operators that give the same elements in the same order another shape. */
export const reshapeRules: InferenceRules = { Reshape: inferReshape, Flatten: inferFlatten };

function inferReshape(context: InferenceContext): void {
  const dtype = context.dtype(0);
  const input = context.shape(0);
  const target = context.opset < 5 ? attributeShape(context) : context.content(1)?.elements;
  if (target === undefined || target.length > maxRank || (input?.length ?? 0) > maxRank) {
    context.setTensor(0, dtype, target === undefined ? unknownShape(context.shape(1)?.[0]) : undefined);
    return;
  }
  const shape = reshapedTo(input, target, context.opset >= 14 && context.int('allowzero', 0) !== 0);
  if (shape === 'conflict' || provablyDifferent(input && shapeSize(input), shapeSize(shape))) {
    context.setTensor(0, dtype);
    const asked = target.map((element) => (element === undefined ? '?' : formatDim(element))).join(', ');
    context.fail('infer/reshape', `${formatShape(input)} cannot take the shape [${asked.slice(0, 200)}]`);
    return;
  }
  context.setTensor(0, dtype, shape);
  setSameElements(context, shape);
}

function attributeShape(context: InferenceContext): readonly (Expr | undefined)[] | undefined {
  const attribute = context.attributes.get('shape');
  return attribute?.kind === 'ints' ? attribute.value.map((size) => add(size, 0)) : undefined;
}

/** What one element of the asked shape stands for. */
type Part =
  /** A size, if not always a known one; `copied` from the same axis of the input. */
  | { readonly kind: 'size'; readonly dim: Dim | undefined; readonly copied?: boolean }
  /** −1: what the other sizes leave. */
  | { readonly kind: 'rest' }
  /** Unknown, or such that it may be 0 and then copy another size; where it does not, it is `dim`. */
  | { readonly kind: 'open'; readonly dim: Dim | undefined };

/**
 * The shape that an input of shape `input` takes where `target` is asked for.
 * Source: operator Reshape 25 of the ONNX standard.
 */
function reshapedTo(
  input: Shape | undefined,
  target: readonly (Expr | undefined)[],
  allowsZero: boolean,
): Shape | 'conflict' {
  const parts: Part[] = [];
  for (const [axis, element] of target.entries()) {
    const part = partOf(element, axis, input, allowsZero);
    if (part === 'conflict') return part;
    parts.push(part);
  }
  if (parts.filter(({ kind }) => kind === 'rest').length > 1) return 'conflict';
  const asked = parts.map((part) => (part.kind === 'rest' ? undefined : part.dim));
  if (keepsSize(input, asked)) return asked;
  const copying = copyingRest(input, parts);
  if (copying !== undefined) return copying;
  const rest = restOf(input, parts);
  if (rest === 'conflict') return rest;
  return parts.map((part) => (part.kind === 'size' ? part.dim : rest));
}

function partOf(
  element: Expr | undefined,
  axis: number,
  input: Shape | undefined,
  allowsZero: boolean,
): Part | 'conflict' {
  if (element === undefined) return { kind: 'open', dim: undefined };
  if (element === -1) return { kind: 'rest' };
  if (element === 0 && !allowsZero) {
    if (input === undefined) return { kind: 'size', dim: undefined };
    return axis < input.length ? { kind: 'size', dim: input[axis], copied: true } : 'conflict';
  }
  if (typeof element !== 'object') return element < 0 ? 'conflict' : { kind: 'size', dim: asDim(element) };
  const dim = asDim(element);
  const isSize = (lowerBound(element) ?? -1) >= 0 || (input?.some((size) => dimEquals(size, element)) ?? false);
  if (!isSize) return { kind: 'open', dim: undefined };
  return allowsZero || keepsZero(element, axis, input) ? { kind: 'size', dim } : { kind: 'open', dim };
}

/** Whether the result has the size that the element says even where that is 0, which copies the size of the input. */
function keepsZero(element: Expr, axis: number, input: Shape | undefined): boolean {
  if ((lowerBound(element) ?? 0) > 0) return true;
  if (input === undefined) return false;
  // There is nothing to copy: the node fails.
  if (axis >= input.length) return true;
  // A multiple of the element, or what it is a multiple of, is 0 where it is.
  const factor = divideExact(element, input[axis]);
  return divideExact(input[axis], element) !== undefined || (lowerBound(factor) ?? 0) > 0;
}

/**
 * Whether these sizes have as many elements as the input. Then a size that may be 0 stands for itself: 0 would copy
 * another size, which has no elements either only where a further size is 0 as well. For such a tensor, empty along
 * two axes, nothing is promised.
 */
function keepsSize(input: Shape | undefined, asked: Shape): boolean {
  const size = input && shapeSize(input);
  return size !== 0 && dimEquals(size, product(asked));
}

/**
 * −1 beside one size s that copies the size c of the input where it is 0: what comes out is exactly s + c·max(1 − s, 0),
 * and −1 is what is left with s, or 0 where s is 0 and with it the tensor empty. undefined for anything else.
 */
function copyingRest(input: Shape | undefined, parts: readonly Part[]): Shape | undefined {
  const axis = parts.findIndex(({ kind }) => kind === 'open');
  const open = parts[axis];
  if (input === undefined || open?.kind !== 'open' || parts.filter(({ kind }) => kind !== 'size').length !== 2) {
    return undefined;
  }
  const { dim } = open;
  const rest = restOf(
    input,
    parts.map((part) => (part === open ? { kind: 'size', dim } : part)),
  );
  if (rest === undefined || rest === 'conflict' || divideExact(shapeSize(input), dim) === undefined) return undefined;
  const copied = add(dim, mul(input[axis], max(sub(1, dim), 0)));
  return parts.map((part) => {
    if (part.kind === 'size') return part.dim;
    return asDim(part.kind === 'open' ? copied : mul(rest, min(dim, 1)));
  });
}

/**
 * The size of the one part that is not known, by the number of elements: sizes on both sides cancelled, then exactly
 * divided. −1 beside a size of 0 has no meaning of its own; what is merely unknown needs sizes that are never 0.
 */
function restOf(input: Shape | undefined, parts: readonly Part[]): Dim | undefined | 'conflict' {
  const unknown = parts.filter(({ kind }) => kind !== 'size');
  if (input === undefined || unknown.length !== 1) return undefined;
  const others = parts.filter((part) => part.kind === 'size');
  if (others.some(({ dim }) => dim === 0)) return undefined;
  if (unknown[0]?.kind === 'open' && others.some(({ dim }) => !((lowerBound(dim) ?? 0) > 0))) return undefined;
  const left = input.filter((_, axis) => {
    const part = parts[axis];
    return !(part?.kind === 'size' && part.copied);
  });
  const right: (Dim | undefined)[] = [];
  for (const { dim, copied } of others) {
    const same = copied ? -1 : left.findIndex((size) => dimEquals(size, dim));
    if (same >= 0) left.splice(same, 1);
    else if (!copied) right.push(dim);
  }
  const dividend = shapeSize(left);
  const divisor = product(right);
  const quotient = divideExact(dividend, divisor) ?? floorDiv(dividend, divisor);
  return provablyDifferent(mul(quotient, divisor), dividend) ? 'conflict' : asDim(quotient);
}

/** Axes before `axis` become one, and those from it on another. */
function inferFlatten(context: InferenceContext): void {
  const shape = context.shape(0);
  const given = context.int('axis', 1);
  const axis = given < 0 && shape !== undefined ? given + shape.length : given;
  const dtype = context.dtype(0);
  context.setTensor(0, dtype, [axis === 0 ? 1 : undefined, undefined]);
  if (shape === undefined) return;
  if (axis < 0 || axis > shape.length) {
    context.setTensor(0, dtype);
    context.fail('infer/axis', `axis ${given} of a tensor of rank ${shape.length}`);
    return;
  }
  const flat = [asDim(shapeSize(shape.slice(0, axis))), asDim(shapeSize(shape.slice(axis)))];
  context.setTensor(0, dtype, flat);
  setSameElements(context, flat);
}
