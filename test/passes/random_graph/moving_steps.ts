import { type Attribute, intAttribute, intsAttribute } from '../../../src/ir/attribute.js';
import type { Value } from '../../../src/ir/graph.js';
import { int64Tensor } from '../../../src/ir/tensor.js';
import {
  type Item,
  isFixed,
  isSmall,
  productOf,
  type Scope,
  type Size,
  type Step,
  sameDims,
  sameSize,
} from './scope.js';

const any = (scope: Scope, rank = 0): Item | undefined => scope.pick(({ dims }) => dims.length >= rank);

/** The same elements elsewhere. */
function moved(scope: Scope, x: Item, value: Value, dims: readonly Size[]): Item | undefined {
  return scope.keep(value, { dtype: x.dtype, dims, bound: x.bound, moved: x.moved });
}

function nothing(scope: Scope): void {
  const x = any(scope);
  if (x === undefined) return;
  const kinds = [
    () => scope.op('Identity', [x]),
    () => scope.op('Transpose', [x], [intsAttribute('perm', [...x.dims.keys()])]),
    ...(x.dtype === 'float'
      ? [() => scope.op('Dropout', [x]), () => scope.op('Sum', [x]), () => scope.op('Max', [x])]
      : []),
    ...(x.dims.length > 0
      ? [
          () => scope.op('Reshape', [x, scope.op('Shape', [x])]),
          () => scope.op('Concat', [x], [intAttribute('axis', 0)]),
          () => scope.op('Expand', [x, scope.ints(x.dims.map(() => 1))]),
          () => scope.op('Slice', [x, scope.ints([0]), scope.ints([2n ** 63n - 1n]), scope.ints([0])]),
        ]
      : []),
  ];
  moved(scope, x, scope.random.from(kinds)(), x.dims);
}

function transposes(scope: Scope): void {
  const x = any(scope, 2);
  if (x === undefined) return;
  let { value, dims } = x;
  for (let step = 0; step <= scope.random.below(3); step += 1) {
    const reversed = scope.random.chance(0.15);
    const perm = reversed ? [...dims.keys()].reverse() : scope.random.shuffled([...dims.keys()]);
    value = scope.op('Transpose', [value], reversed ? [] : [intsAttribute('perm', perm)]);
    dims = perm.map((axis) => dims[axis]!);
  }
  moved(scope, x, value, dims);
}

function unsqueezes(scope: Scope): void {
  const x = any(scope);
  if (x === undefined) return;
  let { value } = x;
  let dims = [...x.dims];
  for (let step = 0; step <= scope.random.below(3); step += 1) {
    const ones = dims.flatMap((size, axis) => (size.every((each) => each === 1) ? [axis] : []));
    if (ones.length > 0 && scope.random.chance(0.5)) {
      const axis = scope.random.from(ones);
      value = scope.op('Squeeze', [value, scope.ints([scope.random.chance(0.3) ? axis - dims.length : axis])]);
      dims.splice(axis, 1);
    } else if (dims.length < 5) {
      const axis = scope.random.below(dims.length + 1);
      value = scope.op('Unsqueeze', [value, scope.ints([scope.random.chance(0.3) ? axis - dims.length - 1 : axis])]);
      dims = dims.toSpliced(axis, 0, scope.size(1));
    }
  }
  moved(scope, x, value, dims);
}

/** To a shape of numbers, 0 and −1, or one computed from shapes. */
function reshape(scope: Scope): void {
  const x = scope.pick(({ dims }) => dims.length >= 1 && dims.every((size) => size.every((each) => each > 0)));
  if (x === undefined) return;
  const { random } = scope;
  const rank = x.dims.length;
  const dims: Size[] = [];
  const target: number[] = [];
  for (let axis = 0; axis < rank; axis += 1) {
    const [size, next] = [x.dims[axis]!, x.dims[axis + 1]];
    const even = isFixed(size) && size[0]! % 2 === 0;
    if (next !== undefined && random.chance(0.3)) {
      dims.push(productOf([size, next], scope.bindings));
      target.push(isFixed(dims.at(-1)!) ? dims.at(-1)![0]! : -1);
      axis += 1;
    } else if (even && random.chance(0.3)) {
      dims.push(scope.size(2), scope.size(size[0]! / 2));
      target.push(2, size[0]! / 2);
    } else {
      dims.push(size);
      const copies = dims.length - 1 < rank && sameSize(x.dims[dims.length - 1]!, size) && random.chance(0.5);
      target.push(copies ? 0 : isFixed(size) ? size[0]! : -1);
    }
  }
  if (dims.length > 5) return;
  if (target.filter((size) => size === -1).length <= 1 && random.chance(0.6)) {
    moved(scope, x, scope.op('Reshape', [x, scope.ints(target)]), dims);
    return;
  }
  const parts = dims.map((size) => dimension(scope, x, size));
  if (parts.some((part) => part === undefined)) return;
  const shape = scope.op('Concat', parts as Value[], [intAttribute('axis', 0)]);
  moved(scope, x, scope.op('Reshape', [x, shape]), dims);
}

