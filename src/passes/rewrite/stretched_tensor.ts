import { elementCount, type Tensor, tensorData, tensorFromData } from '../../ir/tensor.js';

/** A tensor stretched to `dims`, as broadcasting would; of a type with a typed array. */
export function stretchedTensor(tensor: Tensor, dims: readonly number[]): Tensor {
  const source = tensorData(tensor);
  const target = new (source.constructor as new (length: number) => typeof source)(elementCount(dims));
  const from = [...Array.from({ length: dims.length - tensor.dims.length }, () => 1), ...tensor.dims];
  for (let index = 0; index < target.length; index += 1) {
    let rest = index;
    let at = 0;
    let stride = 1;
    for (let axis = dims.length - 1; axis >= 0; axis -= 1) {
      const coordinate = rest % dims[axis]!;
      rest = Math.floor(rest / dims[axis]!);
      if (from[axis] !== 1) at += coordinate * stride;
      stride *= from[axis]!;
    }
    target[index] = source[at]!;
  }
  return tensorFromData(tensor.dtype, dims, target);
}
