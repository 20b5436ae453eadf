import { activationParameters, type Range } from '../passes/quantize/ranges.js';
import type { ActivationScheme } from './calibrators/calibrator.js';
import type { BinnedValues } from './histogram.js';

/**
 * Mean of (x − dequantize(quantize(x)))² over a histogram, rounding and saturation included, with the scale and zero
 * point that `range` gives; values are taken to lie evenly within their bin, which is integrated exactly.
 */
export function expectedSquaredError(values: BinnedValues, range: Range, activation: ActivationScheme): number {
  const { scale, zeroPoint, low, high } = activationParameters(range, activation, 'histogram');
  const bottom = low - zeroPoint;
  const top = high - zeroPoint;
  let sum = 0;
  for (let index = 0; index < values.counts.length; index += 1) {
    const from = values.low[index]! / scale;
    const to = values.high[index]! / scale;
    const width = to - from;
    const mean =
      width < narrow
        ? squaredError((from + to) / 2, bottom, top)
        : (errorIntegral(to, bottom, top) - errorIntegral(from, bottom, top)) / width;
    sum += values.counts[index]! * mean;
  }
  return values.total === 0 ? 0 : (sum * scale * scale) / values.total;
}

/** In steps of the scale. Under this the integral's difference would be rounding noise, and the middle says as much. */
const narrow = 1e-4;

function squaredError(x: number, bottom: number, top: number): number {
  const nearest = Math.min(top, Math.max(bottom, Math.round(x)));
  return (x - nearest) ** 2;
}

/** Antiderivative of `squaredError`: each whole step adds 1/12. */
function errorIntegral(x: number, bottom: number, top: number): number {
  const nearest = Math.min(top, Math.max(bottom, Math.round(x)));
  return nearest / 12 + (x - nearest) ** 3 / 3;
}
