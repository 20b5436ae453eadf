import { elementCount, type Tensor, tensorData, tensorFromData } from '../../ir/tensor.js';
import { nearestStep } from './code_parameters.js';

/** Symmetric 8-bit weights, integers or floats: weight ≈ quantized · scale, one scale a channel along `axis`, or one for all. */
export type QuantizedWeight = {
  readonly quantized: Tensor;
  readonly scales: Float32Array;
  readonly axis: number | null;
};

/** The largest |weight| of each channel along `axis`; one for all where axis is null. */
export function channelMaxima(weight: Tensor, axis: number | null): Float64Array {
  const data = tensorData(weight) as Float32Array;
  const { channels, inner } = channelLayout(weight.dims, axis);
  const maxima = new Float64Array(channels);
  for (let start = 0, channel = 0; start < data.length; start += inner) {
    let maximum = maxima[channel]!;
    for (let index = start; index < start + inner; index += 1) {
      const size = Math.abs(data[index]!);
      if (size > maximum) maximum = size;
    }
    maxima[channel] = maximum;
    channel = channel + 1 === channels ? 0 : channel + 1;
  }
  return maxima;
}

/** Scales absmax / limit, not below `floors` where those are given; a channel of zeros takes its floor, or 1. */
export function weightScales(
  maxima: Float64Array,
  limit: number,
  floors: Float64Array | undefined = undefined,
): Float32Array {
  return Float32Array.from(maxima, (maximum, channel) => toScale(Math.max(maximum / limit, floors?.[channel] ?? 0)));
}

/** What a scale is stored as: 1 below the smallest positive normal float32, where it would lose bits. */
export const toScale = (scale: number): number => (scale < 2 ** -126 ? 1 : Math.fround(scale));

/** Rounds half to even and saturates to ±limit, as int8. */
export function quantizeWeight(
  weight: Tensor,
  axis: number | null,
  scales: Float32Array,
  limit: number,
): QuantizedWeight {
  const data = tensorData(weight) as Float32Array;
  const { channels, inner } = channelLayout(weight.dims, axis);
  const result = new Int8Array(data.length);
  for (let start = 0, channel = 0; start < data.length; start += inner) {
    const scale = scales[channel]!;
    for (let index = start; index < start + inner; index += 1) {
      const code = nearestStep(data[index]! / scale);
      result[index] = Math.min(limit, Math.max(-limit, code));
    }
    channel = channel + 1 === channels ? 0 : channel + 1;
  }
  return { quantized: tensorFromData('int8', weight.dims, result), scales, axis };
}

/** How the channels along an axis lie: `inner` elements of one, then those of the next. */
export function channelLayout(dims: readonly number[], axis: number | null): { channels: number; inner: number } {
  if (axis === null) return { channels: 1, inner: Math.max(1, elementCount(dims)) };
  return { channels: dims[axis]!, inner: elementCount(dims.slice(axis + 1)) };
}

/** int32 holds a bias only up to here; one bit is left for the sum that it is added to. */
const biasLimit = 2 ** 30;

/** The weight scales below which |bias| / (inputScale · scale) would not fit int32. */
export const biasFloors = (bias: ArrayLike<number>, inputScale: number): Float64Array =>
  Float64Array.from(bias, (value) => Math.abs(value) / (inputScale * biasLimit));

/** bias / (inputScale · scale), rounded half to even. */
export function quantizeBias(bias: ArrayLike<number>, scales: Float32Array): Int32Array {
  return Int32Array.from(bias, (value, channel) => {
    const scale = scales[scales.length === 1 ? 0 : channel]!;
    return Math.max(-(2 ** 31), Math.min(2 ** 31 - 1, nearestStep(value / scale)));
  });
}
