import { formatShape, type Shape } from '../../value_type.js';
import { agreedShape } from './agreed_shape.js';
import type { InferenceContext, InferenceRules } from './context.js';

/** Scores [N, C, …] and targets [N, …] => a scalar, or with reduction `none` one loss a target. */
function inferLoss(context: InferenceContext): void {
  const dtype = context.dtype(0);
  context.setTensor(0, dtype);
  // Only SoftmaxCrossEntropyLoss gives the logarithms of the probabilities.
  context.setTensor(1, dtype, context.shape(0));
  const scores = context.shape(0);
  const reduction = context.string('reduction', 'mean');
  const targets = agreedShape([context.shape(1), scores?.filter((_, axis) => axis !== 1)]);
  if (targets === 'conflict' || (scores !== undefined && scores.length < 2)) {
    const shapes = `${formatShape(scores)} and targets ${formatShape(context.shape(1))}`;
    context.fail('infer/loss', `scores ${shapes} do not fit each other`);
  } else if (reduction === 'none') context.setTensor(0, dtype, lossesOf(context.shape(1), targets));
  else if (reduction === 'mean' || reduction === 'sum') context.setTensor(0, dtype, []);
  else context.fail('infer/loss', 'reduction is none of none, mean and sum');
}

/** One a target: what the scores say of their sizes counts only where the targets say nothing, as it goes unchecked. */
const lossesOf = (targets: Shape | undefined, agreed: Shape | undefined): Shape | undefined =>
  targets?.map((dim, axis) => dim ?? agreed?.[axis]) ?? agreed;

export const lossRules: InferenceRules = {
  NegativeLogLikelihoodLoss: inferLoss,
  SoftmaxCrossEntropyLoss: inferLoss,
};
