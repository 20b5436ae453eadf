import { dataTypeBits } from '../../src/ir/data_type.js';
import { elementCount, type Tensor, tensorFromBytes, tensorFromStrings } from '../../src/ir/tensor.js';

/**
 * A tensor of other dimensions with the elements of this one over and over, so that indices, lengths and modes stay what
 * the model expects; zeros where it has none. undefined for elements below 8 bits.
 */
export function resizedTensor(tensor: Tensor, dims: readonly number[]): Tensor | undefined {
  const count = elementCount(dims);
  const given = elementCount(tensor.dims);
  if (tensor.dtype === 'string') {
    const strings = tensor.strings ?? [];
    const at = (index: number) => strings[index % strings.length] ?? new Uint8Array(0);
    return tensorFromStrings(
      dims,
      Array.from({ length: count }, (_, index) => at(index)),
    );
  }
  const size = dataTypeBits(tensor.dtype) / 8;
  if (size < 1) return undefined;
  const source = tensor.storage.bytes();
  const bytes = new Uint8Array(count * size);
  for (let index = 0; given > 0 && index < count; index += 1) {
    const from = (index % given) * size;
    bytes.set(source.subarray(from, from + size), index * size);
  }
  return tensorFromBytes(tensor.dtype, dims, bytes);
}
