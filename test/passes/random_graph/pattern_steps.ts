import {
  type Attribute,
  floatAttribute,
  intAttribute,
  intsAttribute,
  stringAttribute,
} from '../../../src/ir/attribute.js';
import type { Value } from '../../../src/ir/graph.js';
import { floatTensor, int64Tensor } from '../../../src/ir/tensor.js';
import { type Item, isFixed, isFloat, isSmall, isTame, type Scope, type Size, type Step } from './scope.js';

/** What networks are made of, mostly as exporters spell it and now and then a little different. */

const keep = (scope: Scope, value: Value, dims: readonly Size[], bound: number): Item =>
  scope.keep(value, { dtype: 'float', dims, bound, moved: false });

/** [batch, length, width] with a width that is even. */
const isSequence = (item: Item): boolean =>
  isTame(item) &&
  item.dims.length === 3 &&
  isFixed(item.dims[2]!) &&
  item.dims[2]![0]! % 2 === 0 &&
  item.dims[2]![0]! > 0;

/** A sequence at hand, or one that is made of something else. */
function sequence(scope: Scope): Item | undefined {
  const found = scope.pick(isSequence);
  if (found !== undefined) return found;
  const x = scope.pick(
    (item) => isTame(item) && item.dims.length === 3 && isFixed(item.dims[2]!) && item.dims[2]![0]! > 0,
  );
  if (x === undefined) return undefined;
  const weight = scope.constant(scope.tensor('float', [x.dims[2]![0]!, 4]));
  return keep(scope, scope.op('MatMul', [x, weight]), x.dims.with(2, scope.size(4)), x.bound * x.dims[2]![0]!);
}

function attention(scope: Scope): void {
  const x = sequence(scope);
  if (x === undefined) return;
  const { random } = scope;
  const width = x.dims[2]![0]!;
  const heads = random.from([1, 2]);
  const size = width / heads;
  const part = (perm: readonly number[]): Value => {
    const projected = scope.op('MatMul', [x, scope.constant(scope.tensor('float', [width, width]))]);
    const biased = scope.op('Add', [projected, scope.constant(scope.tensor('float', [width]))]);
    const split = scope.op('Reshape', [random.chance(0.7) ? biased : projected, scope.ints([0, 0, heads, size])]);
    return scope.op('Transpose', [split], [intsAttribute('perm', perm)]);
  };
  let scores = scope.op('MatMul', [part([0, 2, 1, 3]), part([0, 2, 3, 1])]);
  scores = random.chance(0.5)
    ? scope.op('Div', [scores, scope.number(Math.sqrt(size))])
    : scope.op('Mul', [scores, scope.number(0.4)]);
  if (random.chance(0.3))
    scores = scope.op('Add', [scores, scope.constant(scope.tensor('float', random.chance(0.5) ? [1] : [heads, 1, 1]))]);
  const weights = scope.op('Softmax', [scores], [intAttribute('axis', random.chance(0.9) ? -1 : 2)]);
  if (random.chance(0.1)) keep(scope, weights, [x.dims[0]!, scope.size(heads), x.dims[1]!, x.dims[1]!], 1);
  const mixed = scope.op(
    'Transpose',
    [scope.op('MatMul', [weights, part([0, 2, 1, 3])])],
    [intsAttribute('perm', [0, 2, 1, 3])],
  );
  keep(scope, scope.op('Reshape', [mixed, scope.ints([0, 0, width])]), x.dims, x.bound * width * 2);
}

function rotary(scope: Scope): void {
  const x = scope.pick(isSequence);
  if (x === undefined || !isFixed(x.dims[1]!)) return;
  const [length, width] = [x.dims[1]![0]!, x.dims[2]![0]!];
  const half = width / 2;
  const cut = (from: number, to: number) =>
    scope.op('Slice', [x, scope.ints([from]), scope.ints([to]), scope.ints([2])]);
  const [first, second] = [cut(0, half), cut(half, width)];
  const turned = scope.op('Concat', scope.random.chance(0.8) ? [scope.op('Neg', [second]), first] : [second, first], [
    intAttribute('axis', -1),
  ]);
  const [cos, sin] = [1, 2].map(() => scope.constant(scope.tensor('float', [length, width])));
  const sum = scope.op('Add', [scope.op('Mul', [x, cos!]), scope.op('Mul', [turned, sin!])]);
  keep(scope, sum, x.dims, x.bound * 2);
}

