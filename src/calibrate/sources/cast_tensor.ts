import { type DataType, dataTypeBits, dataTypeKind } from '../../ir/data_type.js';
import { DiagnosticError } from '../../ir/diagnostic.js';
import { decodeHalf } from '../../ir/half_float.js';
import { type Tensor, tensorData, tensorFromData } from '../../ir/tensor.js';
import { type ElementValues, encodeElements } from './encode_elements.js';

/**
 * The tensor with elements of another type, where no value is lost: floats are rounded to nearest but never to infinity;
 * integers and booleans must be the same number in the new type. Floats do not become integers.
 * @param where names the tensor in messages.
 * @throws DiagnosticError `data/wrong-type`.
 */
export function castTensor(tensor: Tensor, dtype: DataType, where: string): Tensor {
  if (tensor.dtype === dtype) return tensor;
  const source = dataTypeKind(tensor.dtype);
  const castable =
    isNumeric(tensor.dtype) && isNumeric(dtype) && !(source === 'float' && dataTypeKind(dtype) !== 'float');
  if (!castable) throw cannotCast(tensor.dtype, dtype, where);
  const { data, reason } = encodeElements(dtype, numbersOf(tensor), source !== 'float');
  if (data === undefined) throw cannotCast(tensor.dtype, dtype, where, reason);
  return tensorFromData(dtype, tensor.dims, data);
}

const isNumeric = (dtype: DataType): boolean =>
  ['float', 'signed', 'unsigned', 'bool'].includes(dataTypeKind(dtype)) &&
  (dataTypeBits(dtype) > 8 || is8BitInteger(dtype));

const is8BitInteger = (dtype: DataType): boolean => dtype === 'uint8' || dtype === 'int8' || dtype === 'bool';

function numbersOf(tensor: Tensor): ElementValues {
  const data = tensorData(tensor);
  const half = tensor.dtype === 'float16' || tensor.dtype === 'bfloat16' ? tensor.dtype : undefined;
  return half !== undefined && data instanceof Uint16Array ? decodeHalf(half, data) : data;
}

const cannotCast = (from: DataType, to: DataType, where: string, reason?: string): DiagnosticError =>
  new DiagnosticError({
    code: 'data/wrong-type',
    message: `${from} cannot be cast to ${to}${reason === undefined ? '' : `: ${reason}`}`,
    where,
    help: `Save the data as ${to}`,
  });
