/**
 * Conversions between numbers and the bits of 16-bit floats, rounding to nearest, ties to even (IEEE 754). Bit for bit
 * what ONNX Runtime's Cast gives of float32, NaN included: its sign stays, and in float16 the upper bits of its
 * payload, quiet.
 */
export type HalfType = 'float16' | 'bfloat16';

/** Each number rounded once: a double does not go through a float. */
export function encodeHalf(dtype: HalfType, values: ArrayLike<number>): Uint16Array {
  const encoded = new Uint16Array(values.length);
  if (values instanceof Float32Array) {
    encodeHalfInto(dtype, values, encoded);
    return encoded;
  }
  const bitsOf = dtype === 'float16' ? float16Bits : bfloat16Coder();
  for (let index = 0; index < values.length; index++) encoded[index] = bitsOf(values[index]!);
  return encoded;
}

export function decodeHalf(dtype: HalfType, encoded: Uint16Array): Float32Array {
  const decoded = new Float32Array(encoded.length);
  const bits = floatBits(decoded);
  if (dtype === 'float16') decodeFloat16(encoded, bits);
  else for (let index = 0; index < encoded.length; index++) bits[index] = encoded[index]! << 16;
  return decoded;
}

/** Fills as much of `encoded` as there are values. */
export function encodeHalfInto(dtype: HalfType, values: Float32Array, encoded: Uint16Array): void {
  if (dtype === 'float16') encodeFloat16(floatBits(values), encoded);
  else encodeBfloat16(floatBits(values), encoded);
}

/** Signed, since a word past 2^31 is no small integer to the engine. */
const floatBits = (values: Float32Array): Int32Array => new Int32Array(values.buffer, values.byteOffset, values.length);

/** Bits of 2^-14 and of 2^16: what is between them rounds to a normal half, or to infinity, by bits alone. */
const normalFrom = 0x38800000;
const normalTo = 0x47800000;

function encodeFloat16(words: Int32Array, encoded: Uint16Array): void {
  for (let index = 0; index < words.length; index++) {
    const word = words[index]!;
    const size = word & 0x7fffffff;
    const sign = (word >>> 16) & 0x8000;
    // The exponents differ by 112 in their bias; a mantissa that overflows runs into the exponent, as it should.
    const isNormal = size >= normalFrom && size < normalTo;
    const rounded = isNormal ? (size - 0x38000000 + 0xfff + ((size >>> 13) & 1)) >>> 13 : unusualFloat16(size);
    encoded[index] = sign | rounded;
  }
}

/** Of a float's bits without its sign, outside the range of normal halves. */
function unusualFloat16(size: number): number {
  if (size > 0x7f800000) return 0x7e00 | ((size >>> 13) & 0x3ff);
  if (size >= normalFrom) return 0x7c00;
  // Up to half the smallest subnormal, 2^-25, the tie included.
  if (size <= 0x33000000) return 0;
  const mantissa = (size & 0x7fffff) | 0x800000;
  const shift = 126 - (size >>> 23);
  return (mantissa + (1 << (shift - 1)) - 1 + ((mantissa >>> shift) & 1)) >>> shift;
}

function encodeBfloat16(words: Int32Array, encoded: Uint16Array): void {
  for (let index = 0; index < words.length; index++) {
    const word = words[index]!;
    const isNumber = (word & 0x7fffffff) <= 0x7f800000;
    encoded[index] = isNumber ? (word + 0x7fff + ((word >>> 16) & 1)) >>> 16 : ((word >>> 16) & 0x8000) | 0x7fc0;
  }
}

/** The float32 of every half; made when first asked for. */
const tables: { float16?: Int32Array } = {};

function decodeFloat16(encoded: Uint16Array, words: Int32Array): void {
  const few = 4096;
  if (tables.float16 === undefined && encoded.length < few) {
    for (let index = 0; index < encoded.length; index++) words[index] = floatOfFloat16(encoded[index]!);
    return;
  }
  tables.float16 ??= Int32Array.from({ length: 0x10000 }, (_, bits) => floatOfFloat16(bits));
  const table = tables.float16;
  for (let index = 0; index < encoded.length; index++) words[index] = table[encoded[index]!]!;
}

/** The bits of the float that a half is, as a signed word. */
function floatOfFloat16(bits: number): number {
  const sign = (bits & 0x8000) << 16;
  const exponent = (bits >>> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return sign | 0x7f800000 | (fraction === 0 ? 0 : 0x400000 | (fraction << 13));
  if (exponent > 0) return sign | ((exponent + 112) << 23) | (fraction << 13);
  if (fraction === 0) return sign;
  // A subnormal has its leading one at bit 31 − zeros, which is worth 2^(7 − zeros).
  const zeros = Math.clz32(fraction);
  return sign | ((134 - zeros) << 23) | ((fraction << (zeros - 8)) & 0x7fffff);
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

function bfloat16Coder(): (value: number) => number {
  const floats = new Float32Array(1);
  const bits = new Uint32Array(floats.buffer);
  return (value) => {
    if (Number.isNaN(value)) return 0x7fc0;
    floats[0] = value;
    const float = floats[0]!;
    // Cut off instead of rounded, with its last bit saying that something was cut: that rounds as the double would.
    if (float !== value) bits[0] = (Math.abs(float) > Math.abs(value) ? bits[0]! - 1 : bits[0]!) | 1;
    const word = bits[0]!;
    return (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
  };
}

export function roundToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return rest < 0.5 ? floor : floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}
