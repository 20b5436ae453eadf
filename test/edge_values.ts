import type { DataType } from '../src/ir/data_type.js';
import { encodeHalf } from '../src/ir/half_float.js';
import { elementCount, type Tensor, tensorFromData, tensorFromStrings } from '../src/ir/tensor.js';

const { NaN: notANumber, POSITIVE_INFINITY: infinity } = Number;

/** Signed zeros, infinities, NaN, subnormal and huge numbers, halves that rounding rules differ on. */
const edgeFloats = [
  0,
  -0,
  1,
  -1,
  notANumber,
  infinity,
  -infinity,
  0.5,
  -0.5,
  1.5,
  2.5,
  -2.5,
  3.4e38,
  -3.4e38,
  1e-40,
  -1e-40,
  16777217,
  65504,
  65520,
  1e-8,
];

/** Past 2^53 on both sides, the ends of int64, and neighbours that a double cannot tell apart. */
const edgeIntegers = [
  0n,
  1n,
  -1n,
  7n,
  -7n,
  2n ** 53n + 1n,
  2n ** 53n + 2n,
  -(2n ** 53n) - 1n,
  2n ** 62n + 3n,
  2n ** 63n - 1n,
  -(2n ** 63n),
  3n,
  -2n,
];

export type Flavour = 'plain' | 'finite' | 'edges';

/** The same tensor each time. `plain`: between −1 and 1, small integers; `finite`: up to ±8; `edges`: what breaks rules. */
export function sampleTensor(dtype: DataType, dims: readonly number[], seed: number, flavour: Flavour): Tensor {
  const count = elementCount(dims);
  const next = generator(seed);
  const scale = flavour === 'plain' ? 1 : 8;
  const float = (_: unknown, index: number) =>
    flavour === 'edges' ? edgeFloats[(index + seed) % edgeFloats.length]! : (next() * 2 - 1) * scale;
  const integer = (_: unknown, index: number) =>
    flavour === 'edges' ? edgeIntegers[(index + seed) % edgeIntegers.length]! : BigInt(Math.floor(next() * 7) - 3);
  const of = <T>(make: (_: unknown, index: number) => T) => Array.from({ length: count }, make);
  switch (dtype) {
    case 'float':
      return tensorFromData(dtype, dims, Float32Array.from(of(float)));
    case 'double':
      return tensorFromData(dtype, dims, Float64Array.from(of(float)));
    case 'float16':
    case 'bfloat16':
      return tensorFromData(dtype, dims, encodeHalf(dtype, of(float)));
    case 'int64':
      return tensorFromData(dtype, dims, BigInt64Array.from(of(integer)));
    case 'uint64':
      return tensorFromData(dtype, dims, BigUint64Array.from(of(integer)));
    case 'int32':
      return tensorFromData(
        dtype,
        dims,
        Int32Array.from(of(integer), (each) => Number(BigInt.asIntN(32, each))),
      );
    case 'uint8':
      return tensorFromData(
        dtype,
        dims,
        Uint8Array.from(of(integer), (each) => Number(BigInt.asUintN(8, each))),
      );
    case 'int8':
      return tensorFromData(
        dtype,
        dims,
        Int8Array.from(of(integer), (each) => Number(BigInt.asIntN(8, each))),
      );
    case 'bool':
      return tensorFromData(dtype, dims, Uint8Array.from(of(() => Math.floor(next() * 2))));
    case 'string':
      return tensorFromStrings(
        dims,
        of((_, index) => Buffer.from(`text ${index}`)),
      );
    default:
      throw new Error(`no samples of ${dtype}`);
  }
}

/** A linear congruential generator, between 0 and 1. */
export function generator(seed: number): () => number {
  let state = (seed * 2654435761 + 12345) >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
