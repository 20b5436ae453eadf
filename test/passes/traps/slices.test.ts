import { describe } from 'vitest';
import { floatAttribute, intAttribute, intsAttribute, stringAttribute } from '../../../src/ir/attribute.js';
import type { Value } from '../../../src/ir/graph.js';
import { floatTensor, int64Tensor, tensorFromData } from '../../../src/ir/tensor.js';
import { type ModelBuilder, randomTensor } from '../../build_model.js';
import { type Trap, testTraps } from './trap.js';

const largest = 2n ** 63n - 1n;

const ints = (b: ModelBuilder, values: readonly (number | bigint)[]): Value =>
  b.constant(b.editor.freshName('ints'), int64Tensor(values));

const slice = (
  b: ModelBuilder,
  x: Value,
  starts: readonly (number | bigint)[],
  ends: readonly (number | bigint)[],
  axes: readonly number[],
  steps: readonly number[] = axes.map(() => 1),
): Value => b.op('Slice', [x, ints(b, starts), ints(b, ends), ints(b, axes), ints(b, steps)]);

const gather = (b: ModelBuilder, x: Value, indices: readonly number[], dims: readonly number[], axis: number): Value =>
  b.op('Gather', [x, b.constant(b.editor.freshName('at'), int64Tensor(indices, dims))], {
    attributes: [intAttribute('axis', axis)],
  });

const concat = (b: ModelBuilder, inputs: readonly Value[], axis: number): Value =>
  b.op('Concat', inputs, { attributes: [intAttribute('axis', axis)] });

const pad = (b: ModelBuilder, x: Value, pads: readonly number[], mode = 'constant', value?: number): Value =>
  b.op('Pad', [x, ints(b, pads), value === undefined ? null : b.constant('fill', floatTensor([value], []))], {
    attributes: [stringAttribute('mode', mode)],
  });

type Dims = readonly (number | string)[];

const trap = (
  name: string,
  dims: Dims,
  body: (b: ModelBuilder, x: Value) => Value,
  more: Partial<Trap> = {},
): Trap => ({
  name,
  build: (b) => b.output(body(b, b.input('x', dims)), 'y'),
  ...more,
});

const slices: readonly Trap[] = [
  trap('slices on axis 1 and on axis −1 are the same axis', [3, 8], (b, x) =>
    slice(b, slice(b, x, [1], [7], [1]), [2], [5], [-1]),
  ),
  trap('a slice from the end of a slice', [8], (b, x) => slice(b, slice(b, x, [1], [6], [0]), [-3], [-1], [0])),
  trap('a slice past the end of a slice stops there', [8], (b, x) =>
    slice(b, slice(b, x, [1], [4], [0]), [0], [largest], [0]),
  ),
  trap('a slice with a step of a slice with a step', [20], (b, x) =>
    slice(b, slice(b, x, [1], [18], [0], [2]), [1], [-1], [0], [3]),
  ),
  trap('slices backwards', [8], (b, x) => slice(b, slice(b, x, [-1], [-largest], [0], [-1]), [5], [0], [0], [-2])),
  trap('a slice of everything is nothing to do', ['n', 4], (b, x) => slice(b, x, [0, 0], [largest, largest], [0, 1]), {
    bindings: [{ n: 3 }, { n: 0 }],
  }),
  trap('a slice to the size that a symbol may exceed', ['n', 4], (b, x) => slice(b, x, [0], [4], [0]), {
    bindings: [{ n: 3 }, { n: 4 }, { n: 6 }, { n: 0 }],
  }),
  trap('a slice of everything backwards is something to do', [4], (b, x) => slice(b, x, [-1], [-5], [0], [-1])),
  trap('an empty slice', ['n', 4], (b, x) => slice(b, slice(b, x, [3], [1], [1]), [0], [largest], [1]), {
    bindings: [{ n: 3 }],
  }),
  trap('slices of two axes, the second on the first one again', [6, 8], (b, x) =>
    slice(b, slice(b, x, [1, 2], [5, 7], [0, 1]), [1], [3], [0]),
  ),
  trap(
    'a slice of a symbolic size counted from its end',
    ['n', 4],
    (b, x) => slice(b, slice(b, x, [-4], [largest], [0]), [1], [-1], [0]),
    { bindings: [{ n: 3 }, { n: 4 }, { n: 9 }, { n: 1 }] },
  ),
  {
    name: 'slices with attributes, ends past INT32_MAX and no axes',
    opset: 9,
    build(b) {
      const attributes = [intsAttribute('starts', [1, 0]), intsAttribute('ends', [2 ** 31, largest])];
      b.output(b.op('Slice', [b.input('x', [3, 'n'])], { attributes }), 'y');
    },
    bindings: [{ n: 2 }],
  },
];

