import { type DataType, dataTypeCode, dataTypeOfCode } from '../data_type.js';
import { DiagnosticError } from '../diagnostic.js';
import { type Dim, formatDim, symbol } from '../dim.js';
import type { Shape, ValueType } from '../value_type.js';
import {
  type DimensionProto,
  fromBigint,
  type Int64,
  type TensorTypeProto,
  type TypeProto,
  toBigint,
} from './messages.js';

/**
 * The type a message states; undefined where it states none.
 * @throws DiagnosticError `load/unknown-data-type`, `load/bad-shape`.
 */
export function decodeType(message: TypeProto | undefined, where: string): ValueType | undefined {
  if (message === undefined) return undefined;
  if (message.tensor_type != null) {
    const { elem_type, shape } = message.tensor_type;
    const dtype = decodeElementType(elem_type, where);
    return { kind: 'tensor', dtype, shape: shape && decodeShape(shape.dim ?? [], where), wire: message };
  }
  if (message.sparse_tensor_type != null) {
    const { elem_type, shape } = message.sparse_tensor_type;
    const dtype = decodeElementType(elem_type, where) ?? 'float';
    return { kind: 'sparse', dtype, shape: shape && decodeShape(shape.dim ?? [], where), wire: message };
  }
  if (message.sequence_type != null) {
    return { kind: 'sequence', element: decodeType(message.sequence_type.elem_type, where), wire: message };
  }
  if (message.optional_type != null) {
    return { kind: 'optional', element: decodeType(message.optional_type.elem_type, where), wire: message };
  }
  if (message.map_type != null) {
    const key = decodeElementType(message.map_type.key_type, where) ?? 'int64';
    return { kind: 'map', key, value: decodeType(message.map_type.value_type, where), wire: message };
  }
  return message.opaque_type != null ? { kind: 'opaque', wire: message } : undefined;
}

/** 0 is UNDEFINED: the file leaves the element type open. */
function decodeElementType(code: number | undefined, where: string): DataType | undefined {
  if (code === undefined || code === 0) return undefined;
  const dtype = dataTypeOfCode(code);
  if (dtype !== undefined) return dtype;
  throw new DiagnosticError({ code: 'load/unknown-data-type', message: `element type ${code} is not known`, where });
}

/** What exporters write for any unknown size: sizes under such a name need not be equal. */
const placeholders: ReadonlySet<string> = new Set(['none', '?', '-1', '*', 'unk', 'unknown', 'dynamic', 'null']);

/**
 * A negative size, which some exporters write for "unknown", is unknown. A parameter is one symbol whatever it looks
 * like: `batch-size` is a name, not a difference.
 */
function decodeShape(dims: readonly DimensionProto[], where: string): Shape {
  if (dims.length > 1024) {
    throw new DiagnosticError({ code: 'load/bad-shape', message: `${dims.length} dimensions`, where });
  }
  return dims.map((dim): Dim | undefined => {
    if (dim.dim_value !== undefined && dim.dim_value !== null) {
      const size = toBigint(dim.dim_value);
      return size >= 0n && size <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(size) : undefined;
    }
    return !dim.dim_param || placeholders.has(dim.dim_param.toLowerCase()) ? undefined : symbol(dim.dim_param);
  });
}

/** The message of a type: the one it was decoded from, or a new one. */
export function encodeType(type: ValueType | undefined): TypeProto | undefined {
  if (type === undefined) return undefined;
  if (type.wire !== undefined) return type.wire as TypeProto;
  switch (type.kind) {
    case 'tensor':
      return { tensor_type: encodeTensorType(type.dtype, type.shape) };
    case 'sparse':
      return { sparse_tensor_type: encodeTensorType(type.dtype, type.shape) };
    case 'sequence':
      return { sequence_type: elementType(type.element) };
    case 'optional':
      return { optional_type: elementType(type.element) };
    case 'map': {
      const value = encodeType(type.value);
      return { map_type: { key_type: dataTypeCode(type.key), ...(value && { value_type: value }) } };
    }
    case 'opaque':
      return { opaque_type: {} };
  }
}

function elementType(type: ValueType | undefined): { elem_type?: TypeProto } {
  const element = encodeType(type);
  return element === undefined ? {} : { elem_type: element };
}

const encodeTensorType = (dtype: DataType | undefined, shape: Shape | undefined): TensorTypeProto => ({
  elem_type: dtype === undefined ? 0 : dataTypeCode(dtype),
  ...(shape && { shape: { dim: shape.map(encodeDim) } }),
});

function encodeDim(dim: Dim | undefined): DimensionProto {
  if (dim === undefined) return {};
  return typeof dim === 'number' ? { dim_value: fromBigint(BigInt(dim)) as Int64 } : { dim_param: formatDim(dim) };
}
