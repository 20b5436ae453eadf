import { intAttribute } from '../../../src/ir/attribute.js';
import type { DataType } from '../../../src/ir/data_type.js';
import { floatTensor, int64Tensor, tensorFromData } from '../../../src/ir/tensor.js';
import { broadcast, type Item, isFixed, isFloat, isSmall, type Scope, type Size, type Step } from './scope.js';

const isInteger = ({ dtype }: Item): boolean => dtype === 'int64' || dtype === 'int32';
const discrete = (dtype: DataType, dims: readonly Size[]) => ({ dtype, dims, bound: 0, moved: true });

function arithmetic(scope: Scope): void {
  const a = scope.pick(isInteger);
  const c = a && scope.pick((item) => item.dtype === a.dtype && broadcast(a.dims, item.dims) !== undefined);
  if (a === undefined || c === undefined) return;
  const dims = broadcast(a.dims, c.dims)!;
  if (!isSmall(scope, dims)) return;
  const opType = scope.random.from(['Add', 'Sub', 'Mul', 'Max', 'Min'] as const);
  scope.keep(scope.op(opType, [a, c]), discrete(a.dtype, dims));
}

/** By constants past 2^53 too; never divided by 0 or by −1, at which the smallest integer traps. */
function arithmeticWithConstant(scope: Scope): void {
  const x = scope.pick(isInteger);
  if (x === undefined) return;
  const { random } = scope;
  const opType = random.from(['Add', 'Sub', 'Mul', 'Div', 'Mod'] as const);
  const divides = opType === 'Div' || opType === 'Mod';
  const wide = [0n, 1n, 2n ** 53n + 1n, -(2n ** 40n), 5n, -3n];
  const values = divides ? [1n, 2n, 3n, -5n, 2n ** 53n + 1n] : wide;
  const value = random.from(values);
  const constant =
    x.dtype === 'int64'
      ? int64Tensor([value], [])
      : tensorFromData('int32', [], Int32Array.of(Number(BigInt.asIntN(16, value)) || 7));
  const inputs = [x, scope.constant(constant)];
  if (!divides && random.chance(0.3)) inputs.reverse();
  scope.keep(scope.op(opType, inputs), discrete(x.dtype, x.dims));
}

/** Numbers of the shape of something, and what is computed from them. */
function shapeArithmetic(scope: Scope): void {
  const x = scope.pick(({ dims }) => dims.length >= 1);
  if (x === undefined) return;
  const { random } = scope;
  const shape = scope.op('Shape', [x]);
  const rank = scope.size(x.dims.length);
  const kinds = [
    () => scope.keep(shape, discrete('int64', [rank])),
    () => scope.keep(scope.op('Size', [x]), discrete('int64', [])),
    () => scope.keep(scope.op('ReduceProd', [shape]), discrete('int64', [scope.size(1)])),
    () => {
      const size = scope.op('Gather', [shape, scope.ints([random.below(x.dims.length)], [])]);
      const half = scope.op('Div', [scope.op('Add', [size, scope.ints([3], [])]), scope.ints([2], [])]);
      scope.keep(random.chance(0.5) ? half : scope.op('Mul', [half, scope.ints([2], [])]), discrete('int64', []));
    },
    () => {
      const attributes = [{ name: 'value', kind: 'tensor', value: floatTensor([0.5]) } as const];
      const dims = x.dims;
      scope.keep(scope.op('ConstantOfShape', [shape], attributes), { dtype: 'float', dims, bound: 1, moved: true });
    },
    () => {
      const axis = random.below(x.dims.length);
      const size = scope.op('Gather', [shape, scope.ints([axis], [])]);
      const range = scope.op('Range', [scope.ints([0], []), size, scope.ints([1], [])]);
      scope.keep(range, discrete('int64', [x.dims[axis]!]));
    },
    () => scope.keep(scope.op('Cast', [shape], [intAttribute('to', 1)]), { ...discrete('float', [rank]), bound: 4000 }),
  ];
  random.from(kinds)();
}

