import { describe } from 'vitest';
import { floatAttribute, intAttribute, intsAttribute, stringAttribute } from '../../../src/ir/attribute.js';
import type { Value } from '../../../src/ir/graph.js';
import { floatTensor, int64Tensor, type Tensor } from '../../../src/ir/tensor.js';
import { type ModelBuilder, randomTensor } from '../../build_model.js';
import { type Trap, testTraps } from './trap.js';

type Dims = readonly (number | string)[];

/** Sums, roots and exponentials computed in another order or by one kernel. */
const rounding = { relative: 2e-5 } as const;

const trap = (
  name: string,
  dims: Dims,
  body: (b: ModelBuilder, x: Value) => Value,
  more: Partial<Trap> = {},
): Trap => ({
  name,
  allowance: rounding,
  build: (b) => b.output(body(b, b.input('x', dims)), 'y'),
  ...more,
});

const constant = (b: ModelBuilder, tensor: Tensor): Value => b.constant(b.editor.freshName('k'), tensor);
const number = (b: ModelBuilder, value: number): Value => constant(b, floatTensor([value], []));

const mean = (b: ModelBuilder, x: Value, axes: readonly number[], keepdims = 1): Value =>
  b.op('ReduceMean', [x], { attributes: [intsAttribute('axes', axes), intAttribute('keepdims', keepdims)] });

type NormOptions = {
  readonly axes?: readonly number[];
  readonly keepdims?: number;
  readonly gamma?: readonly number[];
  readonly beta?: readonly number[];
  readonly epsilon?: number;
  readonly exponent?: number;
  /** From which axes the variance comes, where not from the same. */
  readonly varianceAxes?: readonly number[];
  /** What the variance is taken of, where not of the centred input. */
  readonly centre?: (b: ModelBuilder, x: Value, centred: Value) => Value;
  readonly outputs?: 'middle' | 'inverse';
};

/** Layer normalization written out: (x − mean) / sqrt(mean((x − mean)²) + ε) · γ + β. */
function layerNorm(b: ModelBuilder, x: Value, options: NormOptions = {}): Value {
  const { axes = [-1], keepdims = 1, gamma = [4], beta = [4], epsilon = 1e-5, exponent = 2 } = options;
  const centred = b.op('Sub', [x, mean(b, x, axes, keepdims)]);
  const spread = options.centre?.(b, x, centred) ?? centred;
  const variance = mean(b, b.op('Pow', [spread, number(b, exponent)]), options.varianceAxes ?? axes, keepdims);
  const normal = b.op('Div', [centred, b.op('Sqrt', [b.op('Add', [variance, number(b, epsilon)])])]);
  if (options.outputs === 'middle') b.output(normal, 'normal');
  if (options.outputs === 'inverse') b.output(variance, 'variance');
  const scaled = b.op('Mul', [normal, constant(b, randomTensor(gamma, 5))]);
  return b.op('Add', [scaled, constant(b, randomTensor(beta, 6))]);
}

const norm = (name: string, options: NormOptions, dims: Dims = [2, 4, 4], more: Partial<Trap> = {}): Trap =>
  trap(`layer normalization ${name}`, dims, (b, x) => layerNorm(b, x, options), more);

