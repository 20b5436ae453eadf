import { describe } from 'vitest';
import { intAttribute, intsAttribute } from '../../../src/ir/attribute.js';
import type { DataType } from '../../../src/ir/data_type.js';
import type { Value } from '../../../src/ir/graph.js';
import { encodeHalf } from '../../../src/ir/half_float.js';
import { floatTensor, int64Tensor, type Tensor, tensorFromData } from '../../../src/ir/tensor.js';
import { type ModelBuilder, randomTensor } from '../../build_model.js';
import { type Trap, testTraps } from './trap.js';

type Dims = readonly (number | string)[];

const trap = (
  name: string,
  dims: Dims,
  body: (b: ModelBuilder, x: Value) => Value,
  { dtype = 'float', gives = dtype, ...more }: Partial<Trap> & { dtype?: DataType; gives?: DataType } = {},
): Trap => ({
  name,
  build: (b) => b.output(body(b, b.input('x', dims, dtype)), 'y', gives),
  ...more,
});

const constant = (b: ModelBuilder, tensor: Tensor): Value => b.constant(b.editor.freshName('k'), tensor);
const number = (b: ModelBuilder, value: number, dims: readonly number[] = []): Value =>
  constant(b, floatTensor(new Array(dims.reduce((n, d) => n * d, 1)).fill(value), dims));
const integer = (b: ModelBuilder, value: bigint | number): Value => constant(b, int64Tensor([value], []));

const filled = (value: number, dims: readonly number[]) => ({ value, dims });

/** x and a neutral number whose shape decides whether the result is x. */
const neutral = [
  ['Add', filled(0, [3, 1])],
  ['Add', filled(0, [1, 1, 3])],
  ['Mul', filled(1, [2, 3])],
  ['Mul', filled(1, [1, 1, 1])],
  ['Sub', filled(0, [4, 1, 1])],
  ['Div', filled(1, [2, 1, 3])],
  ['Pow', filled(1, [1, 2, 3])],
] as const;

const neutrals: readonly Trap[] = [
  ...neutral.map(([opType, { value, dims }]) =>
    trap(`${opType} of ${value} in the shape [${dims}] broadcasts its other side`, [1, 3], (b, x) =>
      b.op(opType, [x, number(b, value, dims)]),
    ),
  ),
  ...(['Add', 'Mul'] as const).map((opType) =>
    trap(
      `${opType} of a neutral [4] pins a size that is open`,
      ['n'],
      (b, x) => b.op(opType, [x, number(b, opType === 'Add' ? 0 : 1, [4])]),
      { bindings: [{ n: 4 }, { n: 1 }] },
    ),
  ),
  trap('a neutral number of no elements empties', [1, 3], (b, x) =>
    b.op('Add', [x, constant(b, floatTensor([], [0, 3]))]),
  ),
  trap('x + 0 makes 0 of −0', [2, 30], (b, x) => b.op('Add', [x, number(b, 0)]), {
    allowance: { relative: 0, zeroSign: 'free' },
  }),
  trap('x − 0 is x', [2, 30], (b, x) => b.op('Sub', [x, number(b, 0)])),
  trap('x · 1 is x', [2, 30], (b, x) => b.op('Mul', [x, number(b, 1)])),
  trap('x ÷ 1 is x', [2, 30], (b, x) => b.op('Div', [x, number(b, 1)])),
  trap('0 − x is not x', [2, 30], (b, x) => b.op('Sub', [number(b, 0), x])),
  trap('1 ÷ x is not x', [2, 30], (b, x) => b.op('Div', [number(b, 1), x])),
  trap('1 to the power of x is not x', [2, 30], (b, x) => b.op('Pow', [number(b, 1), x])),
  trap(
    'x to the power of 1 and of 2',
    [2, 30],
    (b, x) => b.op('Sub', [b.op('Pow', [x, number(b, 1)]), b.op('Pow', [x, number(b, 2)])]),
    { allowance: { relative: 1e-6 } },
  ),
  trap('x · 0 is NaN where x is not finite, and may be −0', [2, 30], (b, x) => b.op('Mul', [x, number(b, 0)])),
  trap('x − x is NaN where x is not finite', [2, 30], (b, x) => b.op('Sub', [x, x])),
  trap('x ÷ x is NaN at 0', [2, 30], (b, x) => b.op('Div', [x, x])),
  trap('two negations, of float', [2, 30], (b, x) => b.op('Neg', [b.op('Neg', [x])])),
  trap('the exponential of the logarithm', [2, 30], (b, x) => b.op('Exp', [b.op('Log', [x])])),
  trap('the square of the square root', [2, 30], (b, x) => {
    const root = b.op('Sqrt', [x]);
    return b.op('Mul', [root, root]);
  }),
  trap('the square root of the square', [2, 30], (b, x) => b.op('Sqrt', [b.op('Mul', [x, x])])),
  trap('the reciprocal of the reciprocal', [2, 30], (b, x) => b.op('Reciprocal', [b.op('Reciprocal', [x])])),
  trap(
    'a scale and its inverse are not nothing',
    [2, 30],
    (b, x) => b.op('Mul', [b.op('Mul', [x, number(b, 1e30)]), number(b, 1e-30)]),
    { allowance: { relative: 1e-6 }, flavours: ['plain'] },
  ),
  trap(
    'two scales whose product overflows',
    [2, 5],
    (b, x) => b.op('Mul', [b.op('Mul', [x, number(b, 1e-30)]), number(b, 1e30)]),
    { allowance: { relative: 1e-6 }, flavours: ['plain', 'finite'] },
  ),
  trap(
    'two additions, the first of which rounds away',
    [2, 5],
    (b, x) => b.op('Add', [b.op('Add', [x, number(b, 1e8)]), number(b, -1e8)]),
    { flavours: ['plain'], allowance: { relative: 1e-7, floor: 1e8 } },
  ),
];