/** Every second row and column from `row` and `column`, as the Focus block takes them. */
const phase = (b: ModelBuilder, x: Value, row: number, column: number): Value =>
  slice(b, slice(b, x, [row], [largest], [2], [2]), [column], [largest], [3], [2]);

const pieces: readonly Trap[] = [
  trap('four phases side by side are a SpaceToDepth only in its order', [1, 2, 4, 6], (b, x) =>
    concat(b, [phase(b, x, 0, 0), phase(b, x, 1, 0), phase(b, x, 0, 1), phase(b, x, 1, 1)], 1),
  ),
  trap('four phases side by side in the order of SpaceToDepth', [1, 2, 4, 6], (b, x) =>
    concat(b, [phase(b, x, 0, 0), phase(b, x, 0, 1), phase(b, x, 1, 0), phase(b, x, 1, 1)], 1),
  ),
  trap('four phases of a picture whose sides are odd', [1, 2, 5, 6], (b, x) =>
    concat(b, [phase(b, x, 0, 0), phase(b, x, 0, 1)], 1),
  ),
  trap('slices that leave a gap are no Split', [10], (b, x) =>
    concat(b, [slice(b, x, [0], [3], [0]), slice(b, x, [4], [10], [0])], 0),
  ),
  trap('slices that overlap are no Split', [10], (b, x) =>
    concat(b, [slice(b, x, [0], [5], [0]), slice(b, x, [4], [10], [0])], 0),
  ),
  trap('slices in another order are a Split and a Concat', [10], (b, x) =>
    concat(b, [slice(b, x, [4], [10], [0]), slice(b, x, [0], [4], [0])], 0),
  ),
  trap('Split and Concat undo each other only in order', [2, 6], (b, x) => {
    const parts = b.ops('Split', [x], { outputs: 3, attributes: [intAttribute('axis', 1)] });
    return concat(b, [parts[0]!, parts[2]!, parts[1]!], 1);
  }),
  trap('Split and Concat undo each other', [2, 6], (b, x) =>
    concat(b, b.ops('Split', [x, ints(b, [1, 2, 3])], { outputs: 3, attributes: [intAttribute('axis', 1)] }), -1),
  ),
  trap('Split on one axis and Concat on the other', [2, 6], (b, x) =>
    concat(b, b.ops('Split', [x], { outputs: 2, attributes: [intAttribute('axis', 1)] }), 0),
  ),
  trap('Concat of Concats on different axes', [2, 3], (b, x) =>
    concat(b, [concat(b, [x, b.input('z', [2, 3])], 0), b.input('u', [4, 2])], 1),
  ),
  trap('Concat of Concats on one axis, counted from either end', [2, 3], (b, x) =>
    concat(b, [concat(b, [x, b.input('z', [2, 3])], -1), b.input('u', [2, 2])], 1),
  ),
  trap(
    'Concat with something empty',
    ['n', 3],
    (b, x) => concat(b, [x, b.constant('none', floatTensor([], [0, 3]))], 0),
    {
      bindings: [{ n: 2 }, { n: 0 }],
    },
  ),
  trap('Gathers of every index with another shape are no Split', [3, 4], (b, x) =>
    concat(b, [gather(b, x, [0], [1], 0), gather(b, x, [2], [1], 0), gather(b, x, [1], [1], 0)], 0),
  ),
  trap('a scalar Gather drops the axis and one of shape [1] does not', [3, 4], (b, x) =>
    b.op('Add', [gather(b, x, [1], [], 0), gather(b, x, [-1], [1], 0)]),
  ),
  trap('Gather of a Gather on the same axis', [5, 4], (b, x) =>
    gather(b, gather(b, x, [4, 0, 2], [3], 0), [-1, 0, 1, 1], [2, 2], 0),
  ),
  trap('Gather of all indices in order', [3, 4], (b, x) => gather(b, x, [0, 1, 2], [3], 0)),
  trap('Gather of the first indices in order', ['n', 4], (b, x) => gather(b, x, [0, 1, 2], [3], 0), {
    bindings: [{ n: 3 }, { n: 5 }],
  }),
  trap('ScatterND with permuted indices', [3, 2], (b, x) =>
    b.op('ScatterND', [b.constant('base', randomTensor([3, 2])), b.constant('at', int64Tensor([2, 0, 1], [3, 1])), x]),
  ),
  trap('ScatterND over everything in order', [3, 2], (b, x) =>
    b.op('ScatterND', [b.constant('base', randomTensor([3, 2])), b.constant('at', int64Tensor([0, 1, 2], [3, 1])), x]),
  ),
  trap('ScatterND that adds', [3, 2], (b, x) =>
    b.op('ScatterND', [b.constant('base', randomTensor([3, 2])), b.constant('at', int64Tensor([0, 1, 2], [3, 1])), x], {
      attributes: [stringAttribute('reduction', 'add')],
    }),
  ),
];