const normalizations: readonly Trap[] = [
  norm('written out', {}),
  norm('written out over a symbolic batch', {}, ['n', 3, 4], { bindings: [{ n: 1 }, { n: 3 }, { n: 0 }] }),
  norm('without keepdims, which broadcasts along another axis', { keepdims: 0 }, [4, 4, 4]),
  norm('over nothing', { gamma: [0], beta: [0] }, [2, 4, 0]),
  norm('over axis 0', { axes: [0], gamma: [4, 1, 1], beta: [4, 1, 1] }, [4, 2, 3]),
  norm('over axis 1 of a square', { axes: [1] }),
  norm('over the two last axes', { axes: [1, 2], gamma: [4, 4], beta: [4, 4] }),
  norm('over the last axis counted from the front', { axes: [2] }),
  norm('with a scale along another axis', { gamma: [4, 1] }),
  norm('with a scale of higher rank', { gamma: [1, 1, 1, 4] }),
  norm('with a scale that grows the batch', { gamma: [3, 1, 1, 4] }),
  norm('with a scale of one number', { gamma: [] }),
  norm('with a shift along another axis', { beta: [4, 1] }),
  norm('with another exponent', { exponent: 4 }),
  norm('with a large epsilon', { epsilon: 0.3 }),
  norm('whose variance is taken over other axes', { varianceAxes: [1] }),
  norm('whose variance is taken of the input', { centre: (_b, x) => x }),
  norm('whose middle is an output', { outputs: 'middle' }),
  norm('whose variance is an output', { outputs: 'inverse' }),
  norm('whose centred input is read again', {
    centre(b, _x, centred) {
      b.output(b.op('Neg', [centred]), 'c');
      return centred;
    },
  }),
  trap('the root of the mean square written out, with a weight', [2, 3, 8], (b, x) => {
    const square = mean(b, b.op('Mul', [x, x]), [-1]);
    const root = b.op('Sqrt', [b.op('Add', [square, number(b, 1e-6)])]);
    return b.op('Mul', [b.op('Div', [x, root]), constant(b, randomTensor([8]))]);
  }),
  trap('the root of the mean square whose epsilon is added behind the root', [2, 3, 8], (b, x) => {
    const root = b.op('Add', [b.op('Sqrt', [mean(b, b.op('Mul', [x, x]), [-1])]), number(b, 1e-2)]);
    return b.op('Mul', [b.op('Div', [x, root]), constant(b, randomTensor([8]))]);
  }),
  trap(
    'the mean square of another input',
    [2, 3, 8],
    (b, x) => {
      const other = b.input('z', [2, 3, 8]);
      const root = b.op('Sqrt', [b.op('Add', [mean(b, b.op('Mul', [x, other]), [-1]), number(b, 4)])]);
      return b.op('Div', [x, root]);
    },
    { flavours: ['plain'] },
  ),
  trap('instance normalization of groups, written by Reshape', [2, 4, 3, 3], (b, x) => {
    const groups = b.op('Reshape', [x, constant(b, int64Tensor([0, 2, -1]))]);
    const unit = [floatTensor([1, 1]), floatTensor([0, 0])].map((each) => constant(b, each));
    const normal = b.op('InstanceNormalization', [groups, ...unit]);
    const back = b.op('Reshape', [normal, b.op('Shape', [x])]);
    const scaled = b.op('Mul', [back, constant(b, randomTensor([4, 1, 1], 2))]);
    return b.op('Add', [scaled, constant(b, randomTensor([4, 1, 1], 3))]);
  }),
];

type GeluOptions = { readonly root?: number; readonly one?: number; readonly half?: number; readonly inner?: 'other' };

/** x · ½ · (1 + erf(x / √2)), or what only looks like it. */
function gelu(b: ModelBuilder, x: Value, { root = Math.SQRT2, one = 1, half = 0.5, inner }: GeluOptions = {}): Value {
  const read = inner === 'other' ? b.input('z', [2, 8]) : x;
  const erf = b.op('Erf', [b.op('Div', [read, number(b, root)])]);
  return b.op('Mul', [b.op('Mul', [x, b.op('Add', [erf, number(b, one)])]), number(b, half)]);
}

function tanhGelu(b: ModelBuilder, x: Value, cubic = 0.044715, scale = Math.sqrt(2 / Math.PI), power = 3): Value {
  const cube = b.op('Mul', [b.op('Pow', [x, number(b, power)]), number(b, cubic)]);
  const tanh = b.op('Tanh', [b.op('Mul', [b.op('Add', [x, cube]), number(b, scale)])]);
  return b.op('Mul', [b.op('Mul', [x, number(b, 0.5)]), b.op('Add', [tanh, number(b, 1)])]);
}

const activation = (name: string, body: (b: ModelBuilder, x: Value) => Value, opset = 20): Trap =>
  trap(name, [2, 8], body, { opset, flavours: ['plain', 'finite'] });

