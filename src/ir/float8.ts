import { roundToEven } from './half_float.js';

/**
 * float8e4m3fn: a sign, 4 bits of exponent with bias 7, 3 bits of mantissa; no infinities, NaN is 0x7f and 0xff.
 * (P. Micikevicius et al., "FP8 Formats for Deep Learning", 2022; ONNX, "Float stored in 8 bits".)
 */
export const largestE4m3 = 448;

const nan = 0x7f;
const largestBits = 0x7e;

/** Rounds to nearest, ties to even; saturates beyond ±448, infinities included. */
export function encodeE4m3(value: number): number {
  if (Number.isNaN(value)) return nan;
  const sign = value < 0 || Object.is(value, -0) ? 0x80 : 0;
  const size = Math.abs(value);
  if (size >= largestE4m3) return sign | largestBits;
  // Under 2^-6 numbers are multiples of 2^-9: their bits are that multiple, and 8 carries into the exponent.
  if (size < 2 ** -6) return sign | roundToEven(size * 2 ** 9);
  let exponent = 0;
  let scaled = size;
  for (; scaled >= 2; exponent++) scaled /= 2;
  for (; scaled < 1; exponent--) scaled *= 2;
  return sign | (((exponent + 7) << 3) + roundToEven((scaled - 1) * 8));
}

export function decodeE4m3(bits: number): number {
  const sign = bits & 0x80 ? -1 : 1;
  const exponent = (bits >> 3) & 0xf;
  const fraction = bits & 7;
  if ((bits & 0x7f) === nan) return Number.NaN;
  if (exponent === 0) return sign * fraction * 2 ** -9;
  return sign * (1 + fraction / 8) * 2 ** (exponent - 7);
}
