import { type DataType, dataTypeBits, dataTypeCode, dataTypeOfCode, packedByteLength } from '../data_type.js';
import { DiagnosticError, InvariantError } from '../diagnostic.js';
import { elementCount, memoryStorage, type SparseTensor, type Tensor, type TensorStorage } from '../tensor.js';
import type { ExternalReader } from './external_data.js';
import { fromBigint, type Int64, type SparseTensorProto, type TensorProto, toBigint } from './messages.js';
import { decodeMessage } from './schema.js';
import { countVarints, readVarints, splitRawField } from './varint.js';

/** The typed data field each element type uses when it is not in raw_data. */
type DataField = 'float_data' | 'int32_data' | 'int64_data' | 'double_data' | 'uint64_data';

const fieldNumbers: Record<DataField, number> = {
  float_data: 4,
  int32_data: 5,
  int64_data: 7,
  double_data: 10,
  uint64_data: 11,
};

function dataField(dtype: DataType): DataField {
  switch (dtype) {
    case 'float':
    case 'complex64':
      return 'float_data';
    case 'double':
    case 'complex128':
      return 'double_data';
    case 'int64':
      return 'int64_data';
    case 'uint32':
    case 'uint64':
      return 'uint64_data';
    default:
      return 'int32_data';
  }
}

/** Bits of the tensor that one entry of `int32_data` or `uint64_data` fills. */
const entryBits = (dtype: DataType): number => {
  const bits = dataTypeBits(dtype);
  return bits < 8 && bits !== 6 ? 8 : bits;
};

/**
 * Decodes a serialized TensorProto, the form of ONNX test data (`input_0.pb`).
 * @throws DiagnosticError `load/not-protobuf`, `load/truncated`, `load/tensor-size-mismatch`, `load/unknown-data-type`…
 */
export function decodeTensorProto(bytes: Uint8Array): Tensor {
  let message: TensorProto;
  try {
    message = decodeMessage<TensorProto>('TensorProto', bytes);
  } catch (cause) {
    throw new DiagnosticError({ code: 'load/not-protobuf', message: 'this is not a TensorProto' }, { cause });
  }
  return decodeTensor(message, 'tensor', undefined);
}

/** @param where names the tensor in messages. */
export function decodeTensor(message: TensorProto, where: string, external: ExternalReader | undefined): Tensor {
  const code = message.data_type ?? 0;
  const dtype = dataTypeOfCode(code);
  if (dtype === undefined) {
    throw new DiagnosticError({ code: 'load/unknown-data-type', message: `element type ${code} is not known`, where });
  }
  const dims = decodeDims(message.dims ?? [], where);
  const base = { kind: 'dense', dtype, dims, wire: message, ...(message.name && { name: message.name }) } as const;
  if (dtype === 'string') {
    const strings = message.string_data ?? [];
    requireSize(strings.length, elementCount(dims), 'strings', dtype, dims, where);
    const byteLength = strings.reduce((sum, text) => sum + text.byteLength, 0);
    return { ...base, byteLength, strings, storage: memoryStorage(new Uint8Array(0)) };
  }
  const byteLength = packedByteLength(dtype, elementCount(dims));
  if (message.data_location === 1) {
    if (external === undefined) {
      throw new DiagnosticError({
        code: 'load/external-data-no-folder',
        message: 'the data of this tensor lies in a file beside the model',
        where,
        help: 'Load the model from its path',
      });
    }
    return { ...base, byteLength, storage: external.storage(message.external_data ?? [], byteLength, where) };
  }
  if (message.raw_data !== undefined && (message.raw_data.length > 0 || byteLength === 0)) {
    requireSize(message.raw_data.length, byteLength, 'bytes', dtype, dims, where);
    return { ...base, byteLength, storage: memoryStorage(message.raw_data) };
  }
  return { ...base, byteLength, storage: typedStorage(message, dtype, dims, byteLength, where) };
}

function decodeDims(dims: readonly Int64[], where: string): number[] {
  let count = 1n;
  const decoded = dims.map((dim) => {
    const size = toBigint(dim);
    if (size < 0n) throw new DiagnosticError({ code: 'load/bad-shape', message: `dimension ${size}`, where });
    count *= size;
    return Number(size);
  });
  if (count > 1n << 47n) {
    throw new DiagnosticError({ code: 'load/bad-shape', message: `[${decoded}] has too many elements`, where });
  }
  return decoded;
}

function requireSize(
  given: number,
  expected: number,
  unit: string,
  dtype: DataType,
  dims: readonly number[],
  where: string,
): void {
  if (given === expected) return;
  throw new DiagnosticError({
    code: 'load/tensor-size-mismatch',
    message: `${dtype}[${dims}] takes ${expected} ${unit}, the file holds ${given}`,
    where,
  });
}

/** Packed runs of a typed field, then values that were written one by one. */
function typedRuns(message: TensorProto, field: DataField): { packed: Uint8Array[]; single: Uint8Array[] } {
  const single: Uint8Array[] = [];
  for (const raw of message.$unknowns ?? []) {
    const { id, wireType, payload } = splitRawField(raw);
    if (id === fieldNumbers[field] && wireType !== 2) single.push(payload);
  }
  return { packed: message[field] ?? [], single };
}