const activations: readonly Trap[] = [
  activation('Gelu by erf', (b, x) => gelu(b, x)),
  activation('Gelu by erf in an old opset', (b, x) => gelu(b, x), 13),
  activation('Gelu with 1.4 for the root of 2', (b, x) => gelu(b, x, { root: 1.4 })),
  activation('Gelu with 2 for its root', (b, x) => gelu(b, x, { root: 2 })),
  activation('Gelu with 1.01 for 1', (b, x) => gelu(b, x, { one: 1.01 })),
  activation('Gelu with a whole for a half', (b, x) => gelu(b, x, { half: 1 })),
  activation('Gelu of two inputs', (b, x) => gelu(b, x, { inner: 'other' })),
  activation('Gelu by tanh', (b, x) => tanhGelu(b, x)),
  activation('Gelu by tanh with another cubic part', (b, x) => tanhGelu(b, x, 0.05)),
  activation('Gelu by tanh with another scale', (b, x) => tanhGelu(b, x, 0.044715, 0.8)),
  activation('Gelu by tanh with a square', (b, x) => tanhGelu(b, x, 0.044715, 0.79788456, 2)),
  activation('x · sigmoid(1.702 x)', (b, x) => b.op('Mul', [x, b.op('Sigmoid', [b.op('Mul', [x, number(b, 1.702)])])])),
  activation('x · sigmoid(x)', (b, x) => b.op('Mul', [x, b.op('Sigmoid', [x])])),
  activation('x · sigmoid(z)', (b, x) => b.op('Mul', [x, b.op('Sigmoid', [b.input('z', [2, 8])])])),
  activation('x · sigmoid(x) of a row that broadcasts', (b, x) =>
    b.op('Mul', [b.input('z', [3, 2, 8]), b.op('Sigmoid', [x])]),
  ),
  activation('x · clip(x + 3, 0, 6) / 6', (b, x) =>
    b.op('Div', [
      b.op('Mul', [x, b.op('Clip', [b.op('Add', [x, number(b, 3)]), number(b, 0), number(b, 6)])]),
      number(b, 6),
    ]),
  ),
  activation('x · clip(x + 3, 0, 5) / 6', (b, x) =>
    b.op('Div', [
      b.op('Mul', [x, b.op('Clip', [b.op('Add', [x, number(b, 3)]), number(b, 0), number(b, 5)])]),
      number(b, 6),
    ]),
  ),
  activation('x · HardSigmoid(x) with another slope', (b, x) =>
    b.op('Mul', [x, b.op('HardSigmoid', [x], { attributes: [floatAttribute('alpha', 0.2)] })]),
  ),
  activation('x · HardSigmoid(x) of a sixth', (b, x) =>
    b.op('Mul', [x, b.op('HardSigmoid', [x], { attributes: [floatAttribute('alpha', 1 / 6)] })]),
  ),
  activation('x · tanh(softplus(x))', (b, x) => b.op('Mul', [x, b.op('Tanh', [b.op('Softplus', [x])])])),
  activation('exp divided by its sum over another axis than it broadcasts', (b, x) => {
    const exp = b.op('Exp', [x]);
    const attributes = [intAttribute('keepdims', 1)];
    return b.op('Div', [exp, b.op('ReduceSum', [exp, constant(b, int64Tensor([0]))], { attributes })]);
  }),
];

