import type { InferenceContext, InferenceRules } from './context.js';

/** A scalar, or with reduction `none` one loss for each target. */
function inferLoss(context: InferenceContext): void {
  const isOpen = context.string('reduction', 'mean') === 'none';
  context.setTensor(0, context.dtype(0), isOpen ? context.shape(1) : []);
  context.setTensor(1, context.dtype(0), context.shape(0));
}

export const lossRules: InferenceRules = {
  NegativeLogLikelihoodLoss: inferLoss,
  SoftmaxCrossEntropyLoss: inferLoss,
  NonMaxSuppression: (context) => context.setTensor(0, 'int64', [undefined, 3]),
};
