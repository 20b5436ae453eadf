import { asDim, type Dim } from '../../dim.js';
import { tensorData } from '../../tensor.js';
import { normalAxes } from './axes.js';
import type { InferenceContext, InferenceRules } from './context.js';

/** Resize since 11: X, roi, scales, sizes. Resize 10 and Upsample 9: X, scales. Upsample before: an attribute. */
function inferResize(context: InferenceContext): void {
  const x = context.shape(0);
  const dtype = context.dtype(0);
  context.setTensor(
    0,
    dtype,
    x?.map(() => undefined),
  );
  if (x === undefined) return;
  const isOld = context.node.opType === 'Upsample' || context.opset < 11;
  const axes = normalAxes(
    context.ints(
      'axes',
      x.map((_, axis) => axis),
    ),
    x.length,
  );
  if (axes === undefined || context.string('keep_aspect_ratio_policy', 'stretch') !== 'stretch') return;
  const sizes = isOld ? undefined : context.content(3)?.elements;
  if (sizes !== undefined && sizes.length === axes.length) {
    const shape: (Dim | undefined)[] = [...x];
    for (const [index, axis] of axes.entries()) shape[axis] = asDim(sizes[index]);
    context.setTensor(0, dtype, shape);
    return;
  }
  const scales = scalesOf(context, isOld ? 1 : 2);
  if (scales === undefined || scales.length !== axes.length) return;
  const shape: (Dim | undefined)[] = [...x];
  for (const [index, axis] of axes.entries()) shape[axis] = scaled(x[axis], scales[index]!);
  context.setTensor(0, dtype, shape);
}

function scalesOf(context: InferenceContext, index: number): readonly number[] | undefined {
  const attribute = context.floats('scales', undefined);
  if (attribute !== undefined) return attribute;
  const tensor = context.constant(index);
  return tensor?.dtype === 'float' && tensor.byteLength <= 64 ? Array.from(tensorData(tensor), Number) : undefined;
}

/** floor(size · scale) */
function scaled(size: Dim | undefined, scale: number): Dim | undefined {
  if (scale === 1) return size;
  return typeof size === 'number' && scale > 0 ? Math.floor(size * scale) : undefined;
}

export const resizeRules: InferenceRules = { Resize: inferResize, Upsample: inferResize };
