/**
 * Conversions between numbers and the bits of 16-bit floats, rounding to nearest, ties to even (IEEE 754); bfloat16 by
 * way of float.
 */
export type HalfType = 'float16' | 'bfloat16';

const scratch = (): { floats: Float32Array; bits: Uint32Array } => {
  const floats = new Float32Array(1);
  return { floats, bits: new Uint32Array(floats.buffer) };
};

export function encodeHalf(dtype: HalfType, values: ArrayLike<number>): Uint16Array {
  const encoded = new Uint16Array(values.length);
  const { floats, bits } = scratch();
  for (let index = 0; index < values.length; index++) {
    const value = values[index]!;
    if (dtype === 'float16') {
      encoded[index] = float16Bits(value);
    } else {
      floats[0] = value;
      // A mantissa that overflows runs into the exponent, as it should.
      const word = bits[0]!;
      const rounded = word + 0x7fff + ((word >>> 16) & 1);
      encoded[index] = Number.isNaN(value) ? 0x7fc0 : rounded >>> 16;
    }
  }
  return encoded;
}

export function decodeHalf(dtype: HalfType, encoded: Uint16Array): Float32Array {
  const decoded = new Float32Array(encoded.length);
  const { floats, bits } = scratch();
  for (let index = 0; index < encoded.length; index++) {
    if (dtype === 'float16') {
      decoded[index] = float16Value(encoded[index]!);
    } else {
      bits[0] = encoded[index]! << 16;
      decoded[index] = floats[0]!;
    }
  }
  return decoded;
}

/** Works on the double itself: going through a float would round twice. */
function float16Bits(value: number): number {
  if (Number.isNaN(value)) return 0x7e00;
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  // Halfway between the largest value, 65504, and the next power of two; the tie goes to infinity.
  if (size >= 65520) return sign | 0x7c00;
  // Values under 2^-14 are multiples of 2^-24: their bits are that multiple, and 1024 carries into the exponent.
  if (size < 2 ** -14) return sign | roundToEven(size * 2 ** 24);
  let exponent = 0;
  let scaled = size;
  for (; scaled >= 2; exponent++) scaled /= 2;
  for (; scaled < 1; exponent--) scaled *= 2;
  return sign | (((exponent + 15) << 10) + roundToEven((scaled - 1) * 1024));
}

export function roundToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return rest < 0.5 ? floor : floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

function float16Value(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