function rootMeanSquare(scope: Scope): void {
  const x = scope.pick((item) => isTame(item) && item.dims.length >= 2 && isFixed(item.dims.at(-1)!));
  if (x === undefined) return;
  const { random } = scope;
  const square = random.chance(0.5) ? scope.op('Mul', [x, x]) : scope.op('Pow', [x, scope.number(2)]);
  const mean = scope.reduce('ReduceMean', square, [-1]);
  const root = scope.op('Sqrt', [scope.op('Add', [mean, scope.number(random.from([1e-2, 1e-3]))])]);
  const normal = random.chance(0.5) ? scope.op('Div', [x, root]) : scope.op('Mul', [x, scope.op('Reciprocal', [root])]);
  const weight = scope.constant(scope.tensor('float', [x.dims.at(-1)![0]!]));
  keep(scope, scope.op('Mul', random.chance(0.5) ? [normal, weight] : [weight, normal]), x.dims, 8);
}

/** [batch, channels, height, width], normalized over two groups by way of Reshape. */
function groupNorm(scope: Scope): void {
  const x = scope.pick(
    (item) =>
      isTame(item) &&
      item.dims.length === 4 &&
      item.dims.slice(1).every(isFixed) &&
      item.dims[1]![0]! % 2 === 0 &&
      item.dims.every((size) => size.every((each) => each > 0)),
  );
  if (x === undefined) return;
  const groups = scope.op('Reshape', [x, scope.ints([0, 2, -1])]);
  const [scale, bias] = [1, 0].map((value) => scope.constant(floatTensor([value, value])));
  const normal = scope.op('InstanceNormalization', [groups, scale!, bias!], [floatAttribute('epsilon', 1e-3)]);
  const back = scope.op('Reshape', [normal, scope.op('Shape', [x])]);
  const channels = x.dims[1]![0]!;
  const scaled = scope.op('Mul', [back, scope.constant(scope.tensor('float', [channels, 1, 1]))]);
  keep(scope, scope.op('Add', [scaled, scope.constant(scope.tensor('float', [channels, 1, 1]))]), x.dims, 16);
}

/** Every second row and column, side by side. */
function focus(scope: Scope): void {
  const x = scope.pick(
    ({ dims, dtype }) =>
      dtype === 'float' &&
      dims.length === 4 &&
      dims.slice(2).every((size) => isFixed(size) && size[0]! >= 2 && size[0]! % 2 === 0),
  );
  if (x === undefined) return;
  const { random } = scope;
  const phase = (row: number, column: number) => {
    const rows = scope.op('Slice', [
      x,
      scope.ints([row]),
      scope.ints([2n ** 63n - 1n]),
      scope.ints([2]),
      scope.ints([2]),
    ]);
    return scope.op('Slice', [rows, scope.ints([column]), scope.ints([100]), scope.ints([3]), scope.ints([2])]);
  };
  const orders = [
    [
      [0, 0],
      [1, 0],
      [0, 1],
      [1, 1],
    ],
    [
      [0, 0],
      [0, 1],
      [1, 0],
      [1, 1],
    ],
    [
      [0, 0],
      [0, 0],
      [1, 0],
      [1, 1],
    ],
  ] as const;
  const parts = random.from(orders).map(([row, column]) => phase(row, column));
  const dims = [
    x.dims[0]!,
    x.dims[1]!.map((size) => size * 4),
    ...x.dims.slice(2).map((size) => scope.size(size[0]! / 2)),
  ];
  scope.keep(scope.op('Concat', parts, [intAttribute('axis', 1)]), { ...x, dims });
}

const equations = [
  ['ij,jk->ik', 2],
  ['ij,jk->ki', 2],
  ['bij,jk->bik', 3],
  ['bij,jk->bki', 3],
] as const;

