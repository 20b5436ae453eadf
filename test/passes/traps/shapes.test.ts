import { describe } from 'vitest';
import { intAttribute, intsAttribute } from '../../../src/ir/attribute.js';
import { symbol } from '../../../src/ir/dim.js';
import type { Value } from '../../../src/ir/graph.js';
import { int64Tensor } from '../../../src/ir/tensor.js';
import { tensorType } from '../../../src/ir/value_type.js';
import { type ModelBuilder, randomTensor } from '../../build_model.js';
import { type Trap, testTraps } from './trap.js';

const ints = (b: ModelBuilder, values: readonly number[]): Value =>
  b.constant(b.editor.freshName('ints'), int64Tensor(values));

const reshape = (b: ModelBuilder, x: Value, shape: readonly number[], allowZero = false): Value =>
  b.op('Reshape', [x, ints(b, shape)], { attributes: allowZero ? [intAttribute('allowzero', 1)] : [] });

const perm = (b: ModelBuilder, x: Value, axes?: readonly number[]): Value =>
  b.op('Transpose', [x], { attributes: axes === undefined ? [] : [intsAttribute('perm', axes)] });

const unsqueeze = (b: ModelBuilder, x: Value, axes: readonly number[]): Value => b.op('Unsqueeze', [x, ints(b, axes)]);
const squeeze = (b: ModelBuilder, x: Value, axes: readonly number[]): Value => b.op('Squeeze', [x, ints(b, axes)]);

type Dims = readonly (number | string)[];

/** From an input "x" of `dims` to an output "y". */
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

const sizes = [{ n: 2 }, { n: 1 }, { n: 3 }];

const reshapes: readonly Trap[] = [
  trap('the 0 of a second Reshape copies from the result of the first', [2, 3, 4], (b, x) =>
    reshape(b, reshape(b, x, [6, 4]), [0, 2, 2]),
  ),
  trap('the 0 of a second Reshape stands where the input has another size', [4, 6], (b, x) =>
    reshape(b, reshape(b, x, [8, 3]), [0, -1]),
  ),
  trap('a 0 and a −1 in both of two Reshapes', [2, 3, 4], (b, x) => reshape(b, reshape(b, x, [0, -1]), [0, 0, 1])),
  trap('the 0 of a second Reshape behind a −1', ['n', 6], (b, x) => reshape(b, reshape(b, x, [-1, 3]), [0, 1, 3]), {
    bindings: sizes,
  }),
  trap('allowzero makes a 0 a size', ['n', 0, 3], (b, x) => reshape(b, x, [0, 5], true), { bindings: sizes }),
  trap('allowzero behind a Reshape whose 0 copies', [2, 0, 3], (b, x) =>
    reshape(b, reshape(b, x, [0, 0, 3]), [0, 7], true),
  ),
  trap('a Reshape whose 0 copies behind one with allowzero', [2, 0, 3], (b, x) =>
    reshape(b, reshape(b, x, [0, 4], true), [0, 4, 1]),
  ),
  trap('a Reshape to the shape that a symbol happens to have', ['n', 4], (b, x) => reshape(b, x, [2, -1]), {
    bindings: [{ n: 2 }, { n: 4 }, { n: 6 }],
  }),
  trap('a Reshape of −1 twice undone', [2, 3, 4], (b, x) => reshape(b, reshape(b, x, [-1]), [2, 3, 4]), {
    gone: ['Cast'],
  }),
  trap(
    'a Reshape by the shape of another input that only happens to match',
    ['n', 4],
    (b, x) => b.op('Reshape', [x, b.op('Shape', [b.input('other', [4, 'm'])])]),
    {
      bindings: [
        { n: 3, m: 3 },
        { n: 4, m: 4 },
      ],
    },
  ),
  trap('a Reshape by its own shape', ['n', 'm'], (b, x) => b.op('Reshape', [b.op('Neg', [x]), b.op('Shape', [x])]), {
    bindings: [
      { n: 2, m: 3 },
      { n: 0, m: 3 },
      { n: 4, m: 1 },
    ],
  }),
  trap('Flatten behind Reshape', [2, 3, 4], (b, x) =>
    b.op('Flatten', [reshape(b, x, [0, 2, -1])], { attributes: [intAttribute('axis', 2)] }),
  ),
  trap('Flatten at axis 0 and at a negative axis', [2, 3, 4], (b, x) =>
    b.op('Flatten', [b.op('Flatten', [x], { attributes: [intAttribute('axis', -1)] })], {
      attributes: [intAttribute('axis', 0)],
    }),
  ),
  trap(
    'a Reshape between two of another shape with an unknown batch',
    ['n', 4, 6],
    (b, x) => reshape(b, b.op('Relu', [reshape(b, x, [-1, 24])]), [-1, 6, 4]),
    { bindings: [...sizes] },
  ),
  trap('a Reshape of nothing', ['n', 4], (b, x) => reshape(b, x, [0, 2, 2]), { bindings: [{ n: 0 }, { n: 2 }] }),
  trap('a Reshape of nothing by −1', ['n', 4], (b, x) => reshape(b, reshape(b, x, [-1, 2, 2]), [-1, 4]), {
    bindings: [{ n: 0 }, { n: 2 }],
  }),
];

