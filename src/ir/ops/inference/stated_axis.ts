import { formatShape } from '../../value_type.js';
import type { InferenceRule } from './context.js';

/**
 * A rule for operators whose shape does not depend on their axis, but which need it to be there. The end of the shape
 * counts as an axis, as it does for those that split the shape in two; where none is stated, nothing is checked.
 */
export const withStatedAxis =
  (rule: InferenceRule): InferenceRule =>
  (context) => {
    const shape = context.shape(0);
    const axis = context.int('axis', undefined);
    if (shape === undefined || axis === undefined || (axis <= shape.length && axis >= -shape.length)) {
      rule(context);
      return;
    }
    context.setTensor(0, context.dtype(0));
    context.fail('infer/axis', `axis ${axis} of ${formatShape(shape)}`);
  };
