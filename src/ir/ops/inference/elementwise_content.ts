import type { DataType } from '../../data_type.js';
import {
  add,
  dimEquals,
  type Expr,
  fmod,
  maxOf,
  minOf,
  mod,
  mul,
  neg,
  provablyAtLeast,
  provablyDifferent,
  sub,
  truncDiv,
} from '../../dim.js';
import { elementCount } from '../../tensor.js';
import { type Content, content, maxContentElements } from './content.js';
import type { InferenceContext } from './context.js';

type Element = Expr | undefined;

/** 1 where something is certain, 0 where its opposite is, else unknown. */
const truth = (yes: boolean, no: boolean): Element => (yes ? 1 : no ? 0 : undefined);

const atLeast = (a: Element, b: Element): boolean => provablyAtLeast(a, b);
const above = (a: Element, b: Element): boolean => atLeast(a, add(b, 1));

/** Elementwise operators on integers and bools, on known elements. Min, Max and Sum take any number of inputs. */
const operations: Readonly<Record<string, (elements: readonly Element[], context: InferenceContext) => Element>> = {
  Add: ([a, b]) => add(a, b),
  Sub: ([a, b]) => sub(a, b),
  Mul: ([a, b]) => (a === 0 || b === 0 ? 0 : mul(a, b)),
  Div: ([a, b]) => truncDiv(a, b),
  Mod: ([a, b], context) => (context.int('fmod', 0) === 1 ? fmod(a, b) : mod(a, b)),
  Neg: ([a]) => neg(a),
  Abs: ([a]) => (atLeast(a, 0) ? a : atLeast(0, a) ? neg(a) : undefined),
  Sign: ([a]) => (a === 0 ? 0 : above(a, 0) ? 1 : above(0, a) ? -1 : undefined),
  Identity: ([a]) => a,
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
  Where: ([c, a, b]) => (c === 1 ? a : c === 0 ? b : a !== undefined && dimEquals(a, b) ? a : undefined),
};

/** Widths whose results wrap around; beyond them an element is not known. */
const limits: Partial<Record<DataType, readonly [number | bigint, number | bigint]>> = {
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
  int32: [-(2 ** 31), 2 ** 31 - 1],
  bool: [0, 1],
};

/** Applies the node's operator to the known elements of its inputs, broadcast against each other. */
export function setElementwiseContent(context: InferenceContext): void {
  const operation = operations[context.node.opType];
  const inputs = context.node.inputs.map((_, index) => context.content(index));
  if (operation === undefined || inputs.some((input) => input === undefined) || inputs.length === 0) return;
  const known = inputs.filter((input) => input !== undefined);
  const dims = broadcastDimsOf(known);
  const type = context.types[0];
  const dtype = type?.kind === 'tensor' ? type.dtype : undefined;
  if (dims === undefined || dtype === undefined || limits[dtype] === undefined) return;
  const elements = Array.from({ length: elementCount(dims) }, (_, index) =>
    within(
      dtype,
      operation(
        known.map((input) => elementAt(input, dims, index)),
        context,
      ),
    ),
  );
  context.setContent(0, content(dtype, dims, elements));
}

/** Symbols stand for sizes and fit every width; numbers are checked. */
export function within(dtype: DataType, element: Element): Element {
  const limit = limits[dtype];
  if (limit === undefined) return undefined;
  if (typeof element !== 'number' && typeof element !== 'bigint') return dtype === 'int64' ? element : undefined;
  return element >= limit[0] && element <= limit[1] ? element : undefined;
}

function broadcastDimsOf(inputs: readonly Content[]): readonly number[] | undefined {
  const rank = Math.max(...inputs.map(({ dims }) => dims.length));
  const result: number[] = [];
  for (let axis = 0; axis < rank; axis += 1) {
    const sizes = inputs.map(({ dims }) => dims[axis - (rank - dims.length)] ?? 1).filter((size) => size !== 1);
    if (new Set(sizes).size > 1) return undefined;
    result.push(sizes[0] ?? 1);
  }
  return elementCount(result) <= maxContentElements ? result : undefined;
}

function elementAt({ dims, elements }: Content, outer: readonly number[], index: number): Element {
  let rest = index;
  let position = 0;
  let stride = 1;
  for (let axis = outer.length - 1; axis >= 0; axis -= 1) {
    const coordinate = rest % outer[axis]!;
    rest = Math.floor(rest / outer[axis]!);
    const size = dims[axis - (outer.length - dims.length)];
    if (size === undefined) continue;
    if (size !== 1) position += coordinate * stride;
    stride *= size;
  }
  return elements[position];
}
