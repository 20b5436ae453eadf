// (x · a) · b, (x · a) / b, (x / a) · b, (x / a) / b => x · c
// (x + a) + b, (x + a) − b, (x − a) + b, (x − a) − b => x + c
// (x · a + b) · c => x · a·c + b·c
// Needs: constants of one floating-point type, neither larger than the merged one, and inner results nothing else reads.
import type { Node, Value } from '../../../ir/graph.js';
import { elementCount, type Tensor } from '../../../ir/tensor.js';
import {
  type FloatType,
  isFloatType,
  isInRange,
  isNormal,
  numbersOf,
  numbersTensor,
} from '../../rewrite/float_numbers.js';
import { any, type Constant, constant, type NodePattern, oneOf, op, type ValuePattern } from '../../rewrite/pattern.js';
import { defineRewrite } from '../../rewrite/rewrite.js';
import { broadcastsFreely } from './channel_operand.js';

/** `x op a` with the constant on the right, or on the left where the order does not matter. */
function withConstant<N extends string, O extends string, X>(
  name: N,
  opTypes: readonly string[],
  x: ValuePattern<X>,
  operand: O,
): readonly NodePattern<X & Record<N, Node> & Record<O, Constant>>[] {
  const symmetric = opTypes.filter((opType) => opType === 'Mul' || opType === 'Add');
  return [
    op(name, opTypes, [x, constant(operand)], broadcastsFreely),
    op(name, symmetric, [constant(operand), x], broadcastsFreely),
  ] as never;
}

type Pair = {
  readonly root: Node;
  readonly inner: Node;
  readonly x: Value;
  readonly a: Constant;
  readonly b: Constant;
};

const pairs = (opTypes: readonly string[]) =>
  withConstant('root', opTypes, oneOf(...withConstant('inner', opTypes, any('x'), 'a')), 'b');

const [products, leftProducts] = pairs(['Mul', 'Div']);
const [sums, leftSums] = pairs(['Add', 'Sub']);

const product = (match: Pair): Merged | string =>
  merge(match.a.tensor, match.b.tensor, (a, b) => factorOf(match.inner, a) * factorOf(match.root, b));

/** Where large terms cancel, x + a rounds x away before b brings the size back: six bits of it may go. */
function total(match: Pair): Merged | string {
  let [largest, rest] = [0, 0];
  const sum = merge(match.a.tensor, match.b.tensor, (a, b) => {
    const terms = [termOf(match.inner, a), termOf(match.root, b)] as const;
    largest = Math.max(largest, Math.abs(terms[0]), Math.abs(terms[1]));
    rest = Math.max(rest, Math.abs(terms[0] + terms[1]));
    return terms[0] + terms[1];
  });
  return rest < largest / 64 ? 'the terms cancel' : sum;
}

const factorOf = ({ opType }: Node, value: number): number => (opType === 'Div' ? 1 / value : value);
const termOf = ({ opType }: Node, value: number): number => (opType === 'Sub' ? -value : value);

function pairRule(name: string, summary: string, pattern: unknown, opType: string, merged: typeof product) {
  return defineRewrite<Pair>({
    name,
    summary,
    licence: 'reassociates',
    pattern: pattern as NodePattern<Pair>,
    check(match) {
      const result = merged(match);
      return typeof result === 'string' ? result : undefined;
    },
    rewrite(match, build) {
      const result = merged(match);
      if (typeof result === 'string') return [null];
      return [
        build.op(opType, [match.x, build.constant(tensorOf(result), match.a.value.name)], { name: match.root.name }),
      ];
    },
  });
}

export const mergeConstantFactors = pairRule(
  'merge-constant-factors',
  '(x · a) · b => x · ab',
  products,
  'Mul',
  product,
);

export const mergeLeftConstantFactors = pairRule(
  'merge-left-constant-factors',
  'b · (x · a) => x · ab',
  leftProducts,
  'Mul',
  product,
);

export const mergeConstantTerms = pairRule('merge-constant-terms', '(x + a) + b => x + (a + b)', sums, 'Add', total);

export const mergeLeftConstantTerms = pairRule(
  'merge-left-constant-terms',
  'b + (x + a) => x + (a + b)',
  leftSums,
  'Add',
  total,
);

