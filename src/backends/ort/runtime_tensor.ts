import { isUtf8 } from 'node:buffer';
import type * as Ort from 'onnxruntime-node';
import { type DataType, isDataType } from '../../ir/data_type.js';
import { DiagnosticError, InvariantError } from '../../ir/diagnostic.js';
import { type Tensor, tensorData, tensorFromBytes, tensorFromStrings } from '../../ir/tensor.js';

/** Element types under the binding's names, those it carries without harm: fetching 4-bit ones aborts the process. */
const bindingTypes = {
  float: 'float32',
  double: 'float64',
  float16: 'float16',
  int8: 'int8',
  uint8: 'uint8',
  int16: 'int16',
  uint16: 'uint16',
  int32: 'int32',
  uint32: 'uint32',
  int64: 'int64',
  uint64: 'uint64',
  bool: 'bool',
  string: 'string',
} as const satisfies Partial<Record<DataType, Ort.Tensor.Type>>;

export type CarriedType = keyof typeof bindingTypes;

export const isCarried = (dtype: DataType): dtype is CarriedType => Object.hasOwn(bindingTypes, dtype);

export function dataTypeOfBinding(type: Ort.Tensor.Type): DataType {
  const dtype = type === 'float32' ? 'float' : type === 'float64' ? 'double' : type;
  if (!isDataType(dtype)) throw new InvariantError(`${type} is no element type of ONNX`);
  return dtype;
}

export const notCarried = (kind: 'input' | 'output', name: string, dtype: DataType): DiagnosticError =>
  new DiagnosticError({
    code: 'ort/unsupported-type',
    message: `${dtype} tensors cannot pass the JavaScript binding of ONNX Runtime`,
    where: `${kind} "${name}"`,
  });

/**
 * A tensor to feed: a view of the same memory where that is aligned and not shared.
 * @throws DiagnosticError `ort/unsupported-type`.
 */
export function toBinding(ort: Pick<typeof Ort, 'Tensor'>, input: string, tensor: Tensor): Ort.Tensor {
  const { dtype, dims } = tensor;
  if (!isCarried(dtype)) throw notCarried('input', input, dtype);
  if (dtype === 'string') {
    const strings = (tensor.strings ?? []).map((text) => decodeString(input, text));
    return new ort.Tensor('string', strings, dims);
  }
  const data = tensorData(tensor);
  const own = data.buffer instanceof ArrayBuffer ? data : data.slice();
  // The constructor is declared type by type, never for their union.
  return new ort.Tensor(bindingTypes[dtype] as 'float32', own as Float32Array, dims);
}

/** Strings pass the binding as JavaScript strings, and in C they end at their first zero. */
function decodeString(input: string, text: Uint8Array): string {
  if (isUtf8(text) && !text.includes(0)) return new TextDecoder('utf-8', { ignoreBOM: true }).decode(text);
  throw new DiagnosticError({
    code: 'ort/unsupported-type',
    message: 'the JavaScript binding takes strings in UTF-8 without zero bytes only',
    where: `input "${input}"`,
  });
}

/** Every run gives fresh memory, so that it can be wrapped. Strings that are no UTF-8 have lost their bytes by now. */
export function fromBinding({ data, dims, type }: Ort.OnnxValue): Tensor {
  if (Array.isArray(data)) {
    const encoder = new TextEncoder();
    const strings = data.map((text) => encoder.encode(text));
    return tensorFromStrings(dims, strings);
  }
  return tensorFromBytes(dataTypeOfBinding(type), dims, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}
