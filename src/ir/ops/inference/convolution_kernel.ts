import { type Dim, provablyDifferent } from '../../dim.js';
import { formatShape, type Shape } from '../../value_type.js';
import type { InferenceContext } from './context.js';
import { maxRank } from './rank.js';

/**
 * The sizes of a convolution's kernel, by attribute or as the weights [·, ·, …kernel] have them; undefined where the
 * rank is not known, and reported where the input, the weights and the attribute do not fit each other.
 */
export function kernelOfWeights(
  context: InferenceContext,
  x: Shape | undefined,
  w: Shape | undefined,
): readonly (Dim | undefined)[] | undefined {
  const asked = context.ints('kernel_shape', undefined);
  const rank = x?.length ?? w?.length ?? (asked && asked.length + 2);
  if (rank === undefined || rank > maxRank) return undefined;
  const fits = rank > 2 && [x?.length, w?.length].every((each) => each === undefined || each === rank);
  if (!fits) {
    context.fail('infer/rank', `weights ${formatShape(w)} do not fit ${formatShape(x)}`);
    return undefined;
  }
  const spatial = w?.slice(2) ?? Array.from({ length: rank - 2 }, () => undefined);
  if (asked === undefined) return spatial;
  if (asked.length !== rank - 2 || spatial.some((size, axis) => provablyDifferent(size, asked[axis]))) {
    context.fail('infer/kernel', `kernel_shape [${asked.slice(0, 8)}] does not fit weights ${formatShape(w)}`);
    return undefined;
  }
  return asked;
}
