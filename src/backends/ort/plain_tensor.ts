import type { DataType } from '../../ir/data_type.js';
import { type Tensor, tensorFromBytes, tensorFromStrings } from '../../ir/tensor.js';

/** A tensor as it passes between threads: data only. */
export type PlainTensor = {
  readonly dtype: DataType;
  readonly dims: readonly number[];
  readonly bytes: Uint8Array;
  readonly strings: readonly Uint8Array[] | undefined;
};

export const toPlain = ({ dtype, dims, storage, strings }: Tensor): PlainTensor => ({
  dtype,
  dims,
  bytes: storage.bytes(),
  strings,
});

export const toTensor = ({ dtype, dims, bytes, strings }: PlainTensor): Tensor =>
  strings === undefined ? tensorFromBytes(dtype, dims, bytes) : tensorFromStrings(dims, strings);
