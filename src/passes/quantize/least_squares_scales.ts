import { type Tensor, tensorData } from '../../ir/tensor.js';
import { nearestStep } from './code_parameters.js';
import { channelLayout, toScale } from './weights.js';

/** Fractions of the widest scale that are tried. Under half of it, 8 bits cut off more than rounding can win back. */
const fractions = Float64Array.from({ length: 64 }, (_, index) => 1 - index / 128);

/**
 * For each channel along `axis` (one for all where it is null) the scale of the least Σ (quantized · scale − weight)²
 * among fractions of `widest`, where integers saturate at ±limit. None is below its floor. Of equal ones, the widest.
 */
export function leastSquaresScales(
  weight: Tensor,
  axis: number | null,
  widest: Float32Array,
  limit: number,
  floors: Float64Array | undefined = undefined,
): Float32Array {
  const data = tensorData(weight) as Float32Array;
  return widest.map((scale, channel) => {
    const weights = channelOf(data, weight.dims, axis, channel);
    const floor = floors?.[channel] ?? 0;
    let best = scale;
    let least = Number.POSITIVE_INFINITY;
    for (const fraction of fractions) {
      const candidate = toScale(scale * fraction);
      if (candidate < floor || candidate > scale) continue;
      const error = squaredError(weights, candidate, limit, least);
      if (error >= least) continue;
      least = error;
      best = candidate;
    }
    return best;
  });
}

function channelOf(data: Float32Array, dims: readonly number[], axis: number | null, channel: number): Float32Array {
  const { channels, inner } = channelLayout(dims, axis);
  const step = channels * inner;
  if (step === data.length) return data.subarray(channel * inner, (channel + 1) * inner);
  const result = new Float32Array(data.length / channels);
  for (let start = channel * inner, at = 0; start < data.length; start += step) {
    for (let index = start; index < start + inner; index += 1) {
      result[at] = data[index]!;
      at += 1;
    }
  }
  return result;
}

/** Stops counting some way past `enough`. */
function squaredError(weights: Float32Array, scale: number, limit: number, enough: number): number {
  const steps = 1 / scale;
  const cut = limit * scale;
  let sum = 0;
  for (let start = 0; start < weights.length && sum < enough; start += 256) {
    const end = Math.min(start + 256, weights.length);
    for (let index = start; index < end; index += 1) {
      const weight = weights[index]!;
      const rounded = nearestStep(weight * steps) * scale;
      const error = Math.min(cut, Math.max(-cut, rounded)) - weight;
      sum += error * error;
    }
  }
  return sum;
}