function typedStorage(
  message: TensorProto,
  dtype: DataType,
  dims: readonly number[],
  byteLength: number,
  where: string,
): TensorStorage {
  const field = dataField(dtype);
  const { packed, single } = typedRuns(message, field);
  const runs = [...packed, ...single];
  if (field === 'float_data' || field === 'double_data') {
    requireSize(
      runs.reduce((sum, run) => sum + run.length, 0),
      byteLength,
      'bytes',
      dtype,
      dims,
      where,
    );
    return runs.length === 1 ? memoryStorage(runs[0]!) : lazyStorage(() => Buffer.concat(runs));
  }
  const entries = runs.reduce((sum, run) => sum + countVarints(run), 0);
  const expected = Math.ceil((elementCount(dims) * dataTypeBits(dtype)) / entryBits(dtype));
  requireSize(entries, expected, 'values', dtype, dims, where);
  return lazyStorage(() => unpackVarints(runs, dtype, byteLength));
}

function lazyStorage(read: () => Uint8Array): TensorStorage {
  let bytes: Uint8Array | undefined;
  const get = (): Uint8Array => {
    bytes ??= read();
    return bytes;
  };
  return { kind: 'memory', bytes: get, range: (offset, length) => get().subarray(offset, offset + length) };
}

function unpackVarints(runs: readonly Uint8Array[], dtype: DataType, byteLength: number): Uint8Array {
  const bytes = new Uint8Array(byteLength);
  const view = new DataView(bytes.buffer);
  const bits = entryBits(dtype);
  let count = 0;
  for (const run of runs) {
    count += readVarints(run, count, (index, low, high) => {
      switch (bits) {
        case 8:
          bytes[index] = low;
          break;
        case 6: {
          const at = index * 6;
          const code = (low & 0x3f) << (at % 8);
          bytes[at >> 3] = bytes[at >> 3]! | (code & 0xff);
          if (code > 0xff) bytes[(at >> 3) + 1] = code >> 8;
          break;
        }
        case 16:
          view.setUint16(index * 2, low & 0xffff, true);
          break;
        case 32:
          view.setUint32(index * 4, low, true);
          break;
        default:
          view.setUint32(index * 8, low, true);
          view.setUint32(index * 8 + 4, high, true);
      }
    });
  }
  return bytes;
}

export function decodeSparseTensor(
  message: SparseTensorProto,
  where: string,
  external: ExternalReader | undefined,
): SparseTensor {
  const values = decodeTensor(message.values ?? {}, where, external);
  const indices = decodeTensor(message.indices ?? {}, where, external);
  const dims = decodeDims(message.dims ?? [], where);
  const byteLength = values.byteLength + indices.byteLength;
  return { kind: 'sparse', dtype: values.dtype, dims, byteLength, values, indices, wire: message };
}

/** Where the encoder puts data that is not written inside the message. */
export type ExternalPlacement = {
  /** Entries for `external_data`, or undefined where this tensor stays inside. */
  place(tensor: Tensor): TensorProto['external_data'] | undefined;
};

/**
 * The message of a tensor under the name a graph gives it. A tensor that was decoded goes back as it came; its data
 * fields are replaced only where the data moves into, out of or between files.
 */
export function encodeTensor(tensor: Tensor, name: string | undefined, placement?: ExternalPlacement): TensorProto {
  const wire = wireOf(tensor);
  const named = { ...(wire ?? plainTensor(tensor)), ...(wire?.$unknowns && { $unknowns: wire.$unknowns }) };
  if (name !== undefined && name !== (named.name ?? '')) named.name = name;
  const external = tensor.dtype === 'string' ? undefined : placement?.place(tensor);
  if (external !== undefined) return { ...withoutData(named), external_data: external, data_location: 1 };
  if (wire !== undefined && tensor.storage.kind === 'memory') return named;
  if (tensor.dtype === 'string') return { ...named, string_data: [...(tensor.strings ?? [])] };
  return { ...withoutData(named), raw_data: tensor.storage.bytes() };
}

function wireOf(tensor: Tensor | SparseTensor): (TensorProto & SparseTensorProto) | undefined {
  return tensor.wire === undefined ? undefined : (tensor.wire as TensorProto & SparseTensorProto);
}

const plainTensor = (tensor: Tensor): TensorProto => ({
  dims: tensor.dims.map((dim) => fromBigint(BigInt(dim)) as Int64),
  data_type: dataTypeCode(tensor.dtype),
});

function withoutData(message: TensorProto): TensorProto {
  const {
    float_data,
    int32_data,
    int64_data,
    double_data,
    uint64_data,
    raw_data,
    external_data,
    data_location,
    ...rest
  } = message;
  const numbers = Object.values(fieldNumbers);
  if (rest.$unknowns !== undefined) {
    rest.$unknowns = rest.$unknowns.filter((raw) => !numbers.includes(splitRawField(raw).id));
  }
  return rest;
}

export function encodeSparseTensor(tensor: SparseTensor, name: string | undefined): SparseTensorProto {
  const wire = wireOf(tensor);
  if (wire === undefined) throw new InvariantError('sparse tensors are kept, not made');
  const values = encodeTensor(tensor.values, name);
  const indices = encodeTensor(tensor.indices, undefined);
  return { ...wire, ...(wire.$unknowns && { $unknowns: wire.$unknowns }), values, indices };
}
