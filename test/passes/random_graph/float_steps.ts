import { floatAttribute, intAttribute, intsAttribute } from '../../../src/ir/attribute.js';
import { floatTensor } from '../../../src/ir/tensor.js';
import { broadcast, type Item, isFixed, isFloat, isSmall, isTame, type Scope, type Size, type Step } from './scope.js';

/** A float result that was computed. */
function computed(scope: Scope, value: Item['value'], dims: readonly Size[], bound: number): Item {
  const kept = scope.keep(value, { dtype: 'float', dims, bound, moved: false });
  // What grew too far is brought back, as networks do.
  if (bound <= 200) return kept;
  return scope.keep(scope.op('Tanh', [kept]), { dtype: 'float', dims, bound: 1, moved: false });
}

const smooth = ['Tanh', 'Sigmoid', 'Softsign', 'Erf', 'Sin', 'Cos', 'Atan'] as const;
const piecewise = ['Relu', 'Neg', 'Abs', 'LeakyRelu', 'Elu', 'HardSigmoid', 'HardSwish', 'Softplus'] as const;
const jumping = ['Floor', 'Ceil', 'Round', 'Sign'] as const;

function unary(scope: Scope): void {
  const x = scope.pick(isFloat);
  if (x === undefined) return;
  const jumps = scope.mode === 'exact' || x.moved;
  const opType = scope.random.from([...smooth, ...piecewise, ...piecewise, ...(jumps ? jumping : [])]);
  const isSquashing = (smooth as readonly string[]).includes(opType) && opType !== 'Atan';
  computed(scope, scope.op(opType, [x]), x.dims, isSquashing ? 1 : x.bound + 1);
}

function binary(scope: Scope): void {
  const a = scope.pick(isTame);
  const c = a && scope.pick((item) => isTame(item) && broadcast(a.dims, item.dims) !== undefined);
  if (a === undefined || c === undefined) return;
  const dims = broadcast(a.dims, c.dims)!;
  if (!isSmall(scope, dims)) return;
  const opType = scope.random.from(['Add', 'Sub', 'Mul', 'Max', 'Min', 'Mean', 'Sum'] as const);
  computed(scope, scope.op(opType, [a, c]), dims, opType === 'Mul' ? a.bound * c.bound : a.bound + c.bound);
}

/** With a constant that is neutral, or is not, within the shape of the other side or beyond it. */
function binaryWithConstant(scope: Scope): void {
  const x = scope.pick(isTame);
  if (x === undefined) return;
  const { random } = scope;
  const opType = random.from(['Add', 'Sub', 'Mul', 'Div', 'Add', 'Mul'] as const);
  const dims = random.chance(0.15) ? [random.below(2) + 1, ...x.dims.map(() => 1)] : scope.dimsWithin(x.dims);
  const neutral = opType === 'Add' || opType === 'Sub' ? 0 : 1;
  const count = dims.reduce((product, dim) => product * dim, 1);
  const tensor = random.chance(0.3)
    ? floatTensor(new Array<number>(count).fill(neutral), dims)
    : scope.tensor('float', dims, opType === 'Div' ? 0.5 : -1, opType === 'Div' ? 2 : 1);
  const sides = [x, scope.constant(tensor)];
  if (opType !== 'Div' && random.chance(0.3)) sides.reverse();
  const result = broadcast(
    x.dims,
    dims.map((dim) => scope.size(dim)),
  );
  if (result === undefined || !isSmall(scope, result)) return;
  computed(scope, scope.op(opType, sides), result, opType === 'Div' ? x.bound * 2 : x.bound + 1);
}

function clipChain(scope: Scope): void {
  const x = scope.pick(isFloat);
  if (x === undefined) return;
  let value = x.value;
  for (let step = 0; step <= scope.random.below(3); step += 1) {
    const ends = [0, 1].map(() => scope.random.from([-2, -1, -0.5, 0, 0.25, 1, 6]));
    const [low, high] = scope.random.chance(0.85) ? ends.sort((a, b) => a - b) : ends;
    const one = () => scope.random.chance(0.2);
    value = scope.random.chance(0.3)
      ? scope.op('Relu', [value])
      : scope.op('Clip', [value, one() ? null : scope.number(low!), one() ? null : scope.number(high!)]);
  }
  computed(scope, value, x.dims, Math.max(6, x.bound));
}