function comparison(scope: Scope): void {
  const jumps = (item: Item) => isInteger(item) || (isFloat(item) && (scope.mode === 'exact' || item.moved));
  const a = scope.pick(jumps);
  if (a === undefined) return;
  const c =
    scope.pick((item) => item.dtype === a.dtype && jumps(item) && broadcast(a.dims, item.dims) !== undefined) ?? a;
  const dims = broadcast(a.dims, c.dims)!;
  if (!isSmall(scope, dims)) return;
  const opType = scope.random.from(['Less', 'Greater', 'Equal', 'LessOrEqual'] as const);
  scope.keep(scope.op(opType, [a, c]), discrete('bool', dims));
}

function logic(scope: Scope): void {
  const a = scope.pick(({ dtype }) => dtype === 'bool');
  if (a === undefined) return;
  if (scope.random.chance(0.4)) {
    scope.keep(scope.op('Not', [a]), discrete('bool', a.dims));
    return;
  }
  const c = scope.pick(({ dtype, dims }) => dtype === 'bool' && broadcast(a.dims, dims) !== undefined) ?? a;
  const dims = broadcast(a.dims, c.dims)!;
  const opType = scope.random.from(['And', 'Or', 'Xor'] as const);
  if (isSmall(scope, dims)) scope.keep(scope.op(opType, [a, c]), discrete('bool', dims));
}

function argMax(scope: Scope): void {
  const x = scope.pick((item) => isFloat(item) && item.dims.length >= 1 && (scope.mode === 'exact' || item.moved));
  const axis = x?.dims.findIndex((size) => size.every((each) => each >= 1)) ?? -1;
  if (x === undefined || axis < 0) return;
  const attributes = [intAttribute('axis', axis), intAttribute('keepdims', 0)];
  scope.keep(
    scope.op(scope.random.from(['ArgMax', 'ArgMin']), [x], attributes),
    discrete('int64', x.dims.toSpliced(axis, 1)),
  );
}

/** To 8 bits and back, once or twice, with scales that match or do not. */
function quantize(scope: Scope): void {
  const x = scope.pick((item) => isFloat(item) && (scope.mode === 'exact' || item.moved));
  if (x === undefined) return;
  const { random } = scope;
  let { value } = x;
  const pair = () => [
    scope.number(random.from([0.1, 0.02])),
    scope.constant(tensorFromData('uint8', [], Uint8Array.of(random.from([128, 3])))),
  ];
  let parameters = pair();
  for (let round = 0; round <= random.below(2); round += 1) {
    if (random.chance(0.3)) parameters = pair();
    const quantized = scope.op('QuantizeLinear', [value, ...parameters]);
    value = scope.op('DequantizeLinear', [quantized, ...(random.chance(0.8) ? parameters : pair())]);
  }
  scope.keep(value, { dtype: 'float', dims: x.dims, bound: 30, moved: scope.mode === 'exact' || x.moved });
}

/** A tensor of constants alone, for folding, of a fixed shape. */
function constants(scope: Scope): void {
  const { random } = scope;
  const dtype = random.from(['float', 'float', 'int64', 'bool', 'int32'] as const);
  const dims = Array.from({ length: random.below(4) }, () => random.from([1, 2, 3]));
  const item = { dtype, dims: dims.map((size) => scope.size(size)), bound: 1, moved: true };
  scope.keep(scope.constant(scope.tensor(dtype, dims)), item);
}

/** Positions of integers, taken as indices of something fixed. */
function lookUp(scope: Scope): void {
  const x = scope.pick(({ dims }) => dims.length >= 1 && isFixed(dims[0]!) && dims[0]![0]! >= 2);
  const indices = x && scope.pick(({ dtype, dims }) => dtype === 'int64' && dims.length <= 2);
  if (x === undefined || indices === undefined) return;
  const size = scope.ints([x.dims[0]![0]!], []);
  const within = scope.op('Mod', [indices, size]);
  const dims = [...indices.dims, ...x.dims.slice(1)];
  if (!isSmall(scope, dims)) return;
  scope.keep(scope.op('Gather', [x, within]), { ...x, dims });
}

export const integerSteps: readonly Step[] = [
  { weight: 2, apply: arithmetic },
  { weight: 2, apply: arithmeticWithConstant },
  { weight: 2.5, apply: shapeArithmetic },
  { weight: 1.5, apply: comparison },
  { weight: 1, apply: logic },
  { weight: 0.7, apply: argMax },
  { weight: 1, apply: quantize },
  { weight: 1.5, apply: constants },
  { weight: 0.7, apply: lookUp },
];
