import { type DataType, dataTypeBits, dataTypeOfCode, isDataType } from '../../data_type.js';
import { dimEquals, type Expr, provablyDifferent } from '../../dim.js';
import { type AnyElement, content, floatsOf, integersOf } from './content.js';
import type { InferenceContext, InferenceRules } from './context.js';
import {
  type FloatElement,
  type FloatType,
  floatNumber,
  fraction,
  isFloatType,
  isFraction,
  wholeNumber,
} from './float_element.js';
import { within } from './integer_range.js';

/** Operators that keep the shape and change the element type. */
export const castRules: InferenceRules = { Cast: cast, CastLike: castLike, BitCast: bitCast };

/** Before 6 the type is spelled out, as `TensorProto.DataType` does in capitals. */
function cast(context: InferenceContext): void {
  const name = context.string('to', '').toLowerCase();
  const to = isDataType(name) ? name : dataTypeOfCode(context.int('to', 0));
  inferCast(context, to);
}

function castLike(context: InferenceContext): void {
  inferCast(context, context.dtype(1));
}

function inferCast(context: InferenceContext, to: DataType | undefined): void {
  context.setTensor(0, to, context.shape(0));
  const known = context.anyContent(0);
  if (known === undefined || to === undefined) return;
  const elements =
    floatsOf(known)?.elements.map((element) => castFloat(element, to)) ??
    integersOf(known)?.elements.map((element) => castInteger(element, to)) ??
    [];
  if (elements.some((element) => element !== undefined) || elements.length === 0) {
    context.setContent(0, content<AnyElement>(to, known.dims, elements));
  }
}

function castInteger(element: Expr | undefined, to: DataType): AnyElement | undefined {
  if (isFloatType(to)) return fraction(to, element);
  return to === 'bool' ? truthOf(element) : within(to, element);
}

/** To an integer only where it fits: beyond, runtimes differ. */
function castFloat(element: FloatElement | undefined, to: DataType): AnyElement | undefined {
  if (isFloatType(to)) return converted(element, to);
  if (to === 'bool') return typeof element === 'number' ? Number(element !== 0) : undefined;
  return within(to, wholeNumber(element, 'to zero'));
}

function converted(element: FloatElement | undefined, to: FloatType): FloatElement | undefined {
  if (!isFraction(element)) return element === undefined ? undefined : floatNumber(to, element);
  return element.isExact ? fraction(to, element.numerator, element.divisor) : undefined;
}

/** Whether a number is other than 0. */
const truthOf = (element: Expr | undefined): number | undefined =>
  provablyDifferent(element, 0) ? 1 : dimEquals(element, 0) ? 0 : undefined;

/** The same bits under a type of the same width. */
function bitCast(context: InferenceContext): void {
  const from = context.dtype(0);
  const to = dataTypeOfCode(context.int('to', 0));
  context.setTensor(0, to);
  if (from !== undefined && to !== undefined && dataTypeBits(from) !== dataTypeBits(to)) {
    context.fail('infer/bit-width', `${from} and ${to} have elements of different widths`);
    return;
  }
  context.setTensor(0, to, context.shape(0));
}
