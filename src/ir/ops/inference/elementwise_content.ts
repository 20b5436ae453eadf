import type { DataType } from '../../data_type.js';
import {
  add,
  dimEquals,
  type Expr,
  fmod,
  max,
  maxOf,
  min,
  minOf,
  mod,
  mul,
  neg,
  product,
  provablyAtLeast,
  provablyDifferent,
  sub,
  truncDiv,
} from '../../dim.js';
import { staticShape } from '../../value_type.js';
import { bitShift, bitwise, bitwiseNot } from './bitwise_content.js';
import type { Content } from './content.js';
import { buildContent, elementsOfInput, stretchedElement, stretchesTo } from './content_view.js';
import type { InferenceContext } from './context.js';
import { setFloatContent } from './float_content.js';
import { integerRange, within } from './integer_range.js';

type Element = Expr | undefined;

type Operation = (elements: readonly Element[], context: InferenceContext, dtype: DataType) => Element;

/** 1 where something is certain, 0 where its opposite is, else unknown. */
const truth = (yes: boolean, no: boolean): Element => (yes ? 1 : no ? 0 : undefined);

const atLeast = (a: Element, b: Element): boolean => provablyAtLeast(a, b);
const above = (a: Element, b: Element): boolean => atLeast(a, add(b, 1));

/** Elementwise operators on integers and bools, on known elements; the elements are those of the inputs given. */
const operations: Readonly<Record<string, Operation>> = {
  Add: ([a, b]) => add(a, b),
  Sub: ([a, b]) => sub(a, b),
  Mul: ([a, b]) => (a === 0 || b === 0 ? 0 : mul(a, b)),
  Div: ([a, b]) => truncDiv(a, b),
  Mod: ([a, b], context) => (context.int('fmod', 0) !== 0 ? fmod(a, b) : mod(a, b)),
  Pow: ([a, b]) => power(a, b),
  Neg: ([a]) => neg(a),
  Abs: ([a]) => (atLeast(a, 0) ? a : atLeast(0, a) ? neg(a) : undefined),
  Sign: ([a]) => (a === 0 ? 0 : above(a, 0) ? 1 : above(0, a) ? -1 : undefined),
  Relu: ([a]) => max(a, 0),
  Identity: ([a]) => a,
  Clip: ([a, ...limits], context) => {
    if (context.opset < 11) return undefined;
    const raised = context.has(1) ? max(a, limits[0]) : a;
    return context.has(2) ? min(raised, limits.at(-1)) : raised;
  },
  Max: (elements) => maxOf(elements),
  Min: (elements) => minOf(elements),
  Sum: (elements) => elements.reduce((total: Element, each) => add(total, each), 0),
  Equal: ([a, b]) => truth(dimEquals(a, b), provablyDifferent(a, b)),
  Greater: ([a, b]) => truth(above(a, b), atLeast(b, a)),
  GreaterOrEqual: ([a, b]) => truth(atLeast(a, b), above(b, a)),
  Less: ([a, b]) => truth(above(b, a), atLeast(a, b)),
  LessOrEqual: ([a, b]) => truth(atLeast(b, a), above(a, b)),
  Not: ([a]) => (a === 0 ? 1 : a === 1 ? 0 : undefined),
  And: ([a, b]) => truth(a === 1 && b === 1, a === 0 || b === 0),
  Or: ([a, b]) => truth(a === 1 || b === 1, a === 0 && b === 0),
  Xor: ([a, b]) => (a === undefined || b === undefined ? undefined : a === b ? 0 : 1),
  Where: ([c, a, b]) => (c === 1 ? a : c === 0 ? b : dimEquals(a, b) ? a : undefined),
  BitwiseAnd: bitwise((a, b) => a & b),
  BitwiseOr: bitwise((a, b) => a | b),
  BitwiseXor: bitwise((a, b) => a ^ b),
  BitwiseNot: ([a], _, dtype) => bitwiseNot(a, dtype),
  BitShift: ([a, b], context, dtype) => bitShift(a, b, context.string('direction', ''), dtype),
};

const maxExponent = 64;

function power(base: Element, exponent: Element): Element {
  if (typeof exponent !== 'number' || exponent < 0 || exponent > maxExponent) return undefined;
  return product(Array.from({ length: exponent }, () => base));
}

/** Output 0 has what the node's operator makes of the known elements of its inputs, broadcast against each other. */
export function setElementwiseContent(context: InferenceContext): void {
  const given = context.node.inputs.flatMap((input, index) => (input === null ? [] : [index]));
  if (given.every((index) => context.anyContent(index) === undefined) || setFloatContent(context)) return;
  if (given.every((index) => context.content(index) === undefined)) return;
  const inputs = given.map((index) => elementsOfInput(context, index));
  setContentOf(
    context,
    inputs.filter((input) => input !== undefined),
    inputs.length,
  );
}

/** As `setElementwiseContent` from these contents in place of the inputs. Nothing where there are not `count` of them. */
export function setContentOf(context: InferenceContext, inputs: readonly Content[], count = inputs.length): void {
  const operation = operations[context.node.opType];
  const type = context.types[0];
  const dtype = type?.kind === 'tensor' ? type.dtype : undefined;
  if (operation === undefined || inputs.length === 0 || inputs.length < count) return;
  if (type?.kind !== 'tensor' || dtype === undefined || integerRange(dtype) === undefined) return;
  const dims = staticShape(type.shape);
  if (dims === undefined || !inputs.every((input) => stretchesTo(input.dims, dims))) return;
  const result = buildContent(dtype, dims, (coordinate) => {
    const elements = inputs.map((input) => stretchedElement(input, coordinate));
    return within(dtype, operation(elements, context, dtype));
  });
  context.setContent(0, result);
}