function matmul(scope: Scope): void {
  const x = scope.pick((item) => isTame(item) && item.dims.length >= 1 && isFixed(item.dims.at(-1)!));
  if (x === undefined) return;
  const inner = x.dims.at(-1)![0]!;
  if (inner === 0) return;
  const columns = scope.random.from([1, 2, 3, 4]);
  const batch = scope.random.chance(0.1) && x.dims.length <= 2 ? [2] : [];
  const weight = scope.constant(scope.tensor('float', [...batch, inner, columns]));
  const isMatrix = x.dims.length === 2;
  const bias = scope.constant(scope.tensor('float', scope.random.chance(0.8) ? [columns] : [1, columns]));
  const rows = [...batch.map((size) => scope.size(size)), ...x.dims.slice(0, -1)];
  const dims = [...rows, scope.size(columns)];
  const bound = x.bound * inner;
  if (isMatrix && batch.length === 0 && scope.random.chance(0.3)) {
    const attributes = scope.random.chance(0.5) ? [floatAttribute('alpha', 0.5), floatAttribute('beta', 2)] : [];
    computed(scope, scope.op('Gemm', [x, weight, bias], attributes), dims, bound + 2);
    return;
  }
  const product = computed(scope, scope.op('MatMul', [x, weight]), dims, bound);
  if (dims.length < 2 || product.bound > 64 || scope.random.chance(0.3)) return;
  computed(
    scope,
    scope.op('Add', scope.random.chance(0.8) ? [product, bias] : [bias, product]),
    dims,
    product.bound + 1,
  );
}

function softmax(scope: Scope): void {
  const x = scope.pick((item) => isTame(item) && item.dims.length >= 1);
  if (x === undefined) return;
  const axis = scope.random.below(x.dims.length) - (scope.random.chance(0.5) ? x.dims.length : 0);
  if (scope.random.chance(0.6)) {
    computed(scope, scope.op('Softmax', [x], [intAttribute('axis', axis)]), x.dims, 1);
    return;
  }
  const small = scope.op('Clip', [x.value, scope.number(-4), scope.number(4)]);
  const exp = scope.op('Exp', [small]);
  const sum = scope.reduce('ReduceSum', exp, [axis]);
  computed(scope, scope.op('Div', [exp, sum]), x.dims, 1);
}

/** (x − mean) / sqrt(variance + ε) · γ + β over the last axis or another. */
function layerNorm(scope: Scope): void {
  const x = scope.pick((item) => isTame(item) && item.dims.length >= 2 && isFixed(item.dims.at(-1)!));
  if (x === undefined) return;
  const { random } = scope;
  const axis = random.chance(0.8) ? -1 : random.below(x.dims.length);
  const centred = scope.op('Sub', [x.value, scope.reduce('ReduceMean', x, [axis])]);
  const square = random.chance(0.5) ? scope.op('Pow', [centred, scope.number(2)]) : scope.op('Mul', [centred, centred]);
  const variance = scope.reduce('ReduceMean', square, [axis]);
  const root = scope.op('Sqrt', [scope.op('Add', [variance, scope.number(random.from([1e-2, 1e-3]))])]);
  const normal = scope.op('Div', [centred, root]);
  const width = x.dims.at(-1)![0]!;
  const gamma = scope.constant(scope.tensor('float', random.chance(0.8) ? [width] : [1]));
  const scaled = scope.op('Mul', random.chance(0.7) ? [normal, gamma] : [gamma, normal]);
  const shifted = scope.op('Add', [scaled, scope.constant(scope.tensor('float', [width]))]);
  if (random.chance(0.15)) computed(scope, normal, x.dims, 8);
  computed(scope, shifted, x.dims, 8);
}

/** Activations in their arithmetic, now and then with a number changed. */
function activation(scope: Scope): void {
  const x = scope.pick(isTame);
  if (x === undefined) return;
  const { random } = scope;
  const off = () => (random.chance(0.2) ? 1.1 : 1);
  const n = (value: number) => scope.number(value * off());
  const kinds = {
    gelu: () => {
      const erf = scope.op('Erf', [scope.op('Div', [x, n(Math.SQRT2)])]);
      return scope.op('Mul', [scope.op('Mul', [x, scope.op('Add', [erf, n(1)])]), n(0.5)]);
    },
    silu: () => scope.op('Mul', [x, scope.op('Sigmoid', [x])]),
    hardSwish: () => {
      const gate = scope.op('Clip', [scope.op('Add', [x, n(3)]), scope.number(0), n(6)]);
      return scope.op('Div', [scope.op('Mul', [x, gate]), n(6)]);
    },
    mish: () => scope.op('Mul', [x, scope.op('Tanh', [scope.op('Softplus', [x])])]),
  };
  computed(scope, random.from(Object.values(kinds))(), x.dims, x.bound * 2 + 1);
}

