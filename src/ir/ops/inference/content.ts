import type { DataType } from '../../data_type.js';
import { type Dim, dimEquals, type Expr } from '../../dim.js';
import { elementCount, type Tensor, tensorData, tensorIntegers } from '../../tensor.js';
import { type FloatElement, floatNumber, isFloatType, isFraction } from './float_element.js';

/**
 * What is known of the elements of a small integer or bool tensor: the shapes, axes and sizes that graphs compute.
 * Elements are exact numbers or expressions; undefined where nothing is known. bool is 0 or 1.
 */
export type Content<Element = Expr> = {
  readonly dtype: DataType;
  readonly dims: readonly number[];
  readonly elements: readonly (Element | undefined)[];
};

/** The same of a float tensor, through which sizes pass on their way. */
export type FloatContent = Content<FloatElement>;

export type AnyElement = Expr | FloatElement;

/** What moves elements takes either kind; the element type tells which they are. */
export type AnyContent = Content<AnyElement>;

/** Contents are followed up to this many elements; beyond, a tensor is data, not a shape. */
export const maxContentElements = 256;

export function content<Element = Expr>(
  dtype: DataType,
  dims: readonly number[],
  elements: readonly (Element | undefined)[],
): Content<Element> {
  return { dtype, dims, elements };
}

const isFloats = (known: AnyContent): known is FloatContent => isFloatType(known.dtype);
const isIntegers = (known: AnyContent): known is Content => !isFloatType(known.dtype);

/** The content of an integer or bool tensor. */
export const integersOf = (known: AnyContent | undefined): Content | undefined =>
  known !== undefined && isIntegers(known) ? known : undefined;

/** The content of a float tensor. */
export const floatsOf = (known: AnyContent | undefined): FloatContent | undefined =>
  known !== undefined && isFloats(known) ? known : undefined;

/** True only where both are known and the same whatever the symbols stand for. */
export function elementsEqual(a: AnyElement | undefined, b: AnyElement | undefined): boolean {
  if (!isFraction(a) && !isFraction(b))
    return typeof a === 'number' && typeof b === 'number' ? a === b : dimEquals(a, b);
  return isFraction(a) && isFraction(b) && a.divisor === b.divisor && dimEquals(a.numerator, b.numerator);
}

/** A shape as the int64 vector that `Shape` gives. */
export const shapeContent = (shape: readonly (Dim | undefined)[]): Content => content('int64', [shape.length], shape);

/** Of floats up to this many: scales and factors, not weights. */
const maxFloatElements = 16;

/** The elements of a small tensor of integers, bools or floats. */
export function contentOfTensor(tensor: Tensor): AnyContent | undefined {
  const { dtype, dims } = tensor;
  if (elementCount(dims) > maxContentElements) return undefined;
  if (isFloatType(dtype)) {
    if (elementCount(dims) > maxFloatElements) return undefined;
    return content<FloatElement>(
      dtype,
      dims,
      [...tensorData(tensor)].map((value) => floatNumber(dtype, Number(value))),
    );
  }
  const integers = tensorIntegers(tensor);
  if (integers === undefined) return undefined;
  return content(
    dtype,
    dims,
    integers.map((value) =>
      value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value,
    ),
  );
}

/** The elements as numbers, where every one is a known number; values past 2^53 are saturated. */
export function knownNumbers(known: Content | undefined): number[] | undefined {
  if (known === undefined) return undefined;
  const numbers: number[] = [];
  for (const element of known.elements) {
    if (typeof element === 'number') numbers.push(element);
    else if (typeof element === 'bigint')
      numbers.push(element > 0n ? Number.MAX_SAFE_INTEGER : Number.MIN_SAFE_INTEGER);
    else return undefined;
  }
  return numbers;
}
