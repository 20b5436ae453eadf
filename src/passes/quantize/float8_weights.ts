import { encodeE4m3 } from '../../ir/float8.js';
import { elementCount, type Tensor, tensorData, tensorFromBytes } from '../../ir/tensor.js';

/** weight / scale as float8e4m3fn, rounded to nearest even and saturated; one scale a channel along `axis`, or one. */
export function quantizeToFloat8(weight: Tensor, axis: number | null, scales: Float32Array): Tensor {
  const data = tensorData(weight) as Float32Array;
  const inner = axis === null ? data.length : elementCount(weight.dims.slice(axis + 1));
  const result = new Uint8Array(data.length);
  let channel = 0;
  for (let start = 0; start < data.length; start += inner) {
    const scale = scales[channel]!;
    for (let index = start; index < start + inner; index += 1) result[index] = encodeE4m3(data[index]! / scale);
    channel = (channel + 1) % scales.length;
  }
  return tensorFromBytes('float8e4m3fn', weight.dims, result);
}
