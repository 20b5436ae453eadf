import type { Dim } from '../../dim.js';
import { formatShape, type Shape } from '../../value_type.js';
import type { InferenceContext, InferenceRules } from './context.js';
import { sameAsInput } from './elementwise.js';
import { agreedSize } from './sizes.js';
import { withStatedAxis } from './stated_axis.js';

/** ONNX Runtime's normalizations with what stands around them, in com.microsoft. */
export const fusedNormalizationRules: InferenceRules = {
  'com.microsoft:SkipLayerNormalization': inferSkipped,
  'com.microsoft:SkipSimplifiedLayerNormalization': inferSkipped,
  'com.microsoft:GroupNorm': sameAsInput,
  'com.microsoft:SkipGroupNorm': inferSkippedGroups,
  'com.microsoft:GatedRMSNorm': sameAsInput,
  'com.microsoft:QOrderedLayerNormalization': withStatedAxis(sameAsInput),
  'com.microsoft:EmbedLayerNormalization': (context) => inferEmbedded(context, context.dtype(2)),
  'com.microsoft:QEmbedLayerNormalization': (context) => inferEmbedded(context, context.dtype(8)),
};

/** The normalized sum, mean and deviation along the last axis, and the sum itself. The second operand may stretch. */
function inferSkipped(context: InferenceContext): void {
  const shape = context.shape(0);
  const dtype = context.dtype(0);
  context.setTensor(0, dtype, shape);
  const statistics = shape && shape.length > 0 ? shape.with(-1, 1) : undefined;
  for (const index of [1, 2]) context.setTensor(index, 'float', statistics);
  context.setTensor(3, dtype, shape);
}

function inferSkippedGroups(context: InferenceContext): void {
  for (const index of [0, 1]) context.setTensor(index, context.dtype(0), context.shape(0));
}

/** Ids [batch, length], words [·, hidden] => [batch, length, hidden], the mask's sums [batch], and the sum before. */
function inferEmbedded(context: InferenceContext, dtype: ReturnType<InferenceContext['dtype']>): void {
  const ids = context.shape(0);
  const isMatrix = (shape: Shape | undefined) => shape === undefined || shape.length === 2;
  context.setTensor(0, dtype);
  context.setTensor(1, 'int32');
  context.setTensor(2, dtype);
  const tables = [context.shape(2), context.shape(3)];
  const hidden: Dim | undefined | 'conflict' = agreedSize(tables.map((shape) => shape?.[1]));
  if (!isMatrix(ids) || !tables.every(isMatrix) || hidden === 'conflict') {
    context.fail(
      'infer/embedding',
      `ids ${formatShape(ids)} and tables ${tables.map(formatShape).join(', ')} do not fit`,
    );
    return;
  }
  const embedded = [ids?.[0], ids?.[1], hidden];
  context.setTensor(0, dtype, embedded);
  context.setTensor(1, 'int32', [ids?.[0]]);
  context.setTensor(2, dtype, embedded);
}