const pool = (
  b: ModelBuilder,
  opType: string,
  x: Value,
  attributes: readonly (readonly [string, readonly number[] | number])[],
) =>
  b.op(opType, [x], {
    attributes: attributes.map(([name, value]) =>
      typeof value === 'number' ? intAttribute(name, value) : intsAttribute(name, value),
    ),
  });

const border = [0, 0, 1, 1, 0, 0, 1, 1];
const kernel = [
  ['kernel_shape', [3, 3]],
  ['strides', [2, 2]],
] as const;
const rounding = { relative: 1e-5 } as const;

const pads: readonly Trap[] = [
  trap('Pad by less than nothing crops', [3, 6], (b, x) => pad(b, x, [0, -1, 0, -2])),
  trap('Pads that add and crop are not their sum', [1, 6], (b, x) => pad(b, pad(b, x, [0, -2, 0, 0]), [0, 2, 0, 0])),
  trap('a Pad by nothing is nothing to do', [3, 6], (b, x) => b.op('Neg', [pad(b, x, [0, 0, 0, 0])]), {
    gone: ['Pad'],
  }),
  trap('Pads with different values', [2, 3], (b, x) => {
    const inner = pad(b, x, [1, 0, 0, 1], 'constant', 2);
    return b.op('Pad', [inner, ints(b, [0, 1, 1, 0]), b.constant('other', floatTensor([3], []))]);
  }),
  trap('Pads that reflect are not their sum', [2, 6], (b, x) =>
    pad(b, pad(b, x, [0, 2, 0, 0], 'reflect'), [0, 3, 0, 0], 'reflect'),
  ),
  {
    name: 'Pad with axes',
    opset: 18,
    build(b) {
      const x = b.input('x', [1, 2, 4, 4]);
      const padded = b.op('Pad', [x, ints(b, [1, 2]), null, ints(b, [-2])]);
      b.output(b.op('Conv', [padded, b.constant('w', randomTensor([3, 2, 3, 3]))]), 'y');
    },
    allowance: rounding,
  },
  {
    name: 'Pad with axes onto what is pooled',
    opset: 18,
    build(b) {
      const padded = b.op('Pad', [b.input('x', [1, 2, 4, 4]), ints(b, [1, 0, 0, 1]), null, ints(b, [3, 2])]);
      b.output(pool(b, 'AveragePool', padded, kernel), 'y');
    },
    allowance: rounding,
  },
  trap(
    'Pad in front of a convolution that pads by auto_pad',
    [1, 2, 5, 5],
    (b, x) =>
      b.op('Conv', [pad(b, x, border), b.constant('w', randomTensor([3, 2, 3, 3]))], {
        attributes: [stringAttribute('auto_pad', 'SAME_UPPER'), intsAttribute('strides', [2, 2])],
      }),
    { allowance: rounding },
  ),
  trap(
    'Pad in front of a convolution that pads as well',
    [1, 2, 5, 5],
    (b, x) =>
      b.op('Conv', [pad(b, x, border), b.constant('w', randomTensor([3, 2, 3, 3]))], {
        attributes: [intsAttribute('pads', [0, 1, 2, 0])],
      }),
    { allowance: rounding },
  ),
  trap(
    'Pad by a number other than 0 in front of a convolution',
    [1, 2, 5, 5],
    (b, x) => b.op('Conv', [pad(b, x, border, 'constant', 1), b.constant('w', randomTensor([3, 2, 3, 3]))]),
    { allowance: rounding },
  ),
  trap(
    'Pad of the channels in front of a convolution',
    [1, 2, 5, 5],
    (b, x) => b.op('Conv', [pad(b, x, [0, 1, 0, 0, 0, 0, 0, 0]), b.constant('w', randomTensor([3, 3, 3, 3]))]),
    { allowance: rounding },
  ),
  trap(
    'Pad that crops in front of a convolution',
    [1, 2, 6, 6],
    (b, x) => b.op('Conv', [pad(b, x, [0, 0, -1, 0, 0, 0, 0, -1]), b.constant('w', randomTensor([3, 2, 3, 3]))]),
    { allowance: rounding },
  ),
  trap(
    'Pad by reflection in front of a convolution',
    [1, 2, 5, 5],
    (b, x) => b.op('Conv', [pad(b, x, border, 'reflect'), b.constant('w', randomTensor([3, 2, 3, 3]))]),
    { allowance: rounding },
  ),
  trap('Pad by 0 in front of a MaxPool of negative numbers, which would pad by −∞', [1, 2, 5, 5], (b, x) =>
    pool(b, 'MaxPool', pad(b, b.op('Neg', [b.op('Abs', [x])]), border), kernel),
  ),
  trap(
    'Pad by −∞ in front of a MaxPool',
    [1, 2, 5, 5],
    (b, x) => pool(b, 'MaxPool', pad(b, x, border, 'constant', Number.NEGATIVE_INFINITY), kernel),
    { assumesFinite: true },
  ),
  trap(
    'Pad by 0 in front of a MaxPool of what is never negative',
    [1, 2, 5, 5],
    (b, x) => pool(b, 'MaxPool', pad(b, b.op('Relu', [x]), border), kernel),
    { assumesFinite: true },
  ),
  ...[0, 1].flatMap((counts) => [
    trap(
      `Pad in front of an AveragePool with pads of its own, count_include_pad ${counts}`,
      [1, 2, 5, 5],
      (b, x) =>
        pool(b, 'AveragePool', pad(b, x, border), [...kernel, ['pads', [1, 1, 1, 1]], ['count_include_pad', counts]]),
      { allowance: rounding },
    ),
    trap(
      `Pad in front of an AveragePool, count_include_pad ${counts}`,
      [1, 2, 5, 5],
      (b, x) => pool(b, 'AveragePool', pad(b, x, border), [...kernel, ['count_include_pad', counts]]),
      { allowance: rounding },
    ),
    trap(
      `Pad in front of an AveragePool in ceil mode, count_include_pad ${counts}`,
      [1, 2, 6, 6],
      (b, x) => pool(b, 'AveragePool', pad(b, x, border), [...kernel, ['ceil_mode', 1], ['count_include_pad', counts]]),
      { allowance: rounding },
    ),
  ]),
  {
    name: 'Pad with attributes',
    opset: 10,
    build(b) {
      const attributes = [intsAttribute('pads', [0, 0, 1, 1, 0, 0, 0, 0]), floatAttribute('value', 2)];
      b.output(b.op('Pad', [b.input('x', [1, 1, 2, 2])], { attributes }), 'y');
    },
  },
  {
    name: 'Pad of integers',
    build(b) {
      const fill = b.constant('fill', tensorFromData('int64', [], BigInt64Array.of(2n ** 53n + 1n)));
      b.output(b.op('Pad', [b.input('x', [2], 'int64'), ints(b, [1, 1]), fill]), 'y', 'int64');
    },
  },
];

describe('pieces that are cut, put together and padded', () => {
  testTraps([...slices, ...pieces, ...pads]);
});