const transposes: readonly Trap[] = [
  trap('Transpose without perm reverses the axes', [2, 3, 4], (b, x) => perm(b, x)),
  trap('two Transposes without perm', [2, 3, 4], (b, x) => perm(b, perm(b, x))),
  trap('Transpose without perm behind one with perm', [2, 3, 4], (b, x) => perm(b, perm(b, x, [0, 2, 1]))),
  trap('Transpose with perm behind one without', [2, 3, 4], (b, x) => perm(b, perm(b, x), [1, 2, 0])),
  trap('two rotations do not cancel', [2, 3, 4], (b, x) => perm(b, perm(b, x, [1, 2, 0]), [1, 2, 0])),
  trap('a rotation and its inverse cancel', [2, 3, 4], (b, x) => perm(b, perm(b, x, [1, 2, 0]), [2, 0, 1])),
  trap('a Transpose of sizes 1 may be a Reshape', [1, 'n', 1], (b, x) => perm(b, x, [1, 2, 0]), { bindings: sizes }),
  trap('a constant of lower rank between two Transposes', [2, 3, 4], (b, x) =>
    perm(b, b.op('Add', [perm(b, x, [2, 1, 0]), b.constant('k', randomTensor([2]))]), [2, 1, 0]),
  ),
  trap('a sum over an axis between two Transposes', [2, 3, 4], (b, x) =>
    perm(b, b.op('ReduceMax', [perm(b, x, [2, 0, 1])], { attributes: [intsAttribute('axes', [1])] }), [1, 2, 0]),
  ),
  trap('a sum over an axis without keepdims between two Transposes', [2, 3, 4], (b, x) =>
    perm(
      b,
      b.op('ReduceMax', [perm(b, x, [2, 0, 1])], {
        attributes: [intsAttribute('axes', [-1]), intAttribute('keepdims', 0)],
      }),
    ),
  ),
  trap(
    'Softmax between two Transposes',
    [2, 3, 4],
    (b, x) => perm(b, b.op('Softmax', [perm(b, x, [0, 2, 1])], { attributes: [intAttribute('axis', 1)] }), [0, 2, 1]),
    { allowance: { relative: 1e-6 } },
  ),
  trap('Concat of one transposed and one plain input', [2, 3], (b, x) =>
    perm(b, b.op('Concat', [perm(b, x), b.input('z', [3, 4])], { attributes: [intAttribute('axis', 1)] })),
  ),
  trap('Reshape between two Transposes', [2, 3, 4], (b, x) =>
    perm(b, reshape(b, perm(b, x, [0, 2, 1]), [2, 4, 3]), [0, 2, 1]),
  ),
  trap('Split of what is transposed', [2, 3, 4], (b, x) => {
    const parts = b.ops('Split', [perm(b, x, [2, 0, 1])], { outputs: 2, attributes: [intAttribute('axis', 0)] });
    return b.op('Sub', [perm(b, parts[1]!, [1, 2, 0]), perm(b, parts[0]!, [1, 2, 0])]);
  }),
];

const axes: readonly Trap[] = [
  trap('Unsqueeze behind Unsqueeze counts its axes anew', [2, 3], (b, x) => unsqueeze(b, unsqueeze(b, x, [1]), [0])),
  trap('Unsqueeze at axes that a second one pushes away', [2, 3], (b, x) =>
    unsqueeze(b, unsqueeze(b, x, [0, 2]), [1, 4]),
  ),
  trap('Unsqueeze at negative axes', [2, 3], (b, x) => unsqueeze(b, unsqueeze(b, x, [-1]), [-2, 0])),
  trap('Unsqueeze with unsorted axes', [2, 3], (b, x) => unsqueeze(b, x, [3, 0])),
  trap('Squeeze behind Squeeze counts its axes anew', [1, 2, 1, 3, 1], (b, x) => squeeze(b, squeeze(b, x, [0]), [1])),
  trap('Squeeze at negative axes', [1, 2, 1, 3, 1], (b, x) => squeeze(b, squeeze(b, x, [-1]), [-2])),
  trap('Squeeze of another axis than was unsqueezed', [1, 3], (b, x) => squeeze(b, unsqueeze(b, x, [2]), [0])),
  trap('Squeeze undoes Unsqueeze', ['n', 3], (b, x) => squeeze(b, unsqueeze(b, x, [1]), [1]), { bindings: sizes }),
  trap('Squeeze without axes takes every 1', [1, 2, 1], (b, x) => b.op('Squeeze', [unsqueeze(b, x, [0])])),
  trap('Squeeze without axes of a size that is 1 only sometimes', ['n', 3, 1], (b, x) => b.op('Squeeze', [x]), {
    bindings: [{ n: 1 }, { n: 2 }],
  }),
  {
    name: 'Squeeze and Unsqueeze with axes as attributes',
    opset: 11,
    build(b) {
      const x = b.input('x', [2, 1, 3]);
      const u = b.op('Unsqueeze', [b.op('Squeeze', [x], { attributes: [intsAttribute('axes', [1])] })], {
        attributes: [intsAttribute('axes', [0, 3])],
      });
      b.output(u, 'y');
    },
  },
];

