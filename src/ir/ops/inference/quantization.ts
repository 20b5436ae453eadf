import { dataTypeOfCode } from '../../data_type.js';
import type { InferenceContext, InferenceRules } from './context.js';

function inferQuantize(context: InferenceContext): void {
  const asked = context.int('output_dtype', 0);
  const dtype = context.has(2) ? context.dtype(2) : asked === 0 ? 'uint8' : dataTypeOfCode(asked);
  context.setTensor(0, dtype, context.shape(0));
}

function inferDequantize(context: InferenceContext): void {
  const asked = context.int('output_dtype', 0);
  context.setTensor(0, asked === 0 ? context.dtype(1) : dataTypeOfCode(asked), context.shape(0));
}

function inferDynamicQuantize(context: InferenceContext): void {
  context.setTensor(0, 'uint8', context.shape(0));
  context.setTensor(1, 'float', []);
  context.setTensor(2, 'uint8', []);
}

export const quantizationRules: InferenceRules = {
  QuantizeLinear: inferQuantize,
  DequantizeLinear: inferDequantize,
  DynamicQuantizeLinear: inferDynamicQuantize,
  'com.microsoft:QuantizeLinear': inferQuantize,
  'com.microsoft:DequantizeLinear': inferDequantize,
};
