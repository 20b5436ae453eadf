import { type Attribute, intAttribute, intsAttribute } from '../../../src/ir/attribute.js';
import type { DataType } from '../../../src/ir/data_type.js';
import { InvariantError } from '../../../src/ir/diagnostic.js';
import type { Value } from '../../../src/ir/graph.js';
import { encodeHalf } from '../../../src/ir/half_float.js';
import { elementCount, int64Tensor, type Tensor, tensorFromData } from '../../../src/ir/tensor.js';
import type { ModelBuilder } from '../../build_model.js';

/** A dimension: its size under each binding of the symbols. */
export type Size = readonly number[];

/** A value, and what a step must know of it to stay valid under every binding. */
export type Item = {
  readonly value: Value;
  readonly dtype: DataType;
  readonly dims: readonly Size[];
  /** No element is larger, as long as inputs are between −1 and 1; only floats count. */
  readonly bound: number;
  /** Only moved, never computed: rounding cannot have touched it, so that a jump in what reads it is safe. */
  readonly moved: boolean;
};

export class Random {
  private state: number;

  constructor(seed: number) {
    this.state = (Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ (seed >>> 3)) >>> 0;
    for (let round = 0; round < 4; round += 1) this.next();
  }

  /** Between 0 and 1. */
  next(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let t = this.state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  /** An integer from 0 to `count` − 1. */
  below(count: number): number {
    return Math.floor(this.next() * count);
  }

  chance(share: number): boolean {
    return this.next() < share;
  }

  from<T>(list: readonly T[]): T {
    if (list.length === 0) throw new InvariantError('nothing to choose from');
    return list[this.below(list.length)]!;
  }

  shuffled<T>(list: readonly T[]): T[] {
    return list
      .map((each) => ({ each, key: this.next() }))
      .sort((a, b) => a.key - b.key)
      .map(({ each }) => each);
  }
}

/** `exact`: any operator; every bit must stay. `rounding`: nothing that jumps where rounding moved its input. */
export type Mode = 'exact' | 'rounding';

/** One graph while it grows, and what it can read. */
export class Scope {
  readonly b: ModelBuilder;
  readonly random: Random;
  readonly mode: Mode;
  readonly bindings: number;
  readonly opset: number;
  readonly depth: number;
  readonly items: Item[] = [];
  private readonly outer: readonly Item[];

  constructor(
    { b, random, mode, bindings, opset }: Pick<Scope, 'b' | 'random' | 'mode' | 'bindings' | 'opset'>,
    outer: readonly Item[] = [],
    depth = 0,
  ) {
    this.b = b;
    this.random = random;
    this.mode = mode;
    this.bindings = bindings;
    this.opset = opset;
    this.outer = outer;
    this.depth = depth;
  }

  inner(b: ModelBuilder): Scope {
    const { random, mode, bindings, opset } = this;
    return new Scope({ b, random, mode, bindings, opset }, [...this.outer, ...this.items], this.depth + 1);
  }

  /** A value that fits, recent ones rather than old ones, those of outer graphs now and then. */
  pick(fits: (item: Item) => boolean): Item | undefined {
    const outside = this.random.chance(0.3) || this.items.length === 0;
    const found = (outside ? [...this.outer, ...this.items] : this.items).filter(fits);
    if (found.length === 0) return undefined;
    const recent = this.random.chance(0.6) ? found.slice(-4) : found;
    return this.random.from(recent);
  }

  size(n: number): Size {
    return new Array<number>(this.bindings).fill(n);
  }

  keep(value: Value, item: Omit<Item, 'value'>): Item {
    const kept = { ...item, value };
    this.items.push(kept);
    return kept;
  }

  op(opType: string, inputs: readonly (Item | Value | null)[], attributes: readonly Attribute[] = []): Value {
    const values = inputs.map((input) =>
      input !== null && 'value' in input ? input.value : input,
    ) as (Value | null)[];
    return this.b.op(opType, values, { attributes });
  }

