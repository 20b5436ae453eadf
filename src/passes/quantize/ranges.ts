import { DiagnosticError } from '../../ir/diagnostic.js';
import type { QuantizationScheme, QuantizedType } from '../target_profile.js';

/** The smallest and largest value a tensor took on the calibration data. */
export type Range = { readonly min: number; readonly max: number };

/** Ranges by value name. */
export type Ranges = ReadonlyMap<string, Range>;

/** real = scale · (quantized − zeroPoint); quantized saturates to [low, high]. */
export type ActivationParameters = {
  readonly dtype: QuantizedType;
  readonly scale: number;
  readonly zeroPoint: number;
  readonly low: number;
  readonly high: number;
};

/** The smallest positive normal float32: a scale below loses bits. */
const smallestScale = 2 ** -126;

/** The smallest and largest number of each type. */
export const typeLimits = {
  uint8: [0, 255],
  int8: [-128, 127],
  uint16: [0, 65535],
  int16: [-32768, 32767],
  float8e4m3fn: [-448, 448],
} as const satisfies Record<QuantizedType, readonly [number, number]>;

/**
 * Scale and zero point for a range. Asymmetric: scale = (max − min) / (high − low), zeroPoint = low − round(min / scale),
 * the range widened to hold 0. Symmetric: scale = max(|min|, |max|) / high of the signed type (127, 32767; 448 for
 * float8), zeroPoint 0, or the middle of an unsigned type. A range of one point 0 gives scale 1.
 * @throws DiagnosticError `quantize/bad-range`.
 */
export function activationParameters(
  { min, max }: Range,
  { dtype, symmetric }: QuantizationScheme['activation'],
  name: string,
): ActivationParameters {
  if (!Number.isFinite(min) || !Number.isFinite(max) || min > max) {
    throw new DiagnosticError({
      code: 'quantize/bad-range',
      message: `the range [${min}, ${max}]`,
      where: `"${name}"`,
    });
  }
  const [low, high] = typeLimits[dtype];
  if (symmetric) {
    const isUnsigned = low === 0;
    const zeroPoint = isUnsigned ? (high + 1) / 2 : 0;
    const scale = toScale(Math.max(Math.abs(min), Math.abs(max)) / (high - zeroPoint));
    return { dtype, scale, zeroPoint, low, high };
  }
  const from = Math.min(min, 0);
  const to = Math.max(max, 0);
  const scale = toScale((to - from) / (high - low));
  const zeroPoint = Math.min(high, Math.max(low, low - roundHalfEven(from / scale)));
  return { dtype, scale, zeroPoint, low, high };
}

function toScale(width: number): number {
  const scale = Math.fround(width);
  return scale < smallestScale ? 1 : scale;
}

/** What QuantizeLinear rounds with. */
export function roundHalfEven(value: number): number {
  const rounded = Math.round(value);
  return Math.abs(value - Math.trunc(value)) === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}
