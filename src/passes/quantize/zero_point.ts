import { encodeE4m3 } from '../../ir/float8.js';
import { type Tensor, type TypedData, tensorFromData } from '../../ir/tensor.js';
import type { QuantizedType } from '../target_profile.js';

const encoders: Readonly<Record<QuantizedType, (zeroPoints: readonly number[]) => TypedData>> = {
  uint8: (zeroPoints) => Uint8Array.from(zeroPoints),
  int8: (zeroPoints) => Int8Array.from(zeroPoints),
  uint16: (zeroPoints) => Uint16Array.from(zeroPoints),
  int16: (zeroPoints) => Int16Array.from(zeroPoints),
  float8e4m3fn: (zeroPoints) => Uint8Array.from(zeroPoints, encodeE4m3),
};

/** A zero point for the whole tensor, or one a channel. */
export const zeroPointTensor = (dtype: QuantizedType, zeroPoints: number | readonly number[]): Tensor =>
  typeof zeroPoints === 'number'
    ? tensorFromData(dtype, [], encoders[dtype]([zeroPoints]))
    : tensorFromData(dtype, [zeroPoints.length], encoders[dtype](zeroPoints));
