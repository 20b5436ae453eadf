import { decodeE4m3, encodeE4m3 } from '../ir/float8.js';
import { activationParameters, type Range } from '../passes/quantize/ranges.js';
import type { ActivationScheme } from './calibrators/calibrator.js';
import type { BinnedValues } from './histogram.js';

/**
 * Mean of (x − dequantize(quantize(x)))² over a histogram, rounding and saturation included, with the scale and zero
 * point that `range` gives; values are taken to lie evenly within their bin, which is integrated exactly for integers.
 */
export function expectedSquaredError(values: BinnedValues, range: Range, activation: ActivationScheme): number {
  const { scale, zeroPoint, low, high } = activationParameters(range, activation, 'histogram');
  if (activation.dtype === 'float8e4m3fn') return float8SquaredError(values, scale);
  const bottom = low - zeroPoint;
  const top = high - zeroPoint;
  let sum = 0;
  // Neighbours share an edge.
  let edge = Number.NaN;
  let integral = 0;
  for (let index = 0; index < values.counts.length; index += 1) {
    const from = values.low[index]! / scale;
    const to = values.high[index]! / scale;
    const before = from === edge ? integral : errorIntegral(from, bottom, top);
    edge = to;
    integral = errorIntegral(to, bottom, top);
    const width = to - from;
    const mean = width < narrow ? squaredError((from + to) / 2, bottom, top) : (integral - before) / width;
    sum += values.counts[index]! * mean;
  }
  return values.total === 0 ? 0 : (sum * scale * scale) / values.total;
}

/** Bins are at most an eighth as wide as the steps of float8: a few places of each tell enough. */
function float8SquaredError({ low, high, counts, total }: BinnedValues, scale: number): number {
  let sum = 0;
  for (const [index, count] of counts.entries()) {
    for (const place of places) {
      const x = (low[index]! + (high[index]! - low[index]!) * place) / scale;
      sum += (count * (x - decodeE4m3(encodeE4m3(x))) ** 2) / places.length;
    }
  }
  return total === 0 ? 0 : (sum * scale * scale) / total;
}

const places = [0.125, 0.375, 0.625, 0.875];

/** The widest step between neighbours with the scale that `expectedSquaredError` reckons with. */
export const widestStep = (range: Range, activation: ActivationScheme): number =>
  activationParameters(range, activation, 'histogram').scale * (activation.dtype === 'float8e4m3fn' ? 32 : 1);

/** In steps of the scale. Under this the integral's difference would be rounding noise, and the middle says as much. */
const narrow = 1e-4;

function squaredError(x: number, bottom: number, top: number): number {
  const nearest = Math.min(top, Math.max(bottom, Math.round(x)));
  return (x - nearest) * (x - nearest);
}

/** Antiderivative of `squaredError`: each whole step adds 1/12. */
function errorIntegral(x: number, bottom: number, top: number): number {
  const nearest = Math.min(top, Math.max(bottom, Math.round(x)));
  const rest = x - nearest;
  return nearest / 12 + (rest * rest * rest) / 3;
}
