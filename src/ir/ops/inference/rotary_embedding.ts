import { formatShape } from '../../value_type.js';
import type { InferenceContext, InferenceRules } from './context.js';

/** [B, heads, S, size] or [B, S, heads·size], turned by position: the shape stays. */
function rotaryEmbedding(context: InferenceContext): void {
  const shape = context.shape(0);
  const dtype = context.dtype(0);
  context.setTensor(0, dtype);
  if (shape !== undefined && shape.length !== 3 && shape.length !== 4) {
    context.fail('infer/rank', `RotaryEmbedding takes rank 3 or 4, not ${formatShape(shape)}`);
  } else context.setTensor(0, dtype, shape);
}

export const rotaryEmbeddingRules: InferenceRules = { RotaryEmbedding: rotaryEmbedding };