const integers: readonly Trap[] = [
  trap(
    'an integer divided by 3 and multiplied by 3',
    [30],
    (b, x) => b.op('Mul', [b.op('Div', [x, integer(b, 3)]), integer(b, 3)]),
    { dtype: 'int64' },
  ),
  trap(
    'an integer multiplied and divided again overflows between',
    [30],
    (b, x) => b.op('Div', [b.op('Mul', [x, integer(b, 2n ** 40n)]), integer(b, 2n ** 40n)]),
    { dtype: 'int64' },
  ),
  trap('an integer divided twice', [30], (b, x) => b.op('Div', [b.op('Div', [x, integer(b, -3)]), integer(b, 5)]), {
    dtype: 'int64',
  }),
  trap(
    'integers past 2^53 are folded exactly',
    [1],
    (b, x) => {
      const sum = b.op('Add', [integer(b, 2n ** 53n), integer(b, 1)]);
      const product = b.op('Mul', [integer(b, 2n ** 31n + 1n), integer(b, 2n ** 31n - 1n)]);
      return b.op('Add', [x, b.op('Sub', [product, sum])]);
    },
    { dtype: 'int64', gone: ['Sub', 'Mul'] },
  ),
  trap(
    'integers that wrap round when they are folded',
    [1],
    (b, x) => b.op('Add', [x, b.op('Mul', [integer(b, 2n ** 62n + 1n), integer(b, 6)])]),
    { dtype: 'int64' },
  ),
  trap(
    'integer constants that are folded by division and remainder, signs mixed',
    [4],
    (b, x) => {
      const a = constant(b, int64Tensor([7, -7, 7, -7]));
      const d = constant(b, int64Tensor([2, 2, -2, -2]));
      return b.op('Add', [x, b.op('Add', [b.op('Div', [a, d]), b.op('Mod', [a, d])])]);
    },
    { dtype: 'int64', gone: ['Div', 'Mod'] },
  ),
  trap('x + 0 and x · 1 of integers', [30], (b, x) => b.op('Mul', [b.op('Add', [x, integer(b, 0)]), integer(b, 1)]), {
    dtype: 'int64',
  }),
  trap('x · 0 of integers in a symbolic shape', ['n'], (b, x) => b.op('Mul', [x, integer(b, 0)]), {
    dtype: 'int64',
    bindings: [{ n: 3 }, { n: 0 }],
  }),
  trap(
    'consecutive additions of large integers',
    [30],
    (b, x) => b.op('Add', [b.op('Add', [x, integer(b, 2n ** 62n)]), integer(b, 2n ** 62n)]),
    { dtype: 'int64' },
  ),
  trap(
    'minimum and maximum of integers past 2^53',
    [30],
    (b, x) => b.op('Max', [b.op('Min', [x, integer(b, 2n ** 53n + 1n)]), integer(b, 2n ** 53n)]),
    { dtype: 'int64' },
  ),
  trap(
    'Range of integers past 2^53',
    [2],
    (b, x) => {
      const range = b.op('Range', [integer(b, 2n ** 53n + 2n), integer(b, 2n ** 53n + 4n), integer(b, 1)]);
      return b.op('Add', [x, range]);
    },
    { dtype: 'int64', gone: ['Range'] },
  ),
  trap('negation of the smallest int64', [1], (b, x) => b.op('Add', [x, b.op('Neg', [integer(b, -(2n ** 63n))])]), {
    dtype: 'int64',
  }),
];

