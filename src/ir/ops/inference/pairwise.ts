import { provablyDifferent } from '../../dim.js';
import { formatShape } from '../../value_type.js';
import type { InferenceContext, InferenceRules } from './context.js';

/** Distances between every row of one and every row of another, and the way through such a table; in com.microsoft. */
export const pairwiseRules: InferenceRules = {
  'com.microsoft:CDist': inferDistances,
  'com.microsoft:DynamicTimeWarping': inferTimeWarping,
};

/** [M, N] and [K, N] => [M, K] */
function inferDistances(context: InferenceContext): void {
  const dtype = context.dtype(0);
  const shapes = [context.shape(0), context.shape(1)];
  const [a, b] = shapes;
  context.setTensor(0, dtype);
  if (shapes.some((shape) => shape !== undefined && shape.length !== 2) || provablyDifferent(a?.[1], b?.[1])) {
    context.fail('infer/rank', `there are no distances between rows of ${shapes.map(formatShape).join(' and ')}`);
  } else context.setTensor(0, dtype, [a?.[0], b?.[0]]);
}

/** [M, N] or [1, M, N] => the rows and the columns that the way of least cost goes through, as many as that has. */
function inferTimeWarping(context: InferenceContext): void {
  const costs = context.shape(0);
  context.setTensor(0, 'int32', [2, undefined]);
  const isTable = costs?.length === 2 || (costs?.length === 3 && !provablyDifferent(costs[0], 1));
  if (costs !== undefined && !isTable) {
    context.fail('infer/rank', `costs ${formatShape(costs)} are neither [M, N] nor [1, M, N]`);
  }
}
