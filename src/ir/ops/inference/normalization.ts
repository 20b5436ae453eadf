import { normalAxis } from './axes.js';
import type { InferenceContext, InferenceRules } from './context.js';
import { sameAsInput } from './elementwise.js';

function inferBatchNormalization(context: InferenceContext): void {
  sameAsInput(context);
  for (let index = 1; index < context.outputCount; index += 1) {
    context.setTensor(index, context.dtype(3) ?? context.dtype(0), context.shape(3));
  }
}

function inferLayerNormalization(context: InferenceContext): void {
  sameAsInput(context);
  const shape = context.shape(0);
  const axis = shape && normalAxis(context.int('axis', -1), shape.length);
  const reduced = axis === undefined ? undefined : shape?.map((dim, index) => (index < axis ? dim : 1));
  const stash = context.int('stash_type', 1) === 1 ? 'float' : undefined;
  for (const index of [1, 2]) context.setTensor(index, stash, reduced);
}

export const normalizationRules: InferenceRules = {
  BatchNormalization: inferBatchNormalization,
  InstanceNormalization: sameAsInput,
  LayerNormalization: inferLayerNormalization,
  GroupNormalization: sameAsInput,
  RMSNormalization: sameAsInput,
  LRN: sameAsInput,
  LpNormalization: sameAsInput,
  MeanVarianceNormalization: sameAsInput,
};
