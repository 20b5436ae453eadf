import type protobuf from 'protobufjs/light.js';

// The decoded messages, as far as this project reads them; names and meanings are those of onnx.proto.

/** What protobufjs gives for int64. */
export type Int64 = protobuf.Long | number;

export type Message = { $unknowns?: Uint8Array[] };

export type EntryProto = Message & { key?: string; value?: string };
export type OperatorSetIdProto = Message & { domain?: string; version?: Int64 };

export type DescribedProto = Message & { doc_string?: string; metadata_props?: EntryProto[] };

export type ModelProto = DescribedProto & {
  ir_version?: Int64;
  producer_name?: string;
  producer_version?: string;
  domain?: string;
  model_version?: Int64;
  graph?: GraphProto;
  opset_import?: OperatorSetIdProto[];
  training_info?: TrainingInfoProto[];
  functions?: FunctionProto[];
};

export type TrainingInfoProto = Message & {
  initialization?: GraphProto;
  algorithm?: GraphProto;
  initialization_binding?: EntryProto[];
  update_binding?: EntryProto[];
};

export type TensorAnnotation = Message & { tensor_name?: string; quant_parameter_tensor_names?: EntryProto[] };

export type GraphProto = DescribedProto & {
  node?: NodeProto[];
  name?: string;
  initializer?: TensorProto[];
  sparse_initializer?: SparseTensorProto[];
  input?: ValueInfoProto[];
  output?: ValueInfoProto[];
  value_info?: ValueInfoProto[];
  quantization_annotation?: TensorAnnotation[];
};

export type FunctionProto = DescribedProto & {
  name?: string;
  domain?: string;
  overload?: string;
  input?: string[];
  output?: string[];
  attribute?: string[];
  attribute_proto?: AttributeProto[];
  node?: NodeProto[];
  opset_import?: OperatorSetIdProto[];
  value_info?: ValueInfoProto[];
};

export type NodeProto = DescribedProto & {
  input?: string[];
  output?: string[];
  name?: string;
  op_type?: string;
  domain?: string;
  overload?: string;
  attribute?: AttributeProto[];
};

export type AttributeProto = Message & {
  name?: string;
  type?: number;
  ref_attr_name?: string;
  doc_string?: string;
  f?: number;
  i?: Int64;
  s?: Uint8Array;
  t?: TensorProto;
  g?: GraphProto;
  tp?: TypeProto;
  sparse_tensor?: SparseTensorProto;
  floats?: number[];
  ints?: Int64[];
  strings?: Uint8Array[];
  tensors?: TensorProto[];
  graphs?: GraphProto[];
  type_protos?: TypeProto[];
  sparse_tensors?: SparseTensorProto[];
};

export type TensorProto = DescribedProto & {
  dims?: Int64[];
  data_type?: number;
  name?: string;
  float_data?: Uint8Array[];
  int32_data?: Uint8Array[];
  string_data?: Uint8Array[];
  int64_data?: Uint8Array[];
  double_data?: Uint8Array[];
  uint64_data?: Uint8Array[];
  raw_data?: Uint8Array;
  external_data?: EntryProto[];
  data_location?: number;
};

export type SparseTensorProto = Message & { values?: TensorProto; indices?: TensorProto; dims?: Int64[] };

export type ValueInfoProto = DescribedProto & { name?: string; type?: TypeProto };

export type TypeProto = Message & {
  tensor_type?: TensorTypeProto;
  sparse_tensor_type?: TensorTypeProto;
  sequence_type?: { elem_type?: TypeProto };
  optional_type?: { elem_type?: TypeProto };
  map_type?: { key_type?: number; value_type?: TypeProto };
  opaque_type?: Message;
  denotation?: string;
};

export type TensorTypeProto = Message & { elem_type?: number; shape?: { dim?: DimensionProto[] } };

export type DimensionProto = Message & { dim_value?: Int64; dim_param?: string; denotation?: string };

export const toBigint = (value: Int64 | undefined): bigint =>
  value === undefined
    ? 0n
    : typeof value === 'number'
      ? BigInt(value)
      : (BigInt(value.high) << 32n) | BigInt(value.low >>> 0);

/** A number for versions and dimensions; past 2^53 it is inexact, which its readers refuse anyway. */
export const toNumber = (value: Int64 | undefined): number => Number(toBigint(value));

/** int64 for the encoder: the low and high halves that protobufjs writes. */
export const fromBigint = (value: bigint): { low: number; high: number; unsigned: boolean } => ({
  low: Number(BigInt.asIntN(32, value)),
  high: Number(BigInt.asIntN(32, value >> 32n)),
  unsigned: false,
});

/**
 * What is left of a message when the fields that the graph models are taken out: unmodelled and unknown fields, and
 * modelled ones that were spelled out although empty. undefined where nothing is left.
 */
export function leftover<T extends Message>(
  message: T,
  modelled: readonly (keyof T & string)[],
): Partial<T> | undefined {
  const rest: Partial<T> = {};
  let some = false;
  for (const key of Object.keys(message) as (keyof T & string)[]) {
    const value = message[key];
    if (Array.isArray(value) && value.length === 0) continue;
    if (modelled.includes(key) && !(value === '' || value === 0 || isZero(value))) continue;
    rest[key] = value;
    some = true;
  }
  if (message.$unknowns !== undefined) {
    rest.$unknowns = message.$unknowns;
    some = true;
  }
  return some ? rest : undefined;
}

const isZero = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && 'low' in value && 'high' in value && !value.low && !value.high;

/** Sets a field, left out where it holds its default and the file did not spell it out. */
export function put<T extends object, K extends keyof T>(message: T, field: K, value: T[K], isDefault: boolean): void {
  if (!isDefault || field in message) message[field] = value;
}

export const entriesOf = (map: ReadonlyMap<string, string>): EntryProto[] =>
  Array.from(map, ([key, value]) => ({ key, value }));
