import { getInt } from '../../../ir/attribute.js';
import { dataTypeCode, dataTypeKind, dataTypeOfCode } from '../../../ir/data_type.js';
import { elementCount } from '../../../ir/tensor.js';
import { zeros } from './scalar_tensor.js';
import type { Adapter, StepTable } from './step.js';

const isFloat8 = (code: number): boolean => dataTypeOfCode(code)?.startsWith('float8') ?? false;

/** Down, where only one scale for the whole tensor is known. */
const oneScale: Adapter = (node, context) => {
  const dims = context.dims(node.inputs[1]) ?? context.constant(node.inputs[1])?.dims;
  if (dims === undefined) return 'it may have a scale for every channel';
  if (elementCount(dims) !== 1) return 'it has a scale for every channel';
  context.removeAttribute(node, 'axis');
  return undefined;
};

/** Down, what only 8-bit floats need. */
const withoutSaturate: Adapter = (node, context) => {
  const dtype = context.dtype(node.outputs[0]);
  if (getInt(node, 'saturate', 1) !== 1 && (dtype === undefined || dtype.startsWith('float8'))) {
    return 'it does not saturate';
  }
  context.removeAttribute(node, 'saturate');
  return undefined;
};

/** Down, where the zero point alone tells the type of the result. */
const typeByZeroPoint: Adapter = (node, context) => {
  if (getInt(node, 'block_size', 0) !== 0) return 'it has a scale for every block';
  const code = getInt(node, 'output_dtype', 0);
  context.removeAttribute(node, 'output_dtype', 'block_size');
  if (node.inputs[2] != null || code === 0 || code === dataTypeCode('uint8')) return undefined;
  const dtype = dataTypeOfCode(code);
  const dims = context.dims(node.inputs[1]);
  if (dtype === undefined || dims === undefined) return 'the shape of its scale is not known';
  const tensor = zeros(dtype, dims);
  if (tensor === undefined) return `it gives ${dtype}`;
  context.setInput(node, 2, context.addConstant(node, tensor, 'quantize_zero_point'));
  return undefined;
};

const precisionOfScale: Adapter = (node, context) => {
  const precision = getInt(node, 'precision', 0);
  const scale = context.dtype(node.inputs[1]);
  if (precision !== 0 && (scale === undefined || precision !== dataTypeCode(scale))) {
    return 'it divides in another type than its scale';
  }
  context.removeAttribute(node, 'precision');
  return undefined;
};

const typeOfScale: Adapter = (node, context) => {
  const code = getInt(node, 'output_dtype', 0);
  const scale = context.dtype(node.inputs[1]);
  if (code !== 0 && (scale === undefined || code !== dataTypeCode(scale))) {
    return 'it gives another type than its scale has';
  }
  context.removeAttribute(node, 'output_dtype');
  return undefined;
};

/** Opset 24 casts infinities to the largest number of the types without negative zero; before, they became NaN. */
const infinitiesDiffer: Adapter = (node, context) => {
  const dtype = context.dtype(node.outputs[0]) ?? dataTypeOfCode(getInt(node, 'to', 0));
  if (dtype === undefined) return 'the type it casts to is not known';
  const isAffected = dtype.endsWith('fnuz') && getInt(node, 'saturate', 1) !== 0;
  const from = context.dtype(node.inputs[0]);
  return isAffected && (from === undefined || dataTypeKind(from) === 'float')
    ? `infinities become NaN in ${dtype} before opset 24, and its largest number from then on`
    : undefined;
};

const saturateOnlyFloat8: Adapter = (node, context) => {
  const dtype = context.dtype(node.outputs[0]);
  const code = getInt(node, 'to', dtype === undefined ? 0 : dataTypeCode(dtype));
  if (getInt(node, 'saturate', 1) !== 1 && (code === 0 || isFloat8(code))) return 'it does not saturate';
  context.removeAttribute(node, 'saturate');
  return undefined;
};

const cast = {
  19: { up: 'same', down: saturateOnlyFloat8 },
  24: { up: infinitiesDiffer, down: infinitiesDiffer },
} as const;

export const quantizationSteps: StepTable = {
  Cast: cast,
  CastLike: cast,
  QuantizeLinear: {
    13: { up: 'same', down: oneScale },
    19: { up: 'same', down: withoutSaturate },
    21: { up: 'same', down: typeByZeroPoint },
    23: { up: 'same', down: precisionOfScale },
  },
  DequantizeLinear: {
    13: { up: 'same', down: oneScale },
    23: { up: 'same', down: typeOfScale },
  },
};
