import { add, asDim, ceilDiv, type Dim, type Expr, max, min, provablyAtLeast, sub, upperBound } from '../../dim.js';
import { normalAxes } from './axes.js';
import { content } from './content.js';
import type { InferenceContext, InferenceRules } from './context.js';

type Ends = readonly (Expr | undefined)[];

/** Slice since 10 takes starts, ends, axes and steps as inputs; before, attributes without steps. */
function inferSlice(context: InferenceContext): void {
  const shape = context.shape(0);
  const dtype = context.dtype(0);
  context.setTensor(
    0,
    dtype,
    shape?.map(() => undefined),
  );
  if (shape === undefined) return;
  const isOld = context.opset < 10;
  const starts: Ends | undefined = isOld ? context.ints('starts', undefined) : context.content(1)?.elements;
  const ends: Ends | undefined = isOld ? context.ints('ends', undefined) : context.content(2)?.elements;
  const count = starts?.length ?? ends?.length ?? countOf(context);
  const given = isOld ? context.ints('axes', undefined) : context.has(3) ? context.numbers(3) : undefined;
  if (given === undefined && !isOld && context.has(3)) return;
  if (count === undefined || count > shape.length) return;
  const axes = normalAxes(given ?? Array.from({ length: count }, (_, axis) => axis), shape.length);
  if (axes === undefined || axes.length !== count) {
    context.fail('infer/axis', 'the axes of the slice do not fit its input');
    return;
  }
  const steps =
    isOld || !context.has(4) ? axes.map(() => 1) : (context.content(4)?.elements ?? axes.map(() => undefined));
  const result: (Dim | undefined)[] = [...shape];
  for (const [index, axis] of axes.entries()) {
    result[axis] = sliceSize(shape[axis], starts?.[index], ends?.[index], steps[index]);
  }
  context.setTensor(0, dtype, result);
  setSliceContent(context, shape.length, starts?.[0], ends?.[0], steps[0]);
}

const countOf = (context: InferenceContext): number | undefined => {
  const size = context.shape(1)?.[0] ?? context.shape(2)?.[0];
  return typeof size === 'number' ? size : undefined;
};

/** ceil((end − start) / step), start and end clamped to the axis; undefined where a sign is not known. */
function sliceSize(
  size: Dim | undefined,
  start: Expr | undefined,
  end: Expr | undefined,
  step: Expr | undefined,
): Dim | undefined {
  if (size === undefined || typeof step !== 'number' || step === 0) return undefined;
  const [low, high]: readonly [Expr, Expr | undefined] = step > 0 ? [0, size] : [-1, sub(size, 1)];
  const from = clamp(start, size, step > 0 ? 0 : -1, high);
  const to = step > 0 ? clamp(end, size, 0, high) : clampDown(end, size, low, high);
  const length = step > 0 ? sub(to, from) : sub(from, to);
  if (length === undefined) return undefined;
  return asDim(max(ceilDiv(length, Math.abs(step)), 0));
}

/** A position counted from either end, brought into [low, high]. */
function clamp(position: Expr | undefined, size: Dim, low: Expr, high: Expr | undefined): Expr | undefined {
  const absolute = absolutePosition(position, size);
  if (absolute === undefined || high === undefined) return undefined;
  return min(max(absolute, low), high);
}

const clampDown = clamp;

function absolutePosition(position: Expr | undefined, size: Dim): Expr | undefined {
  if (position === undefined) return undefined;
  if (provablyAtLeast(position, 0)) return position;
  return (upperBound(position) ?? 0) < 0 ? add(position, size) : undefined;
}

function setSliceContent(
  context: InferenceContext,
  rank: number,
  start: Expr | undefined,
  end: Expr | undefined,
  step: Expr | undefined,
): void {
  const known = context.content(0);
  if (known === undefined || rank !== 1 || typeof step !== 'number' || step === 0) return;
  const count = known.elements.length;
  const at = (position: Expr | undefined): number | undefined => {
    if (typeof position !== 'number' && typeof position !== 'bigint') return undefined;
    const number = Number(position);
    return number < 0 ? number + count : number;
  };
  const from = at(start);
  const to = at(end);
  if (from === undefined || to === undefined) return;
  const elements: (Expr | undefined)[] = [];
  if (step > 0) {
    for (let index = Math.max(0, from); index < Math.min(count, to); index += step)
      elements.push(known.elements[index]);
  } else {
    for (let index = Math.min(count - 1, from); index > Math.max(-1, to); index += step)
      elements.push(known.elements[index]);
  }
  context.setContent(0, content(known.dtype, [elements.length], elements));
}

export const sliceRules: InferenceRules = { Slice: inferSlice };