function einsum(scope: Scope): void {
  const [equation, rank] = scope.random.from(equations);
  const x = scope.pick(
    (item) => isTame(item) && item.dims.length === rank && isFixed(item.dims.at(-1)!) && item.dims.at(-1)![0]! > 0,
  );
  if (x === undefined) return;
  const inner = x.dims.at(-1)![0]!;
  const weight = scope.constant(scope.tensor('float', [inner, 3]));
  const rows = x.dims.at(-2)!;
  const last = equation.endsWith('ki') ? [scope.size(3), rows] : [rows, scope.size(3)];
  const value = scope.op('Einsum', [x, weight], [stringAttribute('equation', equation)]);
  keep(scope, value, [...x.dims.slice(0, -2), ...last], x.bound * inner);
}

/** A node again, as it stands, or with an attribute spelled out. */
function duplicate(scope: Scope): void {
  const x = scope.pick(
    ({ value }) =>
      value.producer !== null && value.producer.graph === scope.b.graph && value.producer.outputs.length === 1,
  );
  const node = x?.value.producer;
  if (x === undefined || node == null || node.domain !== '' || ['If', 'Loop', 'Constant'].includes(node.opType)) return;
  const attributes: Attribute[] = [...node.attributes.values()];
  if (node.opType === 'Softmax' && attributes.length === 0) attributes.push(intAttribute('axis', -1));
  scope.keep(scope.op(node.opType, node.inputs, attributes), x);
}

/** Rows written into a constant, in order or not. */
function scatter(scope: Scope): void {
  const x = scope.pick(
    (item) => isFloat(item) && item.dims.length >= 1 && item.dims.every(isFixed) && item.dims[0]![0]! >= 1,
  );
  if (x === undefined) return;
  const { random } = scope;
  const sizes = x.dims.map((size) => size[0]!);
  const rows = sizes[0]! + random.below(2);
  const order = random.shuffled([...Array(rows).keys()]).slice(0, sizes[0]!);
  const indices = int64Tensor(random.chance(0.5) ? order : order.toSorted((a, b) => a - b), [sizes[0]!, 1]);
  const base = scope.constant(scope.tensor('float', [rows, ...sizes.slice(1)]));
  const dims = [scope.size(rows), ...x.dims.slice(1)];
  if (isSmall(scope, dims)) {
    scope.keep(scope.op('ScatterND', [base, scope.constant(indices), x]), { ...x, dims, bound: Math.max(1, x.bound) });
  }
}

/** The mask of a Dropout that drops nothing, and outputs that nobody reads. */
function spareOutputs(scope: Scope): void {
  const x = scope.pick((item) => isFloat(item) && item.dims.some((size) => isFixed(size) && size[0]! >= 2));
  if (x === undefined) return;
  if (scope.random.chance(0.5)) {
    const [value, mask] = scope.b.ops('Dropout', [x.value], { outputs: 2 });
    scope.keep(value!, x);
    if (scope.random.chance(0.5)) scope.keep(mask!, { ...x, dtype: 'bool', bound: 0, moved: true });
    return;
  }
  const axis = x.dims.findIndex((size) => isFixed(size) && size[0]! >= 2);
  const attributes = [intAttribute('axis', axis)];
  // The runtime divides by the other sizes.
  const isFull = x.dims.every((size) => size.every((each) => each > 0));
  if (!isFull || (scope.mode !== 'exact' && !x.moved)) return;
  const [values, indices] = scope.b.ops('TopK', [x.value, scope.ints([1])], { outputs: 2, attributes });
  const dims = x.dims.with(axis, scope.size(1));
  if (scope.random.chance(0.7)) scope.keep(values!, { ...x, dims });
  if (scope.random.chance(0.3)) scope.keep(indices!, { dtype: 'int64', dims, bound: 0, moved: true });
}

export const patternSteps: readonly Step[] = [
  { weight: 2, apply: attention },
  { weight: 0.7, apply: rotary },
  { weight: 0.7, apply: rootMeanSquare },
  { weight: 0.7, apply: groupNorm },
  { weight: 0.7, apply: focus },
  { weight: 0.7, apply: einsum },
  { weight: 1, apply: duplicate },
  { weight: 0.5, apply: scatter },
  { weight: 0.7, apply: spareOutputs },
];
