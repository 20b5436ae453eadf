import { type DataType, dataTypeBits } from '../../ir/data_type.js';
import { type Tensor, tensorFromBytes } from '../../ir/tensor.js';
import { type DataFile, readFully, requireBytes, withFile } from './file_bytes.js';
import { npyTensor } from './npy.js';
import { malformedNpy, npyPrefixBytes, parseNpyHeader, requireNpySize } from './npy_header.js';

/** An array whose shape is known and whose values are read when asked. */
export type ArrayReader = {
  /** The file, and the key in it; for messages. */
  readonly where: string;
  readonly dtype: DataType;
  readonly dims: readonly number[];
  readAll(): Promise<Tensor>;
  /** `count` steps of the first axis from `start`; that axis stays. The array has a first axis, not of length 0. */
  readRows(start: number, count: number): Promise<Tensor>;
};

/** @param tensor of elements of whole bytes. */
export const tensorReader = (tensor: Tensor, where: string): ArrayReader => ({
  where,
  dtype: tensor.dtype,
  dims: tensor.dims,
  readAll: () => Promise.resolve(tensor),
  readRows: (start, count) => Promise.resolve(rowsOf(tensor, start, count)),
});

function rowsOf({ dtype, dims, byteLength, storage }: Tensor, start: number, count: number): Tensor {
  const rowBytes = byteLength / dims[0]!;
  return tensorFromBytes(dtype, [count, ...dims.slice(1)], storage.range(start * rowBytes, count * rowBytes));
}

/**
 * Reads the header of an NPY file; values are read row by row, so that the file may be larger than memory. A
 * column-major file has no rows that lie together: it is read whole, once.
 * @throws DiagnosticError `data/malformed-npy`, `data/unreadable`; when values are read also `data/too-large`.
 */
export async function openNpy(file: DataFile, maxBytes: number): Promise<ArrayReader> {
  const where = file.name;
  const header = await withFile(file, async (handle, size) => {
    const parsed = parseNpyHeader(await readFully(handle, 0, Math.min(size, npyPrefixBytes)), where);
    requireNpySize(parsed, size, where);
    return parsed;
  });
  const { dtype, dims, byteLength, dataOffset } = header;
  const read = async (shape: readonly number[], offset: number, length: number): Promise<Tensor> => {
    requireBytes(length, maxBytes, where);
    const bytes = await withFile(file, (handle) => readFully(handle, dataOffset + offset, length));
    if (bytes.length < length) throw malformedNpy('the file was cut while it was being read', where);
    return npyTensor(header, shape, bytes, where);
  };
  const readAll = (): Promise<Tensor> => read(dims, 0, byteLength);
  let whole: Promise<Tensor> | undefined;
  const readRows = async (start: number, count: number): Promise<Tensor> => {
    if (header.fortranOrder && dims.length > 1) {
      whole ??= readAll();
      return rowsOf(await whole, start, count);
    }
    const rowBytes = (dims.slice(1).reduce((product, dim) => product * dim, 1) * dataTypeBits(dtype)) / 8;
    return read([count, ...dims.slice(1)], start * rowBytes, count * rowBytes);
  };
  return { where, dtype, dims, readAll, readRows };
}
