import { InvariantError } from './diagnostic.js';
import { encodeHalf, type HalfType } from './half_float.js';
import type { Tensor } from './tensor.js';

/** Of float32, so that a tensor of any size is converted through as much. */
const blockBytes = 8 * 2 ** 20;

/**
 * A float32 tensor rounded to the half type. Converts when read and keeps nothing, so that weights of any size can be
 * streamed from file to file.
 * @param label names the tensor in messages.
 * @throws InvariantError for another type, and when read for a finite number that would become infinite.
 */
export function halfTensor(tensor: Tensor, half: HalfType, label: string): Tensor {
  if (tensor.dtype !== 'float') throw new InvariantError(`"${label}" is ${tensor.dtype}, not float`);
  const { dims, storage } = tensor;
  const byteLength = tensor.byteLength / 2;
  const range = (offset: number, length: number): Uint8Array => {
    const start = Math.floor(offset / 2) * 2;
    const end = Math.ceil((offset + length) / 2) * 2;
    const converted = new Uint8Array(end - start);
    for (let at = start; at < end; at += blockBytes / 2) {
      const count = Math.min(blockBytes / 2, end - at);
      converted.set(convert(storage.range(at * 2, count * 2), half, label), at - start);
    }
    return converted.subarray(offset - start, offset - start + length);
  };
  return {
    kind: 'dense',
    dtype: half,
    dims,
    byteLength,
    storage: { kind: storage.kind, range, bytes: () => range(0, byteLength) },
  };
}

function convert(bytes: Uint8Array, half: HalfType, label: string): Uint8Array {
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : Uint8Array.from(bytes);
  const floats = new Float32Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 4);
  const encoded = encodeHalf(half, floats);
  const infinity = half === 'float16' ? 0x7c00 : 0x7f80;
  for (let index = 0; index < encoded.length; index++) {
    if ((encoded[index]! & 0x7fff) === infinity && Number.isFinite(floats[index]!)) {
      throw new InvariantError(`"${label}" holds ${floats[index]}, which no ${half} holds`);
    }
  }
  return new Uint8Array(encoded.buffer);
}