const shapesOf: readonly Trap[] = [
  trap(
    'Shape with a start and an end',
    ['n', 3, 4],
    (b, x) =>
      b.op('Reshape', [
        b.op('Flatten', [x]),
        b.op(
          'Concat',
          [
            b.op('Shape', [x], { attributes: [intAttribute('end', 2)] }),
            b.op('Shape', [x], { attributes: [intAttribute('start', -1)] }),
          ],
          {
            attributes: [intAttribute('axis', 0)],
          },
        ),
      ]),
    { bindings: [...sizes, { n: 0 }] },
  ),
  {
    name: 'Shape with an end in front of its start is empty',
    build(b) {
      const x = b.input('x', ['n', 3]);
      const attributes = [intAttribute('start', 2), intAttribute('end', 1)];
      b.output(b.op('Shape', [x], { attributes }), 'y', 'int64');
      b.output(
        b.op('ReduceProd', [b.op('Shape', [x], { attributes: [intAttribute('start', -5), intAttribute('end', 9)] })]),
        'z',
        'int64',
      );
    },
    bindings: sizes,
  },
  {
    name: 'Size of what may be empty, divided by a dimension',
    build(b) {
      const x = b.input('x', ['n', 'm', 4]);
      const shape = b.op('Shape', [x]);
      const rows = b.op('Gather', [shape, b.constant('one', int64Tensor([1]))]);
      const four = b.op('Mul', [rows, b.constant('four', int64Tensor([4]))]);
      b.output(
        b.op('Div', [b.op('Mul', [b.op('Size', [x]), four]), b.constant('eight', int64Tensor([8]))]),
        'y',
        'int64',
      );
    },
    bindings: [
      { n: 3, m: 5 },
      { n: 0, m: 2 },
      { n: 1, m: 1 },
    ],
  },
  {
    name: 'shape arithmetic that floors is not undone by multiplying',
    build(b) {
      const x = b.input('x', ['n', 2]);
      const n = b.op('Gather', [b.op('Shape', [x]), b.constant('zero', int64Tensor([0]))]);
      const two = b.constant('two', int64Tensor([2]));
      const even = b.op('Mul', [b.op('Div', [n, two]), two]);
      const zero = b.constant('start', int64Tensor([0]));
      b.output(b.op('Slice', [x, zero, even, zero]), 'y');
    },
    bindings: [{ n: 4 }, { n: 5 }, { n: 1 }, { n: 0 }],
  },
  {
    name: 'an input size that is a symbol stays one, whatever the graph does with it',
    build(b) {
      const x = b.input('x', ['n', 3]);
      const z = b.input('z', ['m', 3]);
      b.editor.addOutput(b.graph, b.op('Add', [x, z]), 'y', tensorType('float', [symbol('k'), 3]));
    },
    bindings: [
      { n: 4, m: 4 },
      { n: 1, m: 4 },
      { n: 5, m: 1 },
    ],
  },
  trap('Expand to its own shape', ['n', 3], (b, x) => b.op('Expand', [b.op('Abs', [x]), b.op('Shape', [x])]), {
    bindings: [...sizes, { n: 0 }],
  }),
  trap('Expand by ones keeps the size, but a higher rank grows', [2, 3], (b, x) =>
    b.op('Expand', [x, ints(b, [1, 1, 1])]),
  ),
  trap('Expand by 1 of a symbol', ['n', 3], (b, x) => b.op('Expand', [x, ints(b, [1, 3])]), { bindings: sizes }),
  trap('Expand to 2 of a symbol that may be 1', ['n', 3], (b, x) => b.op('Expand', [x, ints(b, [2, 1])]), {
    bindings: [{ n: 1 }, { n: 2 }],
  }),
  trap('Expand before an operator that broadcasts anyway, but not to that size', [1, 3], (b, x) =>
    b.op('Add', [b.op('Expand', [x, ints(b, [4, 3])]), b.constant('k', randomTensor([3]))]),
  ),
  trap('Tile by 1 and by 0', [2, 3], (b, x) =>
    b.op('Concat', [b.op('Tile', [x, ints(b, [1, 1])]), b.op('Tile', [x, ints(b, [0, 1])])], {
      attributes: [intAttribute('axis', 0)],
    }),
  ),
];

describe('shapes that are merged or dropped', () => {
  testTraps([...reshapes, ...transposes, ...axes, ...shapesOf]);
});
