import { dataTypeBits } from '../../../ir/data_type.js';
import { elementCount, reshapeTensor, type Tensor, tensorFromBytes } from '../../../ir/tensor.js';

/** Axis i of the result is axis `perm[i]` of the operand, as in Transpose. */
export type Permutation = readonly number[];

/** The permutation that does `first` and then `second`. */
export const compose = (first: Permutation, second: Permutation): Permutation => second.map((axis) => first[axis]!);

export const inverse = (perm: Permutation): Permutation => perm.map((_, axis) => perm.indexOf(axis));

export const isIdentity = (perm: Permutation): boolean => perm.every((axis, index) => axis === index);

export const identity = (rank: number): Permutation => Array.from({ length: rank }, (_, axis) => axis);

/** What `perm` does to the axes that are left without `axes` of its operand. */
export function withoutAxes(perm: Permutation, axes: readonly number[]): Permutation {
  const removed = new Set(axes.map((axis) => perm[axis]!));
  const left = identity(perm.length).filter((axis) => !removed.has(axis));
  return perm.flatMap((axis) => (removed.has(axis) ? [] : [left.indexOf(axis)]));
}

/**
 * The transposed tensor; undefined where its elements would have to move and are not whole bytes, or more than
 * `maxBytes`.
 */
export function permuteTensor(tensor: Tensor, perm: Permutation, maxBytes: number): Tensor | undefined {
  const dims = perm.map((axis) => tensor.dims[axis]!);
  const long = perm.filter((axis) => tensor.dims[axis] !== 1);
  if (long.every((axis, index) => index === 0 || axis > long[index - 1]!)) return reshapeTensor(tensor, dims);
  const width = dataTypeBits(tensor.dtype) / 8;
  if (!(width >= 1) || tensor.byteLength > maxBytes) return undefined;
  const strides = stridesOf(tensor.dims);
  const steps = perm.map((axis) => strides[axis]!);
  const source = tensor.storage.bytes();
  const moved = new Uint8Array(source.byteLength);
  const coordinate = dims.map(() => 0);
  const count = elementCount(dims);
  for (let index = 0; index < count; index += 1) {
    const from = coordinate.reduce((sum, at, axis) => sum + at * steps[axis]!, 0);
    for (let byte = 0; byte < width; byte += 1) moved[index * width + byte] = source[from * width + byte]!;
    for (let axis = dims.length - 1; axis >= 0; axis -= 1) {
      coordinate[axis]! += 1;
      if (coordinate[axis]! < dims[axis]!) break;
      coordinate[axis] = 0;
    }
  }
  return tensorFromBytes(tensor.dtype, dims, moved);
}

function stridesOf(dims: readonly number[]): number[] {
  const strides = dims.map(() => 1);
  for (let axis = dims.length - 2; axis >= 0; axis -= 1) strides[axis] = strides[axis + 1]! * dims[axis + 1]!;
  return strides;
}
