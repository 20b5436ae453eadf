import { elementCount, type Tensor, tensorData, tensorFromData } from '../../ir/tensor.js';
import { roundHalfEven } from './ranges.js';

/** Symmetric 8-bit weights: weight ≈ quantized · scale, one scale a channel along `axis`, or one for all. */
export type QuantizedWeight = {
  readonly quantized: Tensor;
  readonly scales: Float32Array;
  readonly axis: number | null;
};

/** The largest |weight| of each channel along `axis`; one for all where axis is null. */
export function channelMaxima(weight: Tensor, axis: number | null): Float64Array {
  const data = tensorData(weight) as Float32Array;
  const { channels, inner } = layout(weight.dims, axis);
  const maxima = new Float64Array(channels);
  for (let index = 0; index < data.length; index += 1) {
    const channel = Math.floor(index / inner) % channels;
    const size = Math.abs(data[index]!);
    if (size > maxima[channel]!) maxima[channel] = size;
  }
  return maxima;
}

/** Scales absmax / limit, not below `floors` where those are given; a channel of zeros takes its floor, or 1. */
export function weightScales(
  maxima: Float64Array,
  limit: number,
  floors: Float64Array | undefined = undefined,
): Float32Array {
  return Float32Array.from(maxima, (maximum, channel) => {
    const scale = Math.max(maximum / limit, floors?.[channel] ?? 0);
    return scale < 2 ** -126 ? 1 : scale;
  });
}

/** Rounds half to even and saturates to ±limit, as int8. */
export function quantizeWeight(
  weight: Tensor,
  axis: number | null,
  scales: Float32Array,
  limit: number,
): QuantizedWeight {
  const data = tensorData(weight) as Float32Array;
  const { channels, inner } = layout(weight.dims, axis);
  const result = new Int8Array(data.length);
  for (let index = 0; index < data.length; index += 1) {
    const scale = scales[Math.floor(index / inner) % channels]!;
    result[index] = Math.max(-limit, Math.min(limit, roundHalfEven(data[index]! / scale)));
  }
  return { quantized: tensorFromData('int8', weight.dims, result), scales, axis };
}

function layout(dims: readonly number[], axis: number | null): { channels: number; inner: number } {
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
    return Math.max(-(2 ** 31), Math.min(2 ** 31 - 1, roundHalfEven(value / scale)));
  });
}
