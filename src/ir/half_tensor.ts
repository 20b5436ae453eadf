import { InvariantError } from './diagnostic.js';
import { encodeHalfInto, type HalfType } from './half_float.js';
import type { Tensor } from './tensor.js';

/** Read at a time, so that a tensor of any size needs no more memory than its halves. */
const blockElements = 2 ** 21;

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
    const encoded = new Uint16Array((end - start) / 2);
    for (let at = 0; at < encoded.length; at += blockElements) {
      const target = encoded.subarray(at, at + blockElements);
      convert(storage.range(start * 2 + at * 4, target.length * 4), half, target, label);
    }
    const converted = new Uint8Array(encoded.buffer);
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

function convert(bytes: Uint8Array, half: HalfType, encoded: Uint16Array, label: string): void {
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : Uint8Array.from(bytes);
  const floats = new Float32Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 4);
  encodeHalfInto(half, floats, encoded);
  const infinity = half === 'float16' ? 0x7c00 : 0x7f80;
  // Searched for by the engine itself, which is several times as fast as a loop here.
  if (!encoded.includes(infinity) && !encoded.includes(infinity | 0x8000)) return;
  for (let index = 0; index < encoded.length; index++) {
    if ((encoded[index]! & 0x7fff) === infinity && Number.isFinite(floats[index]!)) {
      throw new InvariantError(`"${label}" holds ${floats[index]}, which no ${half} holds`);
    }
  }
}