/** A size as int64[1], computed from the shape of `x` where it is not fixed. */
function dimension(scope: Scope, x: Item, size: Size): Value | undefined {
  if (isFixed(size)) return scope.ints([size[0]!]);
  const at = (axis: number): Value => {
    const shape = scope.op('Shape', [x]);
    if (scope.random.chance(0.3)) return scope.op('Slice', [shape, scope.ints([axis]), scope.ints([axis + 1])]);
    if (scope.random.chance(0.5)) return scope.op('Gather', [shape, scope.ints([axis])]);
    return scope.op('Unsqueeze', [scope.op('Gather', [shape, scope.ints([axis], [])]), scope.ints([0])]);
  };
  const same = x.dims.findIndex((each) => sameSize(each, size));
  if (same >= 0) return at(same);
  for (let axis = 0; axis + 1 < x.dims.length; axis += 1) {
    const product = productOf([x.dims[axis]!, x.dims[axis + 1]!], scope.bindings);
    if (sameSize(product, size)) return scope.op('Mul', [at(axis), at(axis + 1)]);
  }
  return undefined;
}

function slices(scope: Scope): void {
  const x = any(scope, 1);
  if (x === undefined) return;
  const { random } = scope;
  let { value } = x;
  const dims = [...x.dims];
  for (let step = 0; step <= random.below(2); step += 1) {
    const axis = random.below(dims.length);
    const start = random.below(4) - 1;
    const end = random.from([1, 2, 3, -1, 100]);
    const stride = random.chance(0.2) ? 2 : 1;
    const written = random.chance(0.3) ? axis - dims.length : axis;
    const inputs = [scope.ints([start]), scope.ints([end]), scope.ints([written])];
    value = scope.op('Slice', [value, ...inputs, ...(stride === 1 ? [] : [scope.ints([stride])])]);
    dims[axis] = dims[axis]!.map((size) => {
      const clamp = (at: number) => Math.min(size, Math.max(0, at < 0 ? at + size : at));
      return Math.max(0, Math.ceil((clamp(end) - clamp(start)) / stride));
    });
  }
  moved(scope, x, value, dims);
}

function splitAndConcat(scope: Scope): void {
  const x = scope.pick(({ dims }) => dims.some((size) => isFixed(size) && size[0]! >= 2));
  if (x === undefined) return;
  const { random } = scope;
  const axis = x.dims.findIndex((size) => isFixed(size) && size[0]! >= 2);
  const size = x.dims[axis]![0]!;
  const first = 1 + random.below(size - 1);
  const attributes = [intAttribute('axis', axis)];
  const inputs = [x.value, scope.constant(int64Tensor([first, size - first]))];
  const [a, c] = scope.b.ops('Split', inputs, { attributes, outputs: 2 });
  const parts = [a!, c!].map((value, index) =>
    moved(scope, x, value, x.dims.with(axis, scope.size(index === 0 ? first : size - first))),
  );
  if (random.chance(0.3)) return;
  const order = random.chance(0.6) ? parts : parts.toReversed();
  moved(scope, x, scope.op('Concat', order as Item[], attributes), x.dims);
}

function concat(scope: Scope): void {
  const x = any(scope, 1);
  if (x === undefined) return;
  const axis = scope.random.below(x.dims.length);
  const fits = (item: Item) =>
    item.dtype === x.dtype &&
    item.dims.length === x.dims.length &&
    item.dims.every((size, at) => at === axis || sameSize(size, x.dims[at]!));
  const y = scope.pick(fits) ?? x;
  const dims = x.dims.with(
    axis,
    x.dims[axis]!.map((size, index) => size + y.dims[axis]![index]!),
  );
  if (!isSmall(scope, dims)) return;
  const written = scope.random.chance(0.3) ? axis - x.dims.length : axis;
  scope.keep(scope.op('Concat', [x, y], [intAttribute('axis', written)]), {
    dtype: x.dtype,
    dims,
    bound: Math.max(x.bound, y.bound),
    moved: x.moved && y.moved,
  });
}