type Chain = Omit<Pair, 'inner'> & { readonly inner: Node; readonly sum: Node; readonly c: Constant };

const scaled = oneOf(...withConstant('inner', ['Mul', 'Div'], any('x'), 'a'));
const shifted = oneOf(...withConstant('sum', ['Add', 'Sub'], scaled, 'b'));
const [chain, leftChain] = withConstant('root', ['Mul', 'Div'], shifted, 'c');

const chainRule = (name: string, pattern: unknown) =>
  defineRewrite<Chain>({
    name,
    summary: '(x · a + b) · c => x · ac + bc',
    licence: 'reassociates',
    pattern: pattern as NodePattern<Chain>,
    check(match) {
      const { factor, shift } = chainConstants(match);
      return [factor, shift].find((part) => typeof part === 'string');
    },
    rewrite(match, build) {
      const { factor, shift } = chainConstants(match);
      if (typeof factor === 'string' || typeof shift === 'string') return [null];
      const product = build.op('Mul', [match.x, build.constant(tensorOf(factor), match.a.value.name)], {
        name: match.inner.name,
      });
      return [
        build.op('Add', [product, build.constant(tensorOf(shift), match.b.value.name)], { name: match.sum.name }),
      ];
    },
  });

export const mergeScaledShift = chainRule('merge-scaled-shift', chain);

export const mergeLeftScaledShift = chainRule('merge-left-scaled-shift', leftChain);

function chainConstants({ root, sum, inner, a, b, c }: Chain): { factor: Merged | string; shift: Merged | string } {
  return {
    factor: merge(a.tensor, c.tensor, (x, y) => factorOf(inner, x) * factorOf(root, y)),
    shift: merge(b.tensor, c.tensor, (x, y) => termOf(sum, x) * factorOf(root, y)),
  };
}

type Merged = { readonly dtype: FloatType; readonly values: Float64Array; readonly dims: readonly number[] };

const tensorOf = ({ dtype, values, dims }: Merged): Tensor => numbersTensor(dtype, values, dims);

/** Both constants in one, in the shape that they broadcast to, or why that is not as good. */
function merge(a: Tensor, b: Tensor, combine: (a: number, b: number) => number): Merged | string {
  const { dtype } = a;
  if (!isFloatType(dtype)) return 'the constants are not floating-point numbers';
  if (dtype !== b.dtype) return 'the constants are of two types';
  const rank = Math.max(a.dims.length, b.dims.length);
  const left = padded(a.dims, rank);
  const right = padded(b.dims, rank);
  if (left.some((dim, axis) => dim !== right[axis] && dim !== 1 && right[axis] !== 1))
    return 'the constants do not fit';
  const dims = left.map((dim, axis) => (dim === 1 ? right[axis]! : dim));
  const count = elementCount(dims);
  if (count > Math.max(elementCount(left), elementCount(right))) return 'merged, the constants would take more room';
  const [x, y] = [numbersOf(a), numbersOf(b)];
  const values = new Float64Array(count);
  for (let index = 0; index < count; index += 1) {
    const [first, second] = [x[indexIn(left, dims, index)]!, y[indexIn(right, dims, index)]!];
    const value = combine(first, second);
    if (!isInRange(dtype, value)) return `merged, a constant leaves the range of ${dtype}`;
    const sinks = !isNormal(dtype, value) && value !== 0 && (isNormal(dtype, first) || isNormal(dtype, second));
    if (sinks) return `merged, a constant becomes too small for ${dtype}`;
    values[index] = value;
  }
  return { dtype, values, dims };
}

const padded = (dims: readonly number[], rank: number): number[] => [
  ...Array.from({ length: rank - dims.length }, () => 1),
  ...dims,
];

/** Where an element of `dims` lies in a tensor that broadcasts to it. */
function indexIn(source: readonly number[], dims: readonly number[], index: number): number {
  let rest = index;
  let found = 0;
  let stride = 1;
  for (let axis = dims.length - 1; axis >= 0; axis -= 1) {
    const position = rest % dims[axis]!;
    rest = Math.floor(rest / dims[axis]!);
    if (source[axis] !== 1) found += position * stride;
    stride *= source[axis]!;
  }
  return found;
}
