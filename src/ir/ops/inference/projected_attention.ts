import { add, asDim, type Dim } from '../../dim.js';
import { formatShape, type Shape } from '../../value_type.js';
import type { InferenceContext, InferenceRule, InferenceRules } from './context.js';
import { sameAsInput } from './elementwise.js';
import { headCount, headSize } from './heads.js';
import { unknownShape } from './rank.js';
import { agreedSize, attributeSize } from './sizes.js';

/**
 * ONNX Runtime's attention with the projection of its input inside, in com.microsoft: weights [input, hidden] and a bias
 * [hidden] hold those of queries, keys and values beside each other.
 */
export const projectedAttentionRules: InferenceRules = {
  'com.microsoft:Attention': projected(4, 0),
  'com.microsoft:DecoderMaskedSelfAttention': projected(4, 0),
  'com.microsoft:QAttention': projected(8, 2),
  'com.microsoft:PackedAttention': packedProjected,
  'com.microsoft:LongformerAttention': sameAsInput,
  'com.microsoft:QOrderedAttention': quantizedProjected,
  'com.microsoft:QOrderedLongformerAttention': sameAsInput,
  'com.microsoft:DecoderAttention': sameAsInput,
};

/** [batch, length, input] => [batch, length, values] and keys and values [2, batch, heads, total, size] */
function projected(past: number, typeFrom: number): InferenceRule {
  return (context) => {
    const x = context.shape(0);
    const dtype = context.dtype(typeFrom);
    context.setTensor(0, dtype);
    context.setTensor(1, dtype, unknownShape(5));
    const before = context.shape(past);
    const hidden = valueSize(context);
    const isRanked = [x?.length ?? 3, (before?.length ?? 5) - 2].every((rank) => rank === 3);
    const heads = headCount(context);
    if (!isRanked || hidden === 'conflict' || heads === 'conflict') {
      const shapes = [x, context.shape(1), context.shape(2), before].map(formatShape).join(', ');
      context.fail('infer/attention', `input, weights, bias and past ${shapes} do not fit each other`);
      return;
    }
    if (x !== undefined) context.setTensor(0, dtype, [x[0], x[1], hidden]);
    const isShared = context.int('past_present_share_buffer', 0) !== 0;
    if (before !== undefined) {
      context.setTensor(1, dtype, before.with(3, isShared ? undefined : asDim(add(before[3], x?.[1]))));
    } else if (!context.has(past)) {
      const size = context.attributes.has('qkv_hidden_sizes') ? undefined : headSize(hidden, heads);
      context.setTensor(1, dtype, [2, x?.[0], heads, x?.[1], size === 'conflict' ? undefined : size]);
    }
  };
}

/** The third of the hidden sizes that an attribute gives, or a third of what the weights and the bias have in all. */
function valueSize(context: InferenceContext): Dim | undefined | 'conflict' {
  const sizes: readonly number[] = context.ints('qkv_hidden_sizes', []);
  if (sizes.length > 0) {
    const [, , values = -1] = sizes;
    return sizes.length === 3 && values >= 0 ? attributeSize(values) : 'conflict';
  }
  const all = agreedSize([lastOf(context.shape(1), 2), lastOf(context.shape(2), 1)]);
  return all === 'conflict' ? all : headSize(all, 3);
}

const lastOf = (shape: Shape | undefined, rank: number): Dim | undefined =>
  shape?.length === rank ? shape.at(-1) : undefined;

/** [batch, length, input] with weights of the values [input, hidden] and their bias [hidden] => [batch, length, hidden] */
function quantizedProjected(context: InferenceContext): void {
  const x = context.shape(0);
  const dtype = context.dtype(0);
  context.setTensor(0, dtype);
  const hidden = agreedSize([lastOf(context.shape(7), 2), lastOf(context.shape(13), 1)]);
  if ((x !== undefined && x.length !== 3) || hidden === 'conflict') {
    context.fail('infer/attention', `input ${formatShape(x)} and its projection do not fit each other`);
  } else context.setTensor(0, dtype, [x?.[0], x?.[1], hidden]);
}

/** [tokens, input] => [tokens, values] */
function packedProjected(context: InferenceContext): void {
  const x = context.shape(0);
  const dtype = context.dtype(0);
  context.setTensor(0, dtype);
  const hidden = valueSize(context);
  if ((x !== undefined && x.length !== 2) || hidden === 'conflict') {
    context.fail('infer/attention', `input ${formatShape(x)} and its projection do not fit each other`);
  } else context.setTensor(0, dtype, [x?.[0], hidden]);
}
