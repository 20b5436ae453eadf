import { type DataType, isDataType } from '../../ir/data_type.js';
import { DiagnosticError } from '../../ir/diagnostic.js';
import { elementCount, type Tensor, type TypedData, tensorFromData, tensorFromStrings } from '../../ir/tensor.js';
import { formatShape, type Shape } from '../../ir/value_type.js';
import { type ElementValue, encodeElements } from './encode_elements.js';
import { isTensor, isTypedData, typedDataTypes } from './js_values.js';
import type { InputSpec } from './source.js';

/** Elements without a shape of their own: numbers, or texts for string inputs. */
type PlainData = TypedData | Uint8ClampedArray | readonly (ElementValue | string)[];

/**
 * What JavaScript gives for one input: a tensor of ours; `{ data, dims, type }`, as ONNX Runtime's tensors have them,
 * where `type` is a name of ONNX (`float`) or ONNX Runtime (`float32`) and may be left out, as `dims` may; a typed
 * array; a flat array of numbers, bigints, booleans or texts; or one of these alone.
 */
export type FeedValue =
  | Tensor
  | { readonly data: PlainData; readonly dims?: readonly number[]; readonly type?: string }
  | PlainData
  | ElementValue
  | string;

/**
 * The tensor of a value that came from JavaScript. A typed array has the element type of its class, or the input's where
 * the class carries that one too (`Uint16Array` for float16, `Uint8Array` for bool). Plain values take the input's type
 * and must be values of it. Dimensions that are not given are the input's; where one of those is open, it follows from
 * the number of elements. A typed array is not copied.
 * @throws DiagnosticError `data/bad-value`, `data/wrong-type`, `data/wrong-shape`.
 */
export function feedTensor(value: unknown, input: InputSpec, where: string): Tensor {
  if (isTensor(value)) return value;
  const at = `${where}, "${input.name}"`;
  const { data, dims, type } = unwrap(value, at);
  const wanted = input.type?.kind === 'tensor' ? input.type : undefined;
  const asked = type === undefined ? undefined : elementTypeOf(type, at);
  if (isTypedData(data)) {
    const shape = shapeOf(dims, wanted?.shape, data.length, at);
    return tensorFromData(typedDtype(data, asked, wanted?.dtype, at), shape, data);
  }
  if (Array.isArray(data)) {
    const shape = shapeOf(dims, wanted?.shape, data.length, at);
    return plainTensor(data, shape, asked ?? wanted?.dtype, at);
  }
  const shape = wanted?.shape === undefined && dims === undefined ? [] : shapeOf(dims, wanted?.shape, 1, at);
  return plainTensor([data], shape, asked ?? wanted?.dtype, at);
}

type Unwrapped = { readonly data: unknown; readonly dims?: readonly number[]; readonly type?: string };

function unwrap(value: unknown, at: string): Unwrapped {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value) || !('data' in value)) {
    return { data: value };
  }
  const dims: unknown = 'dims' in value ? value.dims : undefined;
  const type: unknown = 'type' in value ? value.type : undefined;
  const isSize = (dim: unknown): boolean => typeof dim === 'number' && Number.isSafeInteger(dim) && dim >= 0;
  if (dims !== undefined && !(Array.isArray(dims) && Array.from(dims).every(isSize)))
    throw badValue('dims is no list of sizes', at);
  if (type !== undefined && typeof type !== 'string') throw badValue('type is no text', at);
  return { data: value.data, ...(dims !== undefined && { dims }), ...(type !== undefined && { type }) };
}

/** Names that ONNX Runtime has for types that ONNX calls otherwise. */
const runtimeNames: ReadonlyMap<string, DataType> = new Map([
  ['float32', 'float'],
  ['float64', 'double'],
]);

function elementTypeOf(name: string, at: string): DataType {
  const dtype = runtimeNames.get(name) ?? name;
  if (isDataType(dtype)) return dtype;
  throw badValue(`"${name}" is no element type`, at);
}

