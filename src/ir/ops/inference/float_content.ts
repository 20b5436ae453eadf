import { add, type Expr, provablyAtLeast, sub } from '../../dim.js';
import { staticShape } from '../../value_type.js';
import { elementsEqual } from './content.js';
import { buildContent, floatsOfInput, stretchedElement, stretchesTo } from './content_view.js';
import type { InferenceContext } from './context.js';
import {
  divided,
  type FloatElement,
  type FloatType,
  floatNumber,
  fraction,
  isFloatType,
  multiplied,
  overOneDivisor,
  type Rounding,
  wholeNumber,
} from './float_element.js';

type Element = FloatElement | undefined;

type FloatOperation = (dtype: FloatType, elements: readonly Element[]) => Element;
/** Two whole numbers in the order of two numbers. */
const ranked = (a: number, b: number): [number, number] => [a > b ? 1 : 0, a < b ? 1 : 0];

type Comparison = (a: Expr, b: Expr) => number | undefined;

/** On numbers as IEEE 754 computes them; a double rounded to float is the correctly rounded result of these. */
const arithmetic =
  (
    onNumbers: (a: number, b: number) => number,
    onFractions: (dtype: FloatType, a: FloatElement, b: FloatElement) => Element,
  ): FloatOperation =>
  (dtype, [a, b]) => {
    if (a === undefined || b === undefined) return undefined;
    if (typeof a === 'number' && typeof b === 'number') return floatNumber(dtype, onNumbers(a, b));
    return onFractions(dtype, a, b);
  };

const linear =
  (operation: (a: Expr | undefined, b: Expr | undefined) => Expr | undefined) =>
  (dtype: FloatType, a: FloatElement, b: FloatElement): Element => {
    const both = overOneDivisor(a, b);
    return both && fraction(dtype, operation(both.left, both.right), both.divisor);
  };

const rounded =
  (rounding: Rounding): FloatOperation =>
  (dtype, [a]) => {
    // Floats that large are whole already.
    if (typeof a === 'number' && Math.abs(a) >= 2 ** 52) return a;
    return fraction(dtype, wholeNumber(a, rounding));
  };

const chosen =
  (isLeftChosen: (left: Expr, right: Expr) => boolean): FloatOperation =>
  (_, elements) =>
    elements.reduce((a, b) => {
      if (a === undefined || b === undefined) return undefined;
      if (typeof a === 'number' && typeof b === 'number') return isLeftChosen(...ranked(a, b)) ? a : b;
      const both = overOneDivisor(a, b);
      if (both?.left === undefined || both.right === undefined) return undefined;
      if (isLeftChosen(both.left, both.right)) return a;
      return isLeftChosen(both.right, both.left) ? b : undefined;
    });

const greatest = chosen(provablyAtLeast);

const onNumber =
  (compute: (value: number) => number): FloatOperation =>
  (dtype, [a]) =>
    typeof a === 'number' ? floatNumber(dtype, compute(a)) : undefined;

const operations: Readonly<Record<string, FloatOperation>> = {
  Add: arithmetic((a, b) => a + b, linear(add)),
  Sub: arithmetic((a, b) => a - b, linear(sub)),
  Mul: arithmetic(
    (a, b) => a * b,
    (dtype, a, b) => {
      if (typeof b === 'number') return typeof a === 'object' ? multiplied(dtype, a, b) : undefined;
      return typeof a === 'number' ? multiplied(dtype, b, a) : undefined;
    },
  ),
  Div: arithmetic(
    (a, b) => a / b,
    (dtype, a, b) => (typeof a === 'object' && typeof b === 'number' ? divided(dtype, a, b) : undefined),
  ),
  Floor: rounded('down'),
  Ceil: rounded('up'),
  Round: rounded('to even'),
  Sqrt: onNumber(Math.sqrt),
  Neg: onNumber((value) => 0 - value),
  Abs: onNumber(Math.abs),
  Relu: (dtype, [a]) => greatest(dtype, [a, 0]),
  Max: greatest,
  Min: chosen((a, b) => provablyAtLeast(b, a)),
};

const certain = (yes: boolean, no: boolean): number | undefined => (yes ? 1 : no ? 0 : undefined);
const above = (a: Expr, b: Expr): boolean => provablyAtLeast(a, add(b, 1));

/** Over one divisor, on whole numbers. */
const comparisons: Readonly<Record<string, Comparison>> = {
  Equal: (a, b) => certain(floatsOfOneValue(a, b), above(a, b) || above(b, a)),
  Greater: (a, b) => certain(above(a, b), provablyAtLeast(b, a)),
  GreaterOrEqual: (a, b) => certain(provablyAtLeast(a, b), above(b, a)),
  Less: (a, b) => certain(above(b, a), provablyAtLeast(a, b)),
  LessOrEqual: (a, b) => certain(provablyAtLeast(b, a), above(a, b)),
};

const floatsOfOneValue = (a: Expr, b: Expr): boolean => provablyAtLeast(a, b) && provablyAtLeast(b, a);

/** Output 0 has what the node's operator makes of the known elements of its float inputs; true where they are floats. */
export function setFloatContent(context: InferenceContext): boolean {
  const given = context.node.inputs.flatMap((input, index) => (input === null ? [] : [index]));
  const isChoice = context.node.opType === 'Where';
  const operands = isChoice ? [1, 2] : given;
  const dtype = context.dtype(operands[0] ?? 0);
  if (!isFloatType(dtype)) return false;
  const type = context.types[0];
  const dims = type?.kind === 'tensor' ? staticShape(type.shape) : undefined;
  const inputs = operands.map((index) => floatsOfInput(context, index));
  const known = inputs.filter((input) => input !== undefined);
  if (dims === undefined || known.length < operands.length || known.length === 0) return true;
  if (!known.every((each) => each.dtype === dtype && stretchesTo(each.dims, dims))) return true;
  const elementsAt = (coordinate: readonly number[]) => known.map((each) => stretchedElement(each, coordinate));
  const { opType } = context.node;
  const comparison = comparisons[opType];
  const operation = operations[opType];
  if (comparison !== undefined) {
    context.setContent(
      0,
      buildContent('bool', dims, (coordinate) => compared(comparison, elementsAt(coordinate))),
    );
  } else if (operation !== undefined) {
    context.setContent(
      0,
      buildContent(dtype, dims, (coordinate) => operation(dtype, elementsAt(coordinate))),
    );
  } else if (isChoice) {
    const condition = context.content(0);
    context.setContent(
      0,
      buildContent(dtype, dims, (coordinate) => {
        const [a, b] = elementsAt(coordinate);
        const isFirst = condition && stretchedElement(condition, coordinate);
        return isFirst === 1 ? a : isFirst === 0 ? b : elementsEqual(a, b) ? a : undefined;
      }),
    );
  }
  return true;
}

function compared(comparison: Comparison, [a, b]: readonly Element[]): number | undefined {
  if (a === undefined || b === undefined) return undefined;
  if (typeof a === 'number' && typeof b === 'number') return comparison(...ranked(a, b));
  const both = overOneDivisor(a, b);
  return both?.left === undefined || both.right === undefined ? undefined : comparison(both.left, both.right);
}