  /** Axes are an input of ReduceSum, and of its siblings from opset 18 on. */
  reduce(opType: string, x: Item | Value, axes: readonly number[], keepdims = 1): Value {
    const attributes = keepdims === 1 && this.random.chance(0.5) ? [] : [intAttribute('keepdims', keepdims)];
    if (this.opset >= 18 || opType === 'ReduceSum') return this.op(opType, [x, this.ints(axes)], attributes);
    return this.op(opType, [x], [...attributes, intsAttribute('axes', axes)]);
  }

  /** An initializer, or a Constant node. */
  constant(tensor: Tensor): Value {
    if (this.random.chance(0.3)) {
      return this.b.op('Constant', [], { attributes: [{ name: 'value', kind: 'tensor', value: tensor }] });
    }
    return this.b.constant(this.b.editor.freshName('c'), tensor);
  }

  ints(values: readonly (number | bigint)[], dims?: readonly number[]): Value {
    return this.constant(int64Tensor(values, dims));
  }

  number(value: number): Value {
    return this.constant(tensorFromData('float', [], Float32Array.of(value)));
  }

  /** Random numbers, integers from −3 to 3; floats between `low` and `high`. */
  tensor(dtype: DataType, dims: readonly number[], low = -1, high = 1): Tensor {
    const of = <T>(make: () => T) => Array.from({ length: elementCount(dims) }, make);
    const float = () => low + this.random.next() * (high - low);
    const integer = () => this.random.below(7) - 3;
    switch (dtype) {
      case 'float':
        return tensorFromData(dtype, dims, Float32Array.from(of(float)));
      case 'float16':
        return tensorFromData(dtype, dims, encodeHalf('float16', of(float)));
      case 'int64':
        return tensorFromData(dtype, dims, BigInt64Array.from(of(() => BigInt(integer()))));
      case 'int32':
        return tensorFromData(dtype, dims, Int32Array.from(of(integer)));
      case 'bool':
        return tensorFromData(dtype, dims, Uint8Array.from(of(() => this.random.below(2))));
      default:
        throw new InvariantError(`no constants of ${dtype}`);
    }
  }

  /** Dimensions that broadcast against `dims` and do not enlarge it. */
  dimsWithin(dims: readonly Size[]): number[] {
    const kept = dims.slice(this.random.below(dims.length + 1));
    return kept.map((size) => (isFixed(size) && this.random.chance(0.6) ? size[0]! : 1));
  }
}

/** The same under every binding. */
export const isFixed = (size: Size): boolean => size.every((each) => each === size[0]);

export const sameSize = (a: Size, b: Size): boolean => a.every((each, index) => each === b[index]);

export const sameDims = (a: readonly Size[], b: readonly Size[]): boolean =>
  a.length === b.length && a.every((size, index) => sameSize(size, b[index]!));

export const productOf = (sizes: readonly Size[], bindings: number): Size =>
  Array.from({ length: bindings }, (_, index) => sizes.reduce((product, size) => product * size[index]!, 1));

/** What two shapes broadcast to under every binding, or undefined. */
export function broadcast(a: readonly Size[], b: readonly Size[]): Size[] | undefined {
  const rank = Math.max(a.length, b.length);
  const result: Size[] = [];
  for (let axis = 0; axis < rank; axis += 1) {
    const [left, right] = [a[axis - rank + a.length], b[axis - rank + b.length]];
    if (left === undefined || right === undefined) {
      result.push((left ?? right)!);
      continue;
    }
    if (left.some((size, index) => size !== right[index] && size !== 1 && right[index] !== 1)) return undefined;
    result.push(left.map((size, index) => (size === 1 ? right[index]! : size)));
  }
  return result;
}

export type Step = { readonly weight: number; readonly apply: (scope: Scope) => void };

export const isFloat = ({ dtype }: Item): boolean => dtype === 'float';
/** May grow by an operator or two. */
export const isTame = (item: Item): boolean => isFloat(item) && item.bound <= 64;
/** Small enough for models that run in a millisecond. */
export const isSmall = (scope: Scope, dims: readonly Size[]): boolean =>
  dims.length <= 5 && productOf(dims, scope.bindings).every((size) => size <= 4000);
