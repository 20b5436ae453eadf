import { type DataType, dataTypeBits, packedByteLength } from './data_type.js';
import { InvariantError } from './diagnostic.js';

/**
 * Where a tensor's bytes are. `bytes` is called when somebody looks at values; `range` reads a part, so that a tensor
 * larger than memory can be streamed. Both give ONNX `raw_data` layout: row-major, little-endian, packed below 8 bits.
 */
export type TensorStorage = {
  readonly kind: 'memory' | 'external';
  bytes(): Uint8Array;
  range(offset: number, length: number): Uint8Array;
};

/**
 * An immutable dense tensor. dtype, dims and byte length are known without reading its data.
 * Strings keep their own bytes, since ONNX does not promise that they are UTF-8.
 */
export type Tensor = {
  readonly kind: 'dense';
  readonly dtype: DataType;
  readonly dims: readonly number[];
  /** Bytes in raw layout; for strings, the sum of their lengths. */
  readonly byteLength: number;
  readonly storage: TensorStorage;
  readonly strings?: readonly Uint8Array[];
  /** The name its own message carried; values are named by the graph. */
  readonly name?: string;
  /** The message this was decoded from; only `src/ir/onnx` reads it. */
  readonly wire?: unknown;
};

/** A constant given by coordinates (`SparseTensorProto`): kept, never expanded. */
export type SparseTensor = {
  readonly kind: 'sparse';
  readonly dtype: DataType;
  readonly dims: readonly number[];
  readonly byteLength: number;
  readonly values: Tensor;
  readonly indices: Tensor;
  readonly wire?: unknown;
};

export type TypedData =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

export const elementCount = (dims: readonly number[]): number => dims.reduce((product, dim) => product * dim, 1);

/** A storage over bytes in memory; a view, not a copy. */
export const memoryStorage = (bytes: Uint8Array): TensorStorage => ({
  kind: 'memory',
  bytes: () => bytes,
  range: (offset, length) => bytes.subarray(offset, offset + length),
});

/**
 * A tensor over `bytes` in raw layout.
 * @throws InvariantError where the bytes do not match dtype and dims.
 */
export function tensorFromBytes(dtype: DataType, dims: readonly number[], bytes: Uint8Array, name?: string): Tensor {
  const expected = packedByteLength(dtype, elementCount(dims));
  if (dtype === 'string' || bytes.byteLength !== expected) {
    throw new InvariantError(`${dtype}[${dims}] takes ${expected} bytes in memory, given ${bytes.byteLength}`);
  }
  return { kind: 'dense', dtype, dims, byteLength: expected, storage: memoryStorage(bytes), ...(name && { name }) };
}

/** A tensor over a typed array: `float16` and `bfloat16` take their bits as Uint16Array, `bool` 0 or 1 as Uint8Array. */
export const tensorFromData = (dtype: DataType, dims: readonly number[], data: TypedData, name?: string): Tensor =>
  tensorFromBytes(dtype, dims, new Uint8Array(data.buffer, data.byteOffset, data.byteLength), name);

export function tensorFromStrings(dims: readonly number[], strings: readonly Uint8Array[], name?: string): Tensor {
  if (strings.length !== elementCount(dims)) {
    throw new InvariantError(`string[${dims}] takes ${elementCount(dims)} strings, given ${strings.length}`);
  }
  const byteLength = strings.reduce((sum, text) => sum + text.byteLength, 0);
  const none = memoryStorage(new Uint8Array(0));
  return { kind: 'dense', dtype: 'string', dims, byteLength, storage: none, strings, ...(name && { name }) };
}

/** int64 values, 1-D or, with `dims`, any shape; the form that shapes, axes and pads take. */
export const int64Tensor = (values: readonly (number | bigint)[], dims: readonly number[] = [values.length]): Tensor =>
  tensorFromData('int64', dims, BigInt64Array.from(values, BigInt));

export const floatTensor = (values: ArrayLike<number>, dims: readonly number[] = [values.length]): Tensor =>
  tensorFromData('float', dims, Float32Array.from(values));

/** The same data under another shape of the same element count. */
export function reshapeTensor(tensor: Tensor, dims: readonly number[]): Tensor {
  if (elementCount(dims) !== elementCount(tensor.dims)) {
    throw new InvariantError(`cannot view [${tensor.dims}] as [${dims}]`);
  }
  const { dtype, byteLength, storage, strings } = tensor;
  return { kind: 'dense', dtype, dims, byteLength, storage, ...(strings && { strings }) };
}

const views = {
  float: Float32Array,
  double: Float64Array,
  int8: Int8Array,
  uint8: Uint8Array,
  bool: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  complex64: Float32Array,
  complex128: Float64Array,
} as const;

/**
 * The values as a typed array: a view where the bytes are aligned, a copy where they are not. 8-bit floats give their
 * bits; complex numbers alternate real and imaginary parts.
 * @throws InvariantError for strings and for elements under 8 bits (see `unpackIntegers`).
 */
export function tensorData(tensor: Tensor): TypedData {
  const { dtype } = tensor;
  if (dtype === 'string' || dataTypeBits(dtype) < 8) throw new InvariantError(`${dtype} has no typed array`);
  const bytes = tensor.storage.bytes();
  const View = dtype in views ? views[dtype as keyof typeof views] : Uint8Array;
  const size = View.BYTES_PER_ELEMENT;
  const aligned = bytes.byteOffset % size === 0 ? bytes : Uint8Array.from(bytes);
  return new View(aligned.buffer as ArrayBuffer, aligned.byteOffset, aligned.byteLength / size);
}

/**
 * Every integer or bool element, exactly, 2- and 4-bit packing undone; undefined for other types.
 */
export function tensorIntegers(tensor: Tensor): bigint[] | undefined {
  switch (tensor.dtype) {
    case 'uint2':
    case 'int2':
    case 'uint4':
    case 'int4':
      return unpackIntegers(tensor).map(BigInt);
    case 'int8':
    case 'uint8':
    case 'bool':
    case 'int16':
    case 'uint16':
    case 'int32':
    case 'uint32':
    case 'int64':
    case 'uint64':
      return Array.from(tensorData(tensor), BigInt);
    default:
      return undefined;
  }
}

/** Elements of `uint2 int2 uint4 int4`, first element in the lowest bits. */
function unpackIntegers(tensor: Tensor): number[] {
  const bits = dataTypeBits(tensor.dtype);
  const signed = tensor.dtype === 'int2' || tensor.dtype === 'int4';
  const bytes = tensor.storage.bytes();
  const perByte = 8 / bits;
  const mask = (1 << bits) - 1;
  return Array.from({ length: elementCount(tensor.dims) }, (_, index) => {
    const code = (bytes[Math.floor(index / perByte)]! >> ((index % perByte) * bits)) & mask;
    return signed && code >> (bits - 1) ? code - (1 << bits) : code;
  });
}
