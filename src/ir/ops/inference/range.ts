import type { DataType } from '../../data_type.js';
import { add, asDim, ceilDiv, type Dim, type Expr, max, mul, neg, provablyAtLeast, sub } from '../../dim.js';
import { decodeHalf } from '../../half_float.js';
import { elementCount, tensorData } from '../../tensor.js';
import { formatShape } from '../../value_type.js';
import { normalAxis } from './axes.js';
import { buildContent } from './content_view.js';
import type { InferenceContext, InferenceRules } from './context.js';
import { within } from './integer_range.js';

/** Operators whose size is the value of a scalar. */
export const rangeRules: InferenceRules = {
  Range: inferRange,
  OneHot: inferOneHot,
  'com.microsoft:Range': inferRange,
};

/** max(ceil((limit − start) / delta), 0) elements, of the type that all three inputs have; without a delta, by 1. */
function inferRange(context: InferenceContext): void {
  const dtype = context.dtype(0) ?? context.dtype(1) ?? context.dtype(2);
  context.setTensor(0, dtype, [undefined]);
  if (dtype === undefined) return;
  const [start, limit] = [0, 1].map((index) => context.content(index)?.elements[0]);
  const delta = context.has(2) ? context.content(2)?.elements[0] : 1;
  if (delta === 0) {
    context.fail('infer/range', 'a range by steps of 0 has no end');
    return;
  }
  const count = asDim(rangeSize(start, limit, delta)) ?? floatRangeSize(context, dtype) ?? wholeRangeSize(context);
  context.setTensor(0, dtype, [count]);
  if (typeof count !== 'number') return;
  const range = buildContent(dtype, [count], ([index]) => within(dtype, add(start, mul(index, delta))));
  context.setContent(0, range);
}

function rangeSize(start: Expr | undefined, limit: Expr | undefined, delta: Expr | undefined): Expr | undefined {
  if (provablyAtLeast(delta, 1)) return max(ceilDiv(sub(limit, start), delta), 0);
  return provablyAtLeast(-1, delta) ? max(ceilDiv(sub(start, limit), neg(delta)), 0) : undefined;
}

/** How far rounding in any of the float types can move a quotient of which the ceiling is taken. */
const slack: Partial<Record<DataType, number>> = {
  double: 2 ** -48,
  float: 2 ** -20,
  float16: 2 ** -8,
  bfloat16: 2 ** -5,
};

/** The size of a range of constant floats, where no way to round gives another. */
function floatRangeSize(context: InferenceContext, dtype: DataType): Dim | undefined {
  const error = slack[dtype];
  const [start, limit] = [0, 1].map((index) => floatScalar(context, index));
  const delta = context.has(2) ? floatScalar(context, 2) : 1;
  if (error === undefined || start === undefined || limit === undefined || !delta) return undefined;
  const isExact = [start, limit, delta].every(Number.isSafeInteger) && Math.abs(limit - start) * error < 1;
  const quotient = (limit - start) / delta;
  const margin = isExact ? 0 : (Math.abs(start) + Math.abs(limit)) * Math.abs(error / delta);
  const least = Math.max(0, Math.ceil(quotient - margin));
  const isSure = Number.isSafeInteger(least) && least === Math.max(0, Math.ceil(quotient + margin));
  return isSure ? asDim(least) : undefined;
}

/** The size of a range of floats that are whole numbers, such as sizes, from one to the next. */
function wholeRangeSize(context: InferenceContext): Dim | undefined {
  const [start, limit, delta] = [0, 1, 2].map((index) => wholeElement(context, index));
  return delta === 1 ? asDim(rangeSize(start, limit, delta)) : undefined;
}

/** A float that is a whole number; undefined where it is another or not known. */
function wholeElement(context: InferenceContext, index: number): Expr | undefined {
  const element = context.floatContent(index)?.elements[0];
  if (typeof element === 'number') return wholeNumber(element);
  return element?.divisor === 1 ? element.numerator : undefined;
}

function floatScalar(context: InferenceContext, index: number): number | undefined {
  const element = context.floatContent(index)?.elements[0];
  if (typeof element === 'number') return element;
  const tensor = context.constant(index);
  if (tensor === undefined || elementCount(tensor.dims) !== 1) return undefined;
  if (tensor.dtype !== 'float16' && tensor.dtype !== 'bfloat16') return undefined;
  return decodeHalf(tensor.dtype, Uint16Array.from(tensorData(tensor), Number))[0];
}

/** The indices' shape with an axis of `depth` put in, of the type of the values. */
function inferOneHot(context: InferenceContext): void {
  const dtype = context.dtype(2);
  const indices = context.shape(0);
  const depth = context.content(1)?.elements[0] ?? wholeElement(context, 1) ?? wholeNumber(floatScalar(context, 1));
  context.setTensor(0, dtype);
  if (indices === undefined) return;
  const given = context.int('axis', -1);
  const axis = normalAxis(given, indices.length + 1);
  if (axis === undefined || (typeof depth !== 'object' && depth !== undefined && depth < 0)) {
    context.fail('infer/axis', `depth and axis ${given} do not fit indices ${formatShape(indices)}`);
    return;
  }
  context.setTensor(0, dtype, indices.toSpliced(axis, 0, asDim(depth)));
}

const wholeNumber = (value: number | undefined): number | undefined =>
  value !== undefined && Number.isSafeInteger(value) ? value : undefined;
