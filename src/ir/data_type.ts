/**
 * Element types of ONNX tensors, under the names the operator schemas use (`tensor(float)`), with the numbers and bit
 * widths of `TensorProto.DataType` (ONNX 1.23, IR version 14).
 */
const facts = {
  float: { code: 1, bits: 32, kind: 'float' },
  uint8: { code: 2, bits: 8, kind: 'unsigned' },
  int8: { code: 3, bits: 8, kind: 'signed' },
  uint16: { code: 4, bits: 16, kind: 'unsigned' },
  int16: { code: 5, bits: 16, kind: 'signed' },
  int32: { code: 6, bits: 32, kind: 'signed' },
  int64: { code: 7, bits: 64, kind: 'signed' },
  string: { code: 8, bits: 0, kind: 'string' },
  bool: { code: 9, bits: 8, kind: 'bool' },
  float16: { code: 10, bits: 16, kind: 'float' },
  double: { code: 11, bits: 64, kind: 'float' },
  uint32: { code: 12, bits: 32, kind: 'unsigned' },
  uint64: { code: 13, bits: 64, kind: 'unsigned' },
  complex64: { code: 14, bits: 64, kind: 'complex' },
  complex128: { code: 15, bits: 128, kind: 'complex' },
  bfloat16: { code: 16, bits: 16, kind: 'float' },
  float8e4m3fn: { code: 17, bits: 8, kind: 'float' },
  float8e4m3fnuz: { code: 18, bits: 8, kind: 'float' },
  float8e5m2: { code: 19, bits: 8, kind: 'float' },
  float8e5m2fnuz: { code: 20, bits: 8, kind: 'float' },
  uint4: { code: 21, bits: 4, kind: 'unsigned' },
  int4: { code: 22, bits: 4, kind: 'signed' },
  float4e2m1: { code: 23, bits: 4, kind: 'float' },
  float8e8m0: { code: 24, bits: 8, kind: 'float' },
  uint2: { code: 25, bits: 2, kind: 'unsigned' },
  int2: { code: 26, bits: 2, kind: 'signed' },
  float6e2m3: { code: 27, bits: 6, kind: 'float' },
  float6e3m2: { code: 28, bits: 6, kind: 'float' },
} as const;

export type DataType = keyof typeof facts;

export type DataTypeKind = 'float' | 'signed' | 'unsigned' | 'bool' | 'string' | 'complex';

export const dataTypes = Object.keys(facts) as readonly DataType[];

const byCode = new Map<number, DataType>(dataTypes.map((dtype) => [facts[dtype].code, dtype]));

/** The type with this `TensorProto.DataType` number, or undefined where the number is none we know. */
export const dataTypeOfCode = (code: number): DataType | undefined => byCode.get(code);

export const dataTypeCode = (dtype: DataType): number => facts[dtype].code;

/** Bits of one element; 0 for strings, which have no fixed width. */
export const dataTypeBits = (dtype: DataType): number => facts[dtype].bits;

export const dataTypeKind = (dtype: DataType): DataTypeKind => facts[dtype].kind;

export const isDataType = (text: string): text is DataType => Object.hasOwn(facts, text);

/** Bytes that `count` elements take in `raw_data`: elements below 8 bits are packed, the last byte filled with zeros. */
export const packedByteLength = (dtype: DataType, count: number): number => Math.ceil((facts[dtype].bits * count) / 8);
