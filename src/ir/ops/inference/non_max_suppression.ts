import { provablyDifferent } from '../../dim.js';
import { formatShape } from '../../value_type.js';
import type { InferenceContext, InferenceRules } from './context.js';

/** Boxes [B, N, 4] and scores [B, classes, N] => [selected, 3]: batch, class and box of each. */
function inferNonMaxSuppression(context: InferenceContext): void {
  const boxes = context.shape(0);
  const scores = context.shape(1);
  context.setTensor(0, 'int64');
  const isRanked = [boxes, scores].every((shape) => shape === undefined || shape.length === 3);
  const isApart = provablyDifferent(boxes?.[0], scores?.[0]) || provablyDifferent(boxes?.[1], scores?.[2]);
  if (!isRanked || isApart || provablyDifferent(boxes?.[2], 4)) {
    context.fail('infer/boxes', `boxes ${formatShape(boxes)} and scores ${formatShape(scores)} do not fit each other`);
    return;
  }
  context.setTensor(0, 'int64', [undefined, 3]);
}

export const nonMaxSuppressionRules: InferenceRules = { NonMaxSuppression: inferNonMaxSuppression };
