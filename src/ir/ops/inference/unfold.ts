import { add, asDim, floorDiv, provablyAtLeast, sub } from '../../dim.js';
import { formatShape } from '../../value_type.js';
import { normalAxis } from './axes.js';
import type { InferenceContext, InferenceRules } from './context.js';
import { attributeSize } from './sizes.js';

/** All slices of a size along an axis, on an axis of their own; in com.microsoft. */
export const unfoldRules: InferenceRules = { 'com.microsoft:UnfoldTensor': inferUnfold };

/** […, n, …] => […, floor((n − size) / step) + 1, …, size] */
function inferUnfold(context: InferenceContext): void {
  const dtype = context.dtype(0);
  const shape = context.shape(0);
  context.setTensor(0, dtype);
  const given = context.int('dim', -1);
  const size = context.int('size', undefined);
  const step = context.int('step', 1);
  const axis = shape && normalAxis(given, shape.length);
  const freedom = axis === undefined ? undefined : sub(shape![axis], size);
  const isWrong = step < 1 || (size !== undefined && size < 1) || provablyAtLeast(-1, freedom);
  if (isWrong || (shape !== undefined && axis === undefined)) {
    context.fail(
      'infer/axis',
      `there are no slices of ${size ?? '?'} by ${step} on axis ${given} of ${formatShape(shape)}`,
    );
    return;
  }
  if (shape === undefined || axis === undefined) return;
  const isHuge = attributeSize(step) === undefined || size === undefined || attributeSize(size) === undefined;
  const count = isHuge ? undefined : asDim(add(floorDiv(freedom, step), 1));
  context.setTensor(0, dtype, [...shape.with(axis, count), isHuge ? undefined : size]);
}