const cast = (b: ModelBuilder, x: Value, code: number): Value =>
  b.op('Cast', [x], { attributes: [intAttribute('to', code)] });
const [toFloat, toInt32, toInt64, toBool, toHalf, toDouble] = [1, 6, 7, 9, 10, 11] as const;

const casts: readonly Trap[] = [
  trap('float to half and back rounds', [2, 30], (b, x) => cast(b, cast(b, x, toHalf), toFloat)),
  trap('half to float and back is nothing', [2, 30], (b, x) => cast(b, cast(b, x, toFloat), toHalf), {
    dtype: 'float16',
  }),
  trap('float to int32 and back truncates', [2, 5], (b, x) => cast(b, cast(b, x, toInt32), toFloat), {
    flavours: ['plain', 'finite'],
  }),
  trap('float to double and back is nothing', [2, 30], (b, x) => cast(b, cast(b, x, toDouble), toFloat)),
  trap('double to float and back rounds', [2, 30], (b, x) => cast(b, cast(b, x, toFloat), toDouble), {
    dtype: 'double',
  }),
  trap('int64 to int32 and back wraps', [30], (b, x) => cast(b, cast(b, x, toInt32), toInt64), { dtype: 'int64' }),
  trap('int64 to float and back rounds', [5], (b, x) => cast(b, cast(b, x, toFloat), toInt64), {
    dtype: 'int64',
    feeds: [{ x: int64Tensor([2n ** 24n + 1n, 2n ** 53n + 1n, -(2n ** 31n) - 1n, 5, 0]) }],
    flavours: ['plain'],
  }),
  trap('int64 to double and back rounds past 2^53', [3], (b, x) => cast(b, cast(b, x, toDouble), toInt64), {
    dtype: 'int64',
    feeds: [{ x: int64Tensor([2n ** 53n + 1n, -(2n ** 53n) - 1n, 7]) }],
    flavours: ['plain'],
  }),
  trap('int64 to bool and back is 0 or 1', [30], (b, x) => cast(b, cast(b, x, toBool), toInt64), { dtype: 'int64' }),
  trap('bool to int64 and back is nothing', [30], (b, x) => cast(b, cast(b, x, toInt64), toBool), { dtype: 'bool' }),
  trap(
    'float to bool by way of int32 is another than directly',
    [2, 5],
    (b, x) => cast(b, cast(b, cast(b, x, toInt32), toBool), toFloat),
    { flavours: ['plain', 'finite'] },
  ),
  trap(
    'a constant too large for half becomes infinite when it is folded',
    [3],
    (b, x) => beside(b, x, cast(b, constant(b, floatTensor([65520, -65520, 65519])), toHalf)),
    { dtype: 'float16' },
  ),
  trap(
    'half-precision sums are folded in half precision',
    [2],
    (b, x) => {
      const half = (values: readonly number[]) =>
        constant(b, tensorFromData('float16', [2], encodeHalf('float16', values)));
      return beside(b, x, b.op('Add', [half([2048, 1]), half([1, 2 ** -12])]));
    },
    { dtype: 'float16' },
  ),
];

