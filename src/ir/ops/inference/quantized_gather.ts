import { asDim, mul } from '../../dim.js';
import { formatShape } from '../../value_type.js';
import { normalAxis } from './axes.js';
import type { InferenceContext, InferenceRules } from './context.js';

/** ONNX Runtime's Gather from data quantized in blocks, in com.microsoft. */
export const quantizedGatherRules: InferenceRules = {
  'com.microsoft:GatherBlockQuantized': inferQuantizedGather,
};

/**
 * The gathered axis is replaced by the axes of the indices; the result has the type of the scales. Data in bytes hold
 * 8 / bits elements each along the last axis, which come out beside each other.
 */
function inferQuantizedGather(context: InferenceContext): void {
  const dtype = context.dtype(2);
  const data = context.shape(0);
  const indices = context.shape(1);
  context.setTensor(0, dtype);
  if (data === undefined) return;
  const given = context.int('gather_axis', 0);
  const axis = normalAxis(given, data.length);
  if (axis === undefined) {
    context.fail('infer/axis', `axis ${given} of ${formatShape(data)}`);
    return;
  }
  const packed = elementsInOne(context);
  const isLast = axis === data.length - 1;
  if (indices === undefined || packed === undefined || (isLast && packed !== 1)) return;
  const unpacked = packed === 1 ? data : data.with(-1, asDim(mul(data.at(-1), packed)));
  context.setTensor(0, dtype, [...unpacked.slice(0, axis), ...indices, ...unpacked.slice(axis + 1)]);
}

/** How many elements a stored one holds; the 4-bit types are stored one by one, whatever their bytes are. */
function elementsInOne(context: InferenceContext): number | undefined {
  const dtype = context.dtype(0);
  if (dtype === undefined) return undefined;
  const bits = dtype === 'uint8' ? context.int('bits', 4) : 8;
  return [2, 4, 8].includes(bits) ? 8 / bits : undefined;
}
