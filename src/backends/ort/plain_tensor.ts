import type { DataType } from '../../ir/data_type.js';
import { type Tensor, tensorFromBytes, tensorFromStrings } from '../../ir/tensor.js';

/** A tensor as it passes between threads: data only. Strings are a list of their bytes. */
export type PlainTensor = {
  readonly dtype: DataType;
  readonly dims: readonly number[];
  readonly data: Uint8Array | readonly Uint8Array[];
};

export type PlainTensors = ReadonlyMap<string, PlainTensor>;

/**
 * Tensors ready to be posted, in memory that `buffersOf` transfers. `copy` leaves the memory of the tensors alone, and
 * posts no more of it than they cover; `move` is for tensors that nobody else holds.
 */
export const toPlain = (tensors: ReadonlyMap<string, Tensor>, memory: 'copy' | 'move'): PlainTensors =>
  new Map(
    Array.from(tensors, ([name, { dtype, dims, storage, strings }]) => {
      const data = strings?.map((text) => new Uint8Array(text)) ?? postable(storage.bytes(), memory);
      return [name, { dtype, dims, data }];
    }),
  );

function postable(bytes: Uint8Array, memory: 'copy' | 'move'): Uint8Array {
  const isWhole = bytes.buffer instanceof ArrayBuffer && bytes.byteLength === bytes.buffer.byteLength;
  return memory === 'move' && isWhole ? bytes : new Uint8Array(bytes);
}

export const toTensors = (plain: PlainTensors): Map<string, Tensor> =>
  new Map(
    Array.from(plain, ([name, { dtype, dims, data }]) => [
      name,
      data instanceof Uint8Array ? tensorFromBytes(dtype, dims, data) : tensorFromStrings(dims, data),
    ]),
  );

/** The memory to transfer with them. */
export const buffersOf = (plain: PlainTensors): ArrayBuffer[] =>
  Array.from(plain.values(), ({ data }) => (data instanceof Uint8Array ? [data] : data))
    .flat()
    .map(({ buffer }) => buffer)
    .filter((buffer) => buffer instanceof ArrayBuffer);
