import {
  add,
  asDim,
  ceilDiv,
  type Dim,
  type Expr,
  max,
  min,
  neg,
  provablyAtLeast,
  sub,
  upperBound,
} from '../../dim.js';
import { formatShape, type Shape, staticShape } from '../../value_type.js';
import { normalAxes } from './axes.js';
import { buildContent, elementOf } from './content_view.js';
import type { InferenceContext, InferenceRules } from './context.js';

export const sliceRules: InferenceRules = { Slice: inferSlice };

type Elements = readonly (Expr | undefined)[];

/** One axis that is cut. */
type Cut = {
  readonly axis: number;
  readonly start: Expr | undefined;
  readonly end: Expr | undefined;
  readonly step: Expr | undefined;
};

function inferSlice(context: InferenceContext): void {
  const dtype = context.dtype(0);
  const shape = context.shape(0);
  context.setTensor(
    0,
    dtype,
    shape?.map(() => undefined),
  );
  if (shape === undefined) return;
  const cuts = cutsOf(context, shape.length);
  if (cuts === 'conflict') {
    context.setTensor(0, dtype);
    context.fail('infer/slice', `starts, ends, axes and steps do not fit each other or ${formatShape(shape)}`);
    return;
  }
  if (cuts === undefined) return;
  const sizes: (Dim | undefined)[] = [...shape];
  for (const cut of cuts) sizes[cut.axis] = cutSize(shape[cut.axis], cut);
  context.setTensor(0, dtype, sizes);
  setCutContent(context, sizes, cuts);
}

/** Inputs since 10, with steps; attributes before. undefined where it is not known which axes are cut. */
function cutsOf(context: InferenceContext, rank: number): readonly Cut[] | undefined | 'conflict' {
  const isOld = context.opset < 10;
  const starts = isOld ? attributeElements(context, 'starts') : context.content(1)?.elements;
  const ends = isOld ? attributeElements(context, 'ends') : context.content(2)?.elements;
  const steps = isOld || !context.has(4) ? undefined : context.content(4)?.elements;
  const given = isOld ? context.ints('axes', undefined) : context.has(3) ? context.numbers(3) : undefined;
  const count = starts?.length ?? ends?.length ?? given?.length ?? cutCount(context);
  if (count === undefined || (given === undefined && !isOld && context.has(3))) return undefined;
  const axes = given ?? (count <= rank ? Array.from({ length: count }, (_, axis) => axis) : []);
  const lengths = [axes.length, ends?.length ?? count, steps?.length ?? count];
  const normal = normalAxes(axes, rank);
  if (normal === undefined || lengths.some((length) => length !== count) || steps?.includes(0)) return 'conflict';
  const hasSteps = !isOld && context.has(4);
  return normal.map((axis, index) => ({
    axis,
    start: starts?.[index],
    end: ends?.[index],
    step: hasSteps ? steps?.[index] : 1,
  }));
}

function attributeElements(context: InferenceContext, name: string): Elements | undefined {
  const attribute = context.attributes.get(name);
  return attribute?.kind === 'ints' ? attribute.value.map((value) => add(value, 0)) : undefined;
}

function cutCount(context: InferenceContext): number | undefined {
  const size = [1, 2, 3, 4].map((index) => context.shape(index)?.[0]).find((each) => typeof each === 'number');
  return typeof size === 'number' ? size : undefined;
}

/**
 * The size that a cut leaves: (end − start) / step rounded up, with both brought into the axis. undefined where a sign
 * that decides how is not known. Source: operator Slice 13 of the ONNX standard.
 */
function cutSize(size: Dim | undefined, { start, end, step }: Cut): Dim | undefined {
  if (step === 1 && start === 0 && isToTheEnd(end)) return size;
  if (size === undefined || typeof step !== 'number') return undefined;
  return step > 0 ? forwardSize(size, start, end, step) : backwardSize(size, start, end, step);
}

function forwardSize(size: Dim, start: Expr | undefined, end: Expr | undefined, step: number): Dim | undefined {
  // The last elements, where there are as many.
  if (isToTheEnd(end) && provablyAtLeast(-1, start)) return asDim(ceilDiv(min(neg(start), size), step));
  const from = absolutePosition(start, size);
  const to = isToTheEnd(end) ? size : absolutePosition(end, size);
  const length = sub(clamped(to, 0, size), clamped(from, 0, size));
  return asDim(max(ceilDiv(length, step), 0));
}

function backwardSize(size: Dim, start: Expr | undefined, end: Expr | undefined, step: number): Dim | undefined {
  const from = absolutePosition(start, size);
  const to = isToTheStart(end) ? -1 : absolutePosition(end, size);
  const last = sub(size, 1);
  // A start before the first element is taken as the first, or in NumPy's way as nothing; an end of INT_MAX as the
  // end of the axis, or in ONNX Runtime's way as its beginning.
  if ((!provablyAtLeast(from, 0) && !isCountedFromEnd(start, size)) || isToTheEnd(end)) return undefined;
  const length = sub(clamped(from, -1, last), clamped(to, -1, last));
  return asDim(max(ceilDiv(length, -step), 0));
}

/** The start −1 is the last element, and in an empty axis none; −k where the axis has k elements or more. */
const isCountedFromEnd = (start: Expr | undefined, size: Dim): boolean =>
  start === -1 || (start !== undefined && provablyAtLeast(add(size, start), 0));

const clamped = (position: Expr | undefined, low: Expr, high: Expr | undefined): Expr | undefined =>
  min(max(position, low), high);

const int32Max = 2 ** 31 - 1;

/** The standard advises INT_MAX for an axis of unknown size, and exporters take that of either width. */
const isToTheEnd = (end: Expr | undefined): boolean =>
  (typeof end === 'number' || typeof end === 'bigint') && end >= int32Max;

/** And INT_MIN backward, which some spell as −INT_MAX. */
const isToTheStart = (end: Expr | undefined): boolean =>
  (typeof end === 'number' || typeof end === 'bigint') && end <= -int32Max;

/** A position counted from either end; undefined where it is not known from which. */
function absolutePosition(position: Expr | undefined, size: Dim): Expr | undefined {
  if (position === undefined || provablyAtLeast(position, 0)) return position;
  return (upperBound(position) ?? 0) < 0 ? add(position, size) : undefined;
}

function setCutContent(context: InferenceContext, sizes: Shape, cuts: readonly Cut[]): void {
  const known = context.anyContent(0);
  const dims = staticShape(sizes);
  if (known === undefined || dims === undefined || known.dims.length !== dims.length) return;
  const firsts = cuts.map(({ axis, start, step }) => firstPosition(known.dims[axis]!, start, step));
  const buildable = firsts.filter((first) => first !== undefined);
  if (buildable.length < firsts.length) return;
  const cutContent = buildContent(known.dtype, dims, (coordinate) => {
    const position = [...coordinate];
    for (const [index, { axis, step }] of cuts.entries()) {
      position[axis] = buildable[index]! + coordinate[axis]! * Number(step);
    }
    return elementOf(known, position);
  });
  context.setContent(0, cutContent);
}

/** Where a cut of known size begins. */
function firstPosition(size: number, start: Expr | undefined, step: Expr | undefined): number | undefined {
  if (typeof start !== 'number' && typeof start !== 'bigint') return undefined;
  const position = Number(start) < 0 ? Number(start) + size : Number(start);
  return Number(step) > 0 ? Math.max(0, position) : Math.min(size - 1, position);
}