/** A convolution over [batch, channels, height, width], with what is often folded into it. */
function convolution(scope: Scope): void {
  const { random } = scope;
  const fits = ({ dims }: Item) =>
    dims.length === 4 && dims.slice(1).every(isFixed) && dims[2]![0]! >= 2 && dims[3]![0]! >= 2 && dims[1]![0]! >= 1;
  const x = scope.pick((item) => isTame(item) && fits(item));
  if (x === undefined) return;
  const [channels, height, width] = x.dims.slice(1).map((size) => size[0]!) as [number, number, number];
  const group = random.chance(0.3) ? channels : 1;
  const outputs = group * random.from([1, 2, 3]);
  const kernel = random.from([1, 2]);
  const transposed = random.chance(0.25);
  const perGroup = channels / group;
  const shape = transposed ? [channels, outputs / group, kernel, kernel] : [outputs, perGroup, kernel, kernel];
  const pads = !transposed && random.chance(0.3) ? [1, 0, 1, 0] : [0, 0, 0, 0];
  const attributes = [intAttribute('group', group), intsAttribute('pads', pads)];
  const inputs = [x, scope.constant(scope.tensor('float', shape))];
  if (random.chance(0.5)) inputs.push(scope.constant(scope.tensor('float', [outputs])));
  const grow = transposed ? kernel - 1 : 1 - kernel;
  const dims = [
    x.dims[0]!,
    scope.size(outputs),
    scope.size(height + grow + pads[0]! + pads[2]!),
    scope.size(width + grow + pads[1]! + pads[3]!),
  ];
  if (!isSmall(scope, dims)) return;
  const bound = x.bound * channels * kernel * kernel + 1;
  const y = computed(scope, scope.op(transposed ? 'ConvTranspose' : 'Conv', inputs, attributes), dims, bound);
  if (!isTame(y) || random.chance(0.3)) return;
  if (random.chance(0.5)) {
    const [scale, offset, mean] = [1, 2, 3].map(() => scope.constant(scope.tensor('float', [outputs])));
    const variance = scope.constant(scope.tensor('float', [outputs], 0.5, 2));
    computed(scope, scope.op('BatchNormalization', [y, scale!, offset!, mean!, variance]), dims, y.bound * 2 + 4);
    return;
  }
  const constant = scope.constant(scope.tensor('float', random.chance(0.7) ? [outputs, 1, 1] : scope.dimsWithin(dims)));
  computed(scope, scope.op(random.from(['Add', 'Mul', 'Sub']), [y, constant]), dims, y.bound + 1);
}

function pooling(scope: Scope): void {
  const x = scope.pick(
    ({ dims, dtype }) =>
      dtype === 'float' && dims.length === 4 && dims.slice(2).every((size) => isFixed(size) && size[0]! >= 2),
  );
  if (x === undefined) return;
  const { random } = scope;
  let { value } = x;
  let [height, width] = x.dims.slice(2).map((size) => size[0]!) as [number, number];
  if (random.chance(0.4)) {
    value = scope.op('Pad', [value, scope.ints([0, 0, 1, 0, 0, 0, 0, 1])]);
    height += 1;
    width += 1;
  }
  const opType = random.from(['MaxPool', 'AveragePool'] as const);
  const counted = opType === 'AveragePool' ? [intAttribute('count_include_pad', random.below(2))] : [];
  const attributes = [intsAttribute('kernel_shape', [2, 2]), ...counted];
  const dims = [x.dims[0]!, x.dims[1]!, scope.size(height - 1), scope.size(width - 1)];
  computed(scope, scope.op(opType, [value], attributes), dims, x.bound);
}

function reduction(scope: Scope): void {
  const x = scope.pick((item) => isTame(item) && item.dims.length >= 1);
  if (x === undefined) return;
  const { random } = scope;
  const opType = random.from(['ReduceMean', 'ReduceMax', 'ReduceMin', 'ReduceSum', 'ReduceL2'] as const);
  const axes = x.dims.flatMap((_, axis) => (random.chance(0.4) ? [axis] : []));
  if (axes.length === 0) axes.push(x.dims.length - 1);
  const keepdims = random.below(2);
  const written = axes.map((axis) => (random.chance(0.3) ? axis - x.dims.length : axis));
  const value = scope.reduce(opType, x, written, keepdims);
  const dims = x.dims.flatMap((size, axis) => (axes.includes(axis) ? (keepdims ? [scope.size(1)] : []) : [size]));
  const most = Math.max(...axes.map((axis) => Math.max(...x.dims[axis]!)), 1) ** axes.length;
  computed(scope, value, dims, opType === 'ReduceSum' || opType === 'ReduceL2' ? x.bound * most : x.bound);
}

export const floatSteps: readonly Step[] = [
  { weight: 4, apply: unary },
  { weight: 4, apply: binary },
  { weight: 5, apply: binaryWithConstant },
  { weight: 2, apply: clipChain },
  { weight: 3, apply: matmul },
  { weight: 1, apply: softmax },
  { weight: 1.5, apply: layerNorm },
  { weight: 1.5, apply: activation },
  { weight: 3, apply: convolution },
  { weight: 1, apply: pooling },
  { weight: 2, apply: reduction },
];