function gather(scope: Scope): void {
  const x = scope.pick(({ dims }) => dims.some((size) => size.every((each) => each >= 1)));
  if (x === undefined) return;
  const { random } = scope;
  const axis = x.dims.findIndex((size) => size.every((each) => each >= 1));
  const least = Math.min(...x.dims[axis]!);
  const dims = random.from([[], [1], [2], [2, 1]]);
  const count = dims.reduce((product, size) => product * size, 1);
  const indices = Array.from({ length: count }, () => random.below(least) - (random.chance(0.2) ? least : 0));
  const value = scope.op('Gather', [x, scope.ints(indices, dims)], [intAttribute('axis', axis)]);
  const result = x.dims.toSpliced(axis, 1, ...dims.map((size) => scope.size(size)));
  if (isSmall(scope, result)) moved(scope, x, value, result);
}

function expand(scope: Scope): void {
  const x = scope.pick(({ dims }) => dims.some((size) => size.every((each) => each === 1)));
  const like = scope.pick(({ dims }) => dims.length > 0);
  if (x === undefined || like === undefined) return;
  const axis = x.dims.findIndex((size) => size.every((each) => each === 1));
  const from = scope.random.below(like.dims.length);
  const size = scope.op('Gather', [scope.op('Shape', [like]), scope.ints([from])]);
  const ones = (count: number) => (count === 0 ? [] : [scope.ints(new Array<number>(count).fill(1))]);
  const parts = [...ones(axis), size, ...ones(x.dims.length - axis - 1)];
  const shape = scope.op('Concat', parts, [intAttribute('axis', 0)]);
  const dims = x.dims.with(axis, like.dims[from]!);
  if (isSmall(scope, dims)) moved(scope, x, scope.op('Expand', [x, shape]), dims);
}

function pad(scope: Scope): void {
  const x = scope.pick(({ dims, dtype }) => dtype !== 'bool' && dtype !== 'float16' && dims.length >= 1);
  if (x === undefined) return;
  const { random } = scope;
  const before = x.dims.map((size) =>
    random.chance(0.3) ? (Math.min(...size) > 2 ? random.below(3) - 1 : random.below(2)) : 0,
  );
  const after = x.dims.map(() => (random.chance(0.3) ? random.below(2) : 0));
  const dims = x.dims.map((size, axis) => size.map((each) => each + before[axis]! + after[axis]!));
  if (!isSmall(scope, dims)) return;
  moved(scope, x, scope.op('Pad', [x, scope.ints([...before, ...after])]), dims);
}

function where(scope: Scope): void {
  const x = any(scope);
  const y = x && scope.pick((item) => item.dtype === x.dtype && sameDims(item.dims, x.dims));
  if (x === undefined || y === undefined || x.dtype === 'float16' || x.dtype === 'bool') return;
  const condition = scope.pick(({ dtype, dims }) => dtype === 'bool' && (dims.length === 0 || sameDims(dims, x.dims)));
  const test = condition ?? scope.constant(scope.tensor('bool', scope.dimsWithin(x.dims)));
  scope.keep(scope.op('Where', [test, x, y]), {
    dtype: x.dtype,
    dims: x.dims,
    bound: Math.max(x.bound, y.bound),
    moved: x.moved && y.moved,
  });
}

/** Through half precision and back where every bit may be compared, or through a wider type. */
function casts(scope: Scope): void {
  const x = any(scope);
  if (x === undefined) return;
  const to = (code: number): Attribute[] => [intAttribute('to', code)];
  const one = (value: Value, dtype: Item['dtype']) => scope.keep(value, { ...x, dtype, bound: Math.max(x.bound, 4) });
  if (x.dtype === 'float') {
    if (scope.random.chance(0.5)) one(scope.op('Cast', [scope.op('Cast', [x], to(11))], to(1)), 'float');
    else if (x.moved || scope.mode === 'exact') one(scope.op('Cast', [x], to(10)), 'float16');
  } else if (x.dtype === 'float16') {
    one(scope.op('Cast', [x], to(1)), 'float');
  } else if (x.dtype === 'int32') {
    one(scope.op('Cast', [x], to(7)), 'int64');
  } else if (x.dtype === 'int64') {
    const [code, dtype] = scope.random.from([
      [6, 'int32'],
      [9, 'bool'],
    ] as const);
    one(scope.op('Cast', [x], to(code)), dtype);
  } else one(scope.op('Cast', [x], to(7)), 'int64');
}

export const movingSteps: readonly Step[] = [
  { weight: 2, apply: nothing },
  { weight: 2, apply: transposes },
  { weight: 2, apply: unsqueezes },
  { weight: 3, apply: reshape },
  { weight: 2, apply: slices },
  { weight: 1.5, apply: splitAndConcat },
  { weight: 1.5, apply: concat },
  { weight: 1.5, apply: gather },
  { weight: 1, apply: expand },
  { weight: 1.5, apply: pad },
  { weight: 1, apply: where },
  { weight: 1.5, apply: casts },
];