function typedDtype(data: TypedData, asked: DataType | undefined, wanted: DataType | undefined, at: string): DataType {
  const carried = typedDataTypes(data);
  const dtype = asked ?? (wanted !== undefined && carried.includes(wanted) ? wanted : carried[0]);
  if (dtype === undefined || !carried.includes(dtype)) {
    const help = `It holds ${carried.join(' or ')}`;
    throw wrongType(`${data.constructor.name} does not hold ${dtype}`, at, help);
  }
  if (dtype === 'bool' && data instanceof Uint8Array && data.some((byte) => byte > 1)) {
    throw wrongType('a bool is neither 0 nor 1', at, 'Give 0 and 1');
  }
  return dtype;
}

/** Elements given one by one; where nothing names their type, numbers are float, and bigints int64. */
function plainTensor(
  values: readonly unknown[],
  dims: readonly number[],
  wanted: DataType | undefined,
  at: string,
): Tensor {
  const dtype = wanted ?? naturalType(values[0]);
  if (dtype === 'string')
    return tensorFromStrings(
      dims,
      Array.from(values, (value) => textBytes(value, at)),
    );
  const { data, reason } = encodeElements(
    dtype,
    Array.from(values, (value) => elementOf(value, at)),
  );
  if (data === undefined) throw wrongType(reason, at, `Give values of ${dtype}`);
  return tensorFromData(dtype, dims, data);
}

function naturalType(value: unknown): DataType {
  switch (typeof value) {
    case 'string':
      return 'string';
    case 'bigint':
      return 'int64';
    case 'boolean':
      return 'bool';
    default:
      return 'float';
  }
}

function textBytes(value: unknown, at: string): Uint8Array {
  if (typeof value !== 'string') throw wrongType(`a value of type ${typeof value} is no text`, at, 'Give texts');
  return Buffer.from(value);
}

function elementOf(value: unknown, at: string): ElementValue {
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean') return value;
  if (typeof value === 'string') throw wrongType('a text is no number', at, 'Give numbers');
  throw badValue(`a value of type ${value === null ? 'null' : typeof value} is no number`, at);
}

/** The dimensions given, or else the input's, where one that is open is what the number of elements leaves for it. */
function shapeOf(
  dims: readonly number[] | undefined,
  shape: Shape | undefined,
  length: number,
  at: string,
): readonly number[] {
  if (dims !== undefined) {
    if (elementCount(dims) === length) return dims;
    throw wrongCount(`[${dims.join(', ')}] takes ${elementCount(dims)} elements, ${length} are given`, at);
  }
  const open = shape?.filter((dim) => typeof dim !== 'number').length;
  if (shape === undefined || open === undefined || open > 1) {
    throw wrongCount(`the model takes ${formatShape(shape)}, which does not tell how to shape ${length} elements`, at);
  }
  const known = shape.reduce<number>((product, dim) => (typeof dim === 'number' ? product * dim : product), 1);
  const rest = known === 0 ? 0 : length / known;
  if (open === 0 ? known !== length : !Number.isInteger(rest) || known * rest !== length) {
    throw wrongCount(`the model takes ${formatShape(shape)}, which ${length} elements do not fill`, at);
  }
  return shape.map((dim) => (typeof dim === 'number' ? dim : rest));
}

const badValue = (message: string, where: string): DiagnosticError =>
  new DiagnosticError({
    code: 'data/bad-value',
    message,
    where,
    help: 'Give a typed array, a flat array of numbers, or { data, dims, type }',
  });

const wrongType = (message: string, where: string, help: string): DiagnosticError =>
  new DiagnosticError({ code: 'data/wrong-type', message, where, help });

const wrongCount = (message: string, where: string): DiagnosticError =>
  new DiagnosticError({
    code: 'data/wrong-shape',
    message,
    where,
    help: 'Give as many elements as the input takes, or { data, dims }',
  });