/** The runtime computes chains of half precision in float; what is only moved keeps its rounding. */
const beside = (b: ModelBuilder, x: Value, y: Value): Value =>
  b.op('Concat', [x, y], { attributes: [intAttribute('axis', 0)] });

const clip = (b: ModelBuilder, x: Value, low: number | null, high: number | null): Value =>
  b.op('Clip', [x, low === null ? null : number(b, low), high === null ? null : number(b, high)]);

const ranges: readonly Trap[] = [
  trap('Clips to ranges that do not meet', [2, 30], (b, x) => clip(b, clip(b, x, -3, -1), 1, 2)),
  trap('Clips to ranges that do not meet, the other way', [2, 30], (b, x) => clip(b, clip(b, x, 1, 2), -3, -1)),
  trap('Clips to ranges that overlap', [2, 30], (b, x) => clip(b, clip(b, x, -1, 1.5), -0.5, 3)),
  trap('Clips with one end each', [2, 30], (b, x) => clip(b, clip(b, x, null, 1), -0.5, null)),
  trap('Clip to a negative maximum in front of Relu', [2, 30], (b, x) => b.op('Relu', [clip(b, x, -3, -1)])),
  trap('Clip in front of Relu', [2, 30], (b, x) => b.op('Relu', [clip(b, x, -3, 0.5)])),
  trap('Clip to a negative maximum behind Relu', [2, 30], (b, x) => clip(b, b.op('Relu', [x]), -3, -1)),
  trap('Clip with a minimum above its maximum', [2, 30], (b, x) => clip(b, x, 2, 1)),
  trap('a Clip with a minimum above its maximum behind another', [2, 30], (b, x) => clip(b, clip(b, x, 2, 1), 1.25, 3)),
  trap('a Clip with no ends is nothing', [2, 30], (b, x) => b.op('Neg', [clip(b, x, null, null)])),
  trap('a Clip to everything keeps NaN and brings infinity down', [2, 30], (b, x) =>
    clip(b, x, -3.4028234663852886e38, 3.4028234663852886e38),
  ),
  trap('Relu twice', [2, 30], (b, x) => b.op('Relu', [b.op('Relu', [x])])),
  trap('Relu by Max with 0', [2, 30], (b, x) => b.op('Max', [x, number(b, 0)]), {
    allowance: { relative: 0, zeroSign: 'free' },
  }),
  ...(['int64', 'int32'] as const).map((dtype) =>
    trap(
      `Max with 0 of ${dtype} is no Relu that runtimes have`,
      [9],
      (b, x) =>
        b.op('Max', [
          x,
          b.op('Cast', [integer(b, 0)], { attributes: [intAttribute('to', dtype === 'int64' ? 7 : 6)] }),
        ]),
      { dtype },
    ),
  ),
  trap('Min and Max by constants that do not meet', [2, 30], (b, x) =>
    b.op('Max', [b.op('Min', [x, number(b, -1)]), number(b, 1)]),
  ),
  trap('Max and Min by constants that do not meet', [2, 30], (b, x) =>
    b.op('Min', [b.op('Max', [x, number(b, 1)]), number(b, -1)]),
  ),
  trap('Min by a constant of one a column', [2, 3], (b, x) =>
    b.op('Max', [b.op('Min', [x, constant(b, floatTensor([1, 0, -1]))]), number(b, -0.5)]),
  ),
  trap('Min by a constant that broadcasts', [2, 3], (b, x) => b.op('Min', [x, number(b, 0.25, [2, 1, 1])])),
  {
    name: 'a Clip whose ends are inputs',
    build(b) {
      b.output(clip(b, b.op('Clip', [b.input('x', [9]), b.input('low', []), b.input('high', [])]), -0.5, 1), 'y');
    },
  },
  {
    name: 'Clip with attributes in front of Relu',
    opset: 6,
    build(b) {
      const attributes = [
        { name: 'min', kind: 'float', value: -2 },
        { name: 'max', kind: 'float', value: -1 },
      ] as const;
      b.output(b.op('Relu', [b.op('Clip', [b.input('x', [3, 30])], { attributes })]), 'y');
    },
  },
];