const products: readonly Trap[] = [
  trap('a bias that broadcasts a product up', [2, 3], (b, x) =>
    b.op('Add', [b.op('MatMul', [x, constant(b, randomTensor([3, 4]))]), constant(b, randomTensor([5, 2, 4], 2))]),
  ),
  trap('a bias that broadcasts a product of one row up', [1, 3], (b, x) =>
    b.op('Add', [b.op('MatMul', [x, constant(b, randomTensor([3, 4]))]), constant(b, randomTensor([5, 4], 2))]),
  ),
  trap('a bias of one a row', [2, 3], (b, x) =>
    b.op('Add', [b.op('MatMul', [x, constant(b, randomTensor([3, 2]))]), constant(b, randomTensor([2, 1], 2))]),
  ),
  trap('a product whose constant stands left', [3, 2], (b, x) =>
    b.op('Add', [b.op('MatMul', [constant(b, randomTensor([4, 3])), x]), constant(b, randomTensor([2], 2))]),
  ),
  trap(
    'a bias in front of the product it is added to',
    ['n', 3],
    (b, x) => b.op('Add', [constant(b, randomTensor([4], 2)), b.op('MatMul', [x, constant(b, randomTensor([3, 4]))])]),
    { bindings: [{ n: 2 }, { n: 1 }, { n: 0 }] },
  ),
  trap(
    'a product and a bias of rank 3',
    [2, 'n', 3],
    (b, x) => b.op('Add', [b.op('MatMul', [x, constant(b, randomTensor([3, 4]))]), constant(b, randomTensor([4], 2))]),
    { bindings: [{ n: 2 }, { n: 0 }] },
  ),
  trap('a product of a vector', [3], (b, x) =>
    b.op('Add', [b.op('MatMul', [x, constant(b, randomTensor([3, 4]))]), constant(b, randomTensor([4], 2))]),
  ),
  trap('a product with a vector', [2, 3], (b, x) =>
    b.op('Add', [b.op('MatMul', [x, constant(b, randomTensor([3]))]), constant(b, randomTensor([2], 2))]),
  ),
  trap('a scale of one a column behind a product, and one of one a row', [2, 3], (b, x) => {
    const y = b.op('Mul', [b.op('MatMul', [x, constant(b, randomTensor([3, 4]))]), constant(b, randomTensor([4], 2))]);
    return b.op('Mul', [y, constant(b, randomTensor([2, 1], 3))]);
  }),
  trap('a scale that broadcasts a product up', [1, 3], (b, x) =>
    b.op('Mul', [b.op('MatMul', [x, constant(b, randomTensor([3, 4]))]), constant(b, randomTensor([2, 1, 1], 2))]),
  ),
  trap('a Gemm with factors, transposed, behind a Transpose, with a bias', [3, 2], (b, x) => {
    const attributes = [floatAttribute('alpha', 0.5), floatAttribute('beta', 0.25), intAttribute('transB', 1)];
    const t = b.op('Transpose', [x], { attributes: [intsAttribute('perm', [1, 0])] });
    const y = b.op('Gemm', [t, constant(b, randomTensor([4, 3])), constant(b, randomTensor([2, 1], 2))], {
      attributes,
    });
    return b.op('Add', [y, constant(b, randomTensor([4], 3))]);
  }),
  trap('two products by constants', [2, 3], (b, x) =>
    b.op('MatMul', [b.op('MatMul', [x, constant(b, randomTensor([3, 4]))]), constant(b, randomTensor([4, 2], 2))]),
  ),
  trap('a product by a constant batch', [2, 3], (b, x) => b.op('MatMul', [x, constant(b, randomTensor([5, 3, 4]))])),
  trap('Einsum that sums a diagonal, and one that multiplies', [3, 3], (b, x) => {
    const einsum = (equation: string, inputs: readonly Value[]) =>
      b.op('Einsum', inputs, { attributes: [stringAttribute('equation', equation)] });
    return b.op('Add', [einsum('ij,kj->ki', [x, constant(b, randomTensor([3, 3]))]), einsum('ii->i', [x])]);
  }),
  trap('Einsum with a batch and another order of its result', [2, 3, 4], (b, x) =>
    b.op('Einsum', [x, constant(b, randomTensor([2, 5, 4]))], {
      attributes: [stringAttribute('equation', 'bij,bkj->kbi')],
    }),
  ),
  ...[1, 2, 0, -1].map(
    (axis): Trap => ({
      name: `Softmax of opset 11 at axis ${axis} flattens`,
      opset: 11,
      allowance: rounding,
      build(b) {
        const x = b.input('x', [2, 3, 4]);
        const attributes = [intAttribute('axis', axis)];
        b.output(b.op('Softmax', [x], { attributes }), 'y');
        b.output(b.op('LogSoftmax', [b.op('Transpose', [x])], { attributes }), 'z');
      },
    }),
  ),
];

