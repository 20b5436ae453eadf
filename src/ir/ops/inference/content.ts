import type { DataType } from '../../data_type.js';
import type { Dim, Expr } from '../../dim.js';
import { elementCount, type Tensor, tensorIntegers } from '../../tensor.js';

/**
 * What is known of the elements of a small integer or bool tensor: the shapes, axes and sizes that graphs compute.
 * Elements are exact numbers or expressions; undefined where nothing is known. bool is 0 or 1.
 */
export type Content = {
  readonly dtype: DataType;
  readonly dims: readonly number[];
  readonly elements: readonly (Expr | undefined)[];
};

/** Contents are followed up to this many elements; beyond, a tensor is data, not a shape. */
export const maxContentElements = 256;

export function content(dtype: DataType, dims: readonly number[], elements: readonly (Expr | undefined)[]): Content {
  return { dtype, dims, elements };
}

/** A shape as the int64 vector that `Shape` gives. */
export const shapeContent = (shape: readonly (Dim | undefined)[]): Content => content('int64', [shape.length], shape);

/** The elements of a small integer or bool tensor. */
export function contentOfTensor(tensor: Tensor): Content | undefined {
  if (elementCount(tensor.dims) > maxContentElements) return undefined;
  const integers = tensorIntegers(tensor);
  if (integers === undefined) return undefined;
  return content(
    tensor.dtype,
    tensor.dims,
    integers.map((value) =>
      value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value,
    ),
  );
}

/** The elements as numbers, where every one is a known number; values past 2^53 are saturated. */
export function knownNumbers(known: Content | undefined): number[] | undefined {
  if (known === undefined) return undefined;
  const numbers: number[] = [];
  for (const element of known.elements) {
    if (typeof element === 'number') numbers.push(element);
    else if (typeof element === 'bigint')
      numbers.push(element > 0n ? Number.MAX_SAFE_INTEGER : Number.MIN_SAFE_INTEGER);
    else return undefined;
  }
  return numbers;
}