const order: readonly Trap[] = [
  ...(['Log', 'Exp', 'Sqrt', 'Neg', 'Abs', 'Relu', 'Sigmoid', 'Softmax'] as const).flatMap((opType) =>
    (['ArgMax', 'ArgMin'] as const).map((arg) =>
      trap(
        `${arg} of ${opType} may choose another element than without it`,
        [6, 10],
        (b, x) => b.op(arg, [b.op(opType, [x])], { attributes: [intAttribute('axis', 1)] }),
        { gives: 'int64', flavours: ['plain', 'finite'] },
      ),
    ),
  ),
  trap(
    'ArgMax of a large Exp, where several are infinite',
    [1, 4],
    (b, x) => b.op('ArgMax', [b.op('Exp', [x])], { attributes: [intAttribute('axis', 1)] }),
    { gives: 'int64', feeds: [{ x: floatTensor([100, 200, 300, 5], [1, 4]) }], flavours: ['plain'] },
  ),
  trap(
    'the largest k of Sigmoid, which saturates',
    [1, 4],
    (b, x) => {
      const [, indices] = b.ops('TopK', [b.op('Sigmoid', [x]), constant(b, int64Tensor([2]))], { outputs: 2 });
      return indices!;
    },
    { gives: 'int64', feeds: [{ x: floatTensor([40, 50, 60, 5], [1, 4]) }], flavours: ['plain'] },
  ),
  trap('a comparison of equal sides is false for NaN', [2, 30], (b, x) => b.op('Equal', [x, x]), { gives: 'bool' }),
  trap('Not of Less is not GreaterOrEqual for NaN', [2, 30], (b, x) => b.op('Not', [b.op('Less', [x, number(b, 0)])]), {
    gives: 'bool',
  }),
  trap('Where with the same on both sides and a condition that broadcasts', [1, 3], (b, x) =>
    b.op('Where', [b.input('c', [2, 1], 'bool'), x, x]),
  ),
  trap(
    'a mean over no axis and over all',
    [2, 3, 4],
    (b, x) =>
      b.op('ReduceMean', [b.op('ReduceMean', [x], { attributes: [intsAttribute('axes', [1])] })], {
        attributes: [intAttribute('keepdims', 0)],
      }),
    { allowance: { relative: 1e-5 } },
  ),
  {
    name: 'a sum with an empty list of axes that is told to do nothing',
    opset: 18,
    build(b) {
      const attributes = [intAttribute('noop_with_empty_axes', 1)];
      const x = b.input('x', [2, 3]);
      b.output(b.op('ReduceSum', [x, constant(b, int64Tensor([]))], { attributes }), 'same');
      b.output(b.op('ReduceSum', [x, constant(b, int64Tensor([]))]), 'all');
    },
    allowance: { relative: 1e-5 },
  },
  trap(
    'sums over axes of size 1',
    [2, 1, 3],
    (b, x) =>
      b.op('ReduceSum', [
        b.op('ReduceMax', [x], { attributes: [intsAttribute('axes', [1]), intAttribute('keepdims', 0)] }),
        constant(b, int64Tensor([0])),
      ]),
    { allowance: { relative: 1e-5 } },
  ),
  trap(
    'a product over nothing is 1, a sum 0',
    ['n', 3],
    (b, x) => {
      const attributes = [intsAttribute('axes', [0])];
      return b.op('Add', [
        b.op('ReduceProd', [x], { attributes }),
        b.op('ReduceSum', [x, constant(b, int64Tensor([0]))]),
      ]);
    },
    { bindings: [{ n: 0 }, { n: 2 }], allowance: { relative: 1e-5 } },
  ),
  trap(
    'a constant that broadcasts up both sides of two additions',
    [1, 3],
    (b, x) => b.op('Add', [b.op('Add', [x, constant(b, randomTensor([2, 1]))]), constant(b, randomTensor([3], 4))]),
    { allowance: { relative: 1e-6 } },
  ),
];

describe('arithmetic that looks like nothing', () => {
  testTraps([...neutrals, ...integers]);
});

describe('casts, ranges and orders', () => {
  testTraps([...casts, ...ranges, ...order]);
});