/** Queries, keys and values of 2 heads of 4, scaled, masked or not, put together again. */
function attention(
  b: ModelBuilder,
  x: Value,
  options: { scale?: number; axis?: number; mask?: readonly number[] },
): Value {
  const heads = (seed: number, perm: readonly number[]) => {
    const projected = b.op('MatMul', [x, constant(b, randomTensor([8, 8], seed))]);
    const split = b.op('Reshape', [projected, constant(b, int64Tensor([0, 0, 2, 4]))]);
    return b.op('Transpose', [split], { attributes: [intsAttribute('perm', perm)] });
  };
  const products = b.op('MatMul', [heads(1, [0, 2, 1, 3]), heads(2, [0, 2, 3, 1])]);
  let scores = b.op('Div', [products, number(b, options.scale ?? 2)]);
  if (options.mask !== undefined) scores = b.op('Add', [scores, constant(b, randomTensor(options.mask, 9))]);
  const weights = b.op('Softmax', [scores], { attributes: [intAttribute('axis', options.axis ?? -1)] });
  const mixed = b.op('Transpose', [b.op('MatMul', [weights, heads(3, [0, 2, 1, 3])])], {
    attributes: [intsAttribute('perm', [0, 2, 1, 3])],
  });
  return b.op('Reshape', [mixed, constant(b, int64Tensor([0, 0, 8]))]);
}

/** Keys and values as a cache holds them, with heads of `size` for the values. */
const cached = (size: number): Trap =>
  trap(`attention over keys and values of four axes, their heads of 4 and of ${size}`, [2, 5, 8], (b, x) => {
    const query = b.op('Transpose', [b.op('Reshape', [x, constant(b, int64Tensor([0, 0, 2, 4]))])], {
      attributes: [intsAttribute('perm', [0, 2, 1, 3])],
    });
    const keys = b.op('Transpose', [b.input('k', [2, 2, 6, 4])], { attributes: [intsAttribute('perm', [0, 1, 3, 2])] });
    const scores = b.op('Mul', [b.op('MatMul', [query, keys]), number(b, 0.5)]);
    const mixed = b.op('MatMul', [b.op('Softmax', [scores]), b.input('v', [2, 2, 6, size])]);
    const together = b.op('Transpose', [mixed], { attributes: [intsAttribute('perm', [0, 2, 1, 3])] });
    return b.op('Reshape', [together, constant(b, int64Tensor([0, 0, 2 * size]))]);
  });

const attentions: readonly Trap[] = [
  cached(4),
  cached(6),
  trap('attention written out', [1, 5, 8], (b, x) => attention(b, x, {})),
  trap('attention over a symbolic batch and length', ['n', 's', 8], (b, x) => attention(b, x, {}), {
    bindings: [
      { n: 2, s: 3 },
      { n: 1, s: 1 },
    ],
  }),
  trap('attention with another scale than the root of its head', [2, 5, 8], (b, x) => attention(b, x, { scale: 3 })),
  trap('attention whose weights add up along the queries', [2, 5, 8], (b, x) => attention(b, x, { axis: 2 })),
  trap('attention with a mask of one a key', [2, 5, 8], (b, x) => attention(b, x, { mask: [2, 1, 1, 5] })),
  trap('attention with a mask of one a head', [2, 5, 8], (b, x) => attention(b, x, { mask: [1, 2, 5, 5] })),
  trap('attention with a mask that grows the batch', [1, 5, 8], (b, x) => attention(b, x, { mask: [3, 1, 5, 5] })),
];

describe('patterns of normalization and activation, and what only looks like them', () => {
  testTraps([...normalizations, ...activations]);
});

describe('products of matrices, and attention', () => {
  testTraps([...products, ...attentions]);
});
