import type { HalfType } from '../../ir/half_float.js';
import type { Tensor } from '../../ir/tensor.js';
import { halfLimits } from './half_limits.js';

/** What rounding to a 16-bit type does to a float32 constant. */
export type ConstantFit = {
  /** The largest finite magnitude. */
  readonly largest: number;
  /**
   * ‖w − rounded(w)‖ / ‖w‖ over all finite elements, as far as it comes from elements below the smallest normal number.
   * What rounding does to the others is at most `rounding` of the limits.
   */
  readonly underflow: number;
  /** Share of the finite elements other than 0 that become 0. */
  readonly flushed: number;
};

/** Bytes looked at in one go, so that constants in files need not be in memory as a whole. */
const chunkBytes = 1 << 24;

/** Measures float32 constants, each once. */
export function constantFits(half: HalfType): (tensor: Tensor) => ConstantFit {
  const known = new Map<Tensor, ConstantFit>();
  return (tensor) => {
    const fit = known.get(tensor) ?? measure(tensor, half);
    known.set(tensor, fit);
    return fit;
  };
}

function measure({ storage, byteLength }: Tensor, half: HalfType): ConstantFit {
  const { smallestNormal, smallestStep } = halfLimits[half];
  const flushes = smallestStep / 2;
  const [normalBits, infinityBits] = bitsOf(smallestNormal, Number.POSITIVE_INFINITY);
  let largest = 0;
  let square = 0;
  let error = 0;
  let flushed = 0;
  let nonzero = 0;
  for (let offset = 0; offset < byteLength; offset += chunkBytes) {
    const floats = floatsIn(storage.range(offset, Math.min(chunkBytes, byteLength - offset)));
    const words = new Int32Array(floats.buffer, floats.byteOffset, floats.length);
    for (let index = 0; index < floats.length; index += 1) {
      // Magnitudes are in the order of their bits, and most need no more than this.
      const bits = words[index]! & 0x7fffffff;
      // Zero, and what is not finite, keeps its value.
      if (bits === 0 || bits >= infinityBits!) continue;
      const number = floats[index]!;
      nonzero += 1;
      square += number * number;
      if (bits > largest) largest = bits;
      if (bits >= normalBits!) continue;
      const size = Math.abs(number);
      const lost = size - Math.round(size / smallestStep) * smallestStep;
      error += lost * lost;
      if (size <= flushes) flushed += 1;
    }
  }
  // Squares of the smallest float32 numbers are still above 0 in float64.
  return {
    largest: new Float32Array(Int32Array.of(largest).buffer)[0]!,
    underflow: square === 0 ? 0 : Math.sqrt(error / square),
    flushed: nonzero === 0 ? 0 : flushed / nonzero,
  };
}

const bitsOf = (...numbers: readonly number[]): Int32Array => new Int32Array(Float32Array.from(numbers).buffer);

/** A view where the bytes are aligned, a copy of them where they are not. */
function floatsIn(bytes: Uint8Array): Float32Array {
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : Uint8Array.from(bytes);
  return new Float32Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 4);
}
