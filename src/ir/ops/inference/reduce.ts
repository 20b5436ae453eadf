import type { DataType } from '../../data_type.js';
import { add, asDim, type Dim, type Expr, max, min, mul } from '../../dim.js';
import { formatShape, type Shape, staticShape } from '../../value_type.js';
import { normalAxis } from './axes.js';
import { buildContent, elementOf } from './content_view.js';
import type { InferenceContext, InferenceRules } from './context.js';
import { within } from './integer_range.js';
import { unknownShape } from './rank.js';

/** The axes that a reduction names; undefined where they depend on data. None may mean all. */
type NamedAxes = { readonly axes: readonly number[] | undefined; readonly count: Dim | undefined };

/** Axes as an attribute, or since 13 (ReduceSum) and 18 (the others) as input 1. */
function inferReduce(context: InferenceContext, dtype: DataType | undefined, axesInput: number | null = 1): void {
  context.setTensor(0, dtype);
  const shape = context.shape(0);
  const isKept = context.int('keepdims', 1) !== 0;
  const named = namedAxes(context, axesInput);
  const isNoop = context.int('noop_with_empty_axes', 0) !== 0;
  if (named.axes === undefined) {
    context.setTensor(0, dtype, openShape(shape, named.count, isKept, isNoop));
    return;
  }
  const isAll = named.axes.length === 0 && !isNoop;
  if (shape === undefined) {
    if (isAll && !isKept) context.setTensor(0, dtype, []);
    return;
  }
  // A scalar may be reduced along the axis that it does not have.
  const rank = Math.max(1, shape.length);
  const axes = isAll ? shape.map((_, axis) => axis) : named.axes.map((axis) => normalAxis(axis, rank));
  if (axes.includes(undefined)) {
    context.fail('infer/axis', `axes [${named.axes.slice(0, 8)}] of ${formatShape(shape)}`);
    return;
  }
  // An axis may stand there twice.
  const reduced = new Set(axes);
  context.setTensor(0, dtype, reducedShape(shape, reduced, isKept));
  setReducedContent(context, shape, reduced, isKept);
}

function namedAxes(context: InferenceContext, index: number | null): NamedAxes {
  const attribute = context.ints('axes', undefined);
  if (attribute !== undefined) return { axes: attribute, count: attribute.length };
  if (index === null || !context.has(index)) return { axes: [], count: 0 };
  const shape = context.shape(index);
  const count = shape?.length === 1 ? shape[0] : undefined;
  return { axes: count === 0 ? [] : context.numbers(index), count };
}

/** What is known where the axes are not: the rank, if dimensions are kept, or else if it is clear how many go. */
function openShape(
  shape: Shape | undefined,
  count: Dim | undefined,
  isKept: boolean,
  isNoop: boolean,
): Shape | undefined {
  if (shape === undefined) return undefined;
  if (shape.length === 0) return [];
  const isReduced = !isNoop || (typeof count === 'number' && count > 0);
  if (shape.length === 1 && isReduced) return isKept ? [1] : [];
  if (isKept) return unknownShape(shape.length);
  return count === 1 ? unknownShape(shape.length - 1) : undefined;
}

const reducedShape = (shape: Shape, axes: ReadonlySet<number | undefined>, isKept: boolean): Shape =>
  shape.flatMap((size, axis): Shape => (!axes.has(axis) ? [size] : isKept ? [1] : []));

type Combine = readonly [
  neutral: Expr | undefined,
  combine: (a: Expr | undefined, b: Expr | undefined) => Expr | undefined,
];

/** Of an empty set, sum and product have a value; the least and the greatest depend on the type. */
const combinations: Readonly<Record<string, Combine>> = {
  ReduceSum: [0, add],
  ReduceProd: [1, mul],
  ReduceMax: [undefined, max],
  ReduceMin: [undefined, min],
};

