import { dataTypeOfCode } from '../../data_type.js';
import { asDim, provablyDifferent } from '../../dim.js';
import { formatShape } from '../../value_type.js';
import { normalAxis } from './axes.js';
import { shapeContent } from './content.js';
import type { InferenceContext, InferenceRules } from './context.js';
import { unknownShape } from './rank.js';

/** The type of the zero point; without one that of the attribute (since 21), or else uint8. */
function inferQuantize(context: InferenceContext): void {
  const asked = context.int('output_dtype', 0);
  const byAttribute = asked === 0 ? undefined : dataTypeOfCode(asked);
  const byZeroPoint = context.dtype(2);
  if (byAttribute !== undefined && byZeroPoint !== undefined && byAttribute !== byZeroPoint) {
    context.fail('infer/dtype', `output_dtype is ${byAttribute}, the zero point ${byZeroPoint}`);
    return;
  }
  const dtype = byZeroPoint ?? (asked !== 0 || context.has(2) ? byAttribute : 'uint8');
  context.setTensor(0, dtype, fitsScale(context) ? context.shape(0) : undefined);
}

/** The type of the scale, or since 23 that of the attribute. Exponents alone (float8e8m0) are none for results. */
function inferDequantize(context: InferenceContext): void {
  const asked = context.int('output_dtype', 0);
  const ofScale = context.node.domain !== 'com.microsoft' && context.opset < 19 ? 'float' : context.dtype(1);
  const dtype = asked === 0 ? (ofScale === 'float8e8m0' ? undefined : ofScale) : dataTypeOfCode(asked);
  context.setTensor(0, dtype, fitsScale(context) ? context.shape(0) : undefined);
}

/** Whether a scale of one element a channel or block can belong to the input; reported where it cannot. */
function fitsScale(context: InferenceContext): boolean {
  const shape = context.shape(0);
  const scale = context.shape(1);
  const zeroPoint = context.shape(2);
  const isSame = scale?.length === zeroPoint?.length || scale === undefined || zeroPoint === undefined;
  const fits = !isSame || !scale?.some((size, axis) => provablyDifferent(size, zeroPoint?.[axis]));
  if (!fits) {
    context.fail('infer/scale', `scale ${formatShape(scale)} and zero point ${formatShape(zeroPoint)} differ`);
    return false;
  }
  const isPerChannel = scale?.length === 1 && provablyDifferent(scale[0], 1) && context.int('block_size', 0) === 0;
  if (shape === undefined || !isPerChannel) return true;
  const axis = context.int('axis', 1);
  const channels = normalAxis(axis, shape.length);
  if (channels !== undefined && !provablyDifferent(shape[channels], scale[0])) return true;
  context.fail('infer/scale', `scale ${formatShape(scale)} does not fit axis ${axis} of ${formatShape(shape)}`);
  return false;
}

function inferDynamicQuantize(context: InferenceContext): void {
  context.setTensor(0, 'uint8', context.shape(0));
  context.setTensor(1, 'float', []);
  context.setTensor(2, 'uint8', []);
}

/** Blocks of numbers with a common exponent as bytes; the shape and the strides of what they were. */
function inferQuantizeBlocks(context: InferenceContext): void {
  const shape = context.shape(0);
  context.setTensor(0, 'uint8', [undefined]);
  for (const index of [1, 2]) context.setTensor(index, 'int64', [shape?.length]);
  if (shape !== undefined) context.setContent(1, shapeContent(shape));
}

function inferDequantizeBlocks(context: InferenceContext): void {
  const sizes = context.content(1)?.elements.map(asDim);
  context.setTensor(0, dataTypeOfCode(context.int('dtype', 1)), sizes ?? unknownShape(context.shape(1)?.[0]));
}

export const quantizationRules: InferenceRules = {
  QuantizeLinear: inferQuantize,
  DequantizeLinear: inferDequantize,
  DynamicQuantizeLinear: inferDynamicQuantize,
  'com.microsoft:QuantizeLinear': inferQuantize,
  'com.microsoft:DequantizeLinear': inferDequantize,
  'com.microsoft:DequantizeWithOrder': (context) =>
    // Fewer axes than two are laid out as a matrix.
    context.setTensor(
      0,
      dataTypeOfCode(context.int('to', 0)),
      (context.rank(0) ?? 0) < 2 ? undefined : context.shape(0),
    ),
  'com.microsoft:QuantizeBFP': inferQuantizeBlocks,
  'com.microsoft:DequantizeBFP': inferDequantizeBlocks,
};
