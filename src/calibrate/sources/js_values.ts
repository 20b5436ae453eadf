import { type DataType, isDataType } from '../../ir/data_type.js';
import type { Tensor, TypedData } from '../../ir/tensor.js';

export const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;

/** Whether a value from outside is a tensor of the graph's kind. */
export const isTensor = (value: unknown): value is Tensor =>
  isObject(value) &&
  'kind' in value &&
  value.kind === 'dense' &&
  'dtype' in value &&
  typeof value.dtype === 'string' &&
  isDataType(value.dtype) &&
  'dims' in value &&
  Array.isArray(value.dims) &&
  'storage' in value &&
  isObject(value.storage);

/** Whether it is a typed array that tensors are made of; a `DataView` is not. */
export const isTypedData = (value: unknown): value is TypedData =>
  ArrayBuffer.isView(value) && typedDataTypes(value).length > 0;

/** The element types that the class of a typed array carries, its natural one first. */
export function typedDataTypes(data: ArrayBufferView): readonly DataType[] {
  if (data instanceof Float32Array) return ['float'];
  if (data instanceof Float64Array) return ['double'];
  if (data instanceof Int8Array) return ['int8'];
  if (data instanceof Uint8ClampedArray) return ['uint8'];
  if (data instanceof Uint8Array) return ['uint8', 'bool'];
  if (data instanceof Int16Array) return ['int16'];
  if (data instanceof Uint16Array) return ['uint16', 'float16', 'bfloat16'];
  if (data instanceof Int32Array) return ['int32'];
  if (data instanceof Uint32Array) return ['uint32'];
  if (data instanceof BigInt64Array) return ['int64'];
  if (data instanceof BigUint64Array) return ['uint64'];
  return [];
}

export const isAsyncIterable = (value: unknown): value is AsyncIterable<unknown> =>
  isObject(value) && Symbol.asyncIterator in value && typeof value[Symbol.asyncIterator] === 'function';

export const isIterable = (value: unknown): value is Iterable<unknown> =>
  isObject(value) && Symbol.iterator in value && typeof value[Symbol.iterator] === 'function';