function setReducedContent(
  context: InferenceContext,
  shape: Shape,
  axes: ReadonlySet<number | undefined>,
  isKept: boolean,
): void {
  const known = context.content(0);
  const combination = combinations[context.node.opType];
  const dims = staticShape(reducedShape(shape, axes, isKept));
  if (known === undefined || combination === undefined || dims === undefined) return;
  const [neutral, combine] = combination;
  const inner = shape.map((_, axis) => (axes.has(axis) ? known.dims[axis]! : 1));
  const reduced = buildContent(known.dtype, dims, (coordinate) => {
    const outer = isKept ? [...coordinate] : spread(coordinate, shape, axes);
    const members = buildContent(known.dtype, inner, (offset) =>
      elementOf(
        known,
        outer.map((index, axis) => index + offset[axis]!),
      ),
    );
    const [first, ...others] = members?.elements ?? [];
    return within(known.dtype, members?.elements.length === 0 ? neutral : others.reduce(combine, first));
  });
  context.setContent(0, reduced);
}

/** A coordinate with 0 along every axis that is gone. */
function spread(coordinate: readonly number[], shape: Shape, axes: ReadonlySet<number | undefined>): number[] {
  let next = 0;
  return shape.map((_, axis) => (axes.has(axis) ? 0 : coordinate[next++]!));
}

function inferArg(context: InferenceContext): void {
  const shape = context.shape(0);
  const given = context.int('axis', 0);
  context.setTensor(0, 'int64');
  const axis = shape && normalAxis(given, shape.length);
  if (shape !== undefined && axis === undefined && !(shape.length === 0 && (given === 0 || given === -1))) {
    context.fail('infer/axis', `axis ${given} of ${formatShape(shape)}`);
    return;
  }
  context.setTensor(0, 'int64', shape && reducedShape(shape, new Set([axis]), context.int('keepdims', 1) !== 0));
}

/** The number of results is an attribute before opset 10, input 1 since. */
function inferTopK(context: InferenceContext): void {
  const shape = context.shape(0);
  const dtype = context.dtype(0);
  context.setTensor(0, dtype);
  context.setTensor(1, 'int64');
  if (shape === undefined) return;
  const given = context.int('axis', -1);
  const axis = normalAxis(given, shape.length);
  const count = context.opset < 10 ? context.int('k', undefined) : context.content(1)?.elements[0];
  if (axis === undefined) {
    context.fail('infer/axis', `axis ${given} of ${formatShape(shape)}`);
    return;
  }
  const size = shape[axis];
  if (typeof count === 'number' && (count < 0 || (typeof size === 'number' && count > size))) {
    context.fail('infer/negative-size', `${count} of ${formatShape([size])} elements`);
    return;
  }
  const chosen = shape.with(axis, count === Number.MAX_SAFE_INTEGER ? undefined : asDim(count));
  context.setTensor(0, dtype, chosen);
  context.setTensor(1, 'int64', chosen);
}

/** Of an input with the element type itself, or of 8-bit integers with sums of 32 bits. */
function inferIntegerSum(context: InferenceContext): void {
  const summed = { uint8: 'uint32', int8: 'int32' } as const;
  const dtype = context.dtype(0);
  inferReduce(context, dtype === 'uint8' || dtype === 'int8' ? summed[dtype] : undefined, null);
}

const sameType = (context: InferenceContext): void => inferReduce(context, context.dtype(0));

export const reduceRules: InferenceRules = {
  ReduceL1: sameType,
  ReduceL2: sameType,
  ReduceLogSum: sameType,
  ReduceLogSumExp: sameType,
  ReduceMax: sameType,
  ReduceMean: sameType,
  ReduceMin: sameType,
  ReduceProd: sameType,
  ReduceSum: sameType,
  ReduceSumSquare: sameType,
  ArgMax: inferArg,
  ArgMin: inferArg,
  TopK: inferTopK,
  'com.microsoft:ReduceSumInteger': inferIntegerSum,
  'com.microsoft:QLinearReduceMean': (context) => inferReduce(context, context.dtype(0), null),
};
