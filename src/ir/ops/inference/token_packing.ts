import { add, asDim, type Dim } from '../../dim.js';
import { formatShape } from '../../value_type.js';
import type { InferenceContext, InferenceRules } from './context.js';
import { headCount } from './heads.js';

/** What ONNX Runtime's attention on sequences of several lengths is surrounded by, in com.microsoft. */
export const tokenPackingRules: InferenceRules = {
  'com.microsoft:RemovePadding': inferRemovePadding,
  'com.microsoft:RestorePadding': inferRestorePadding,
  'com.microsoft:RelativePositionBias': inferPositionBias,
  'com.microsoft:GatedRelativePositionBias': inferGatedPositionBias,
};

/** [batch, length, hidden] => [tokens, hidden], where each token was [batch, length], the sums of the lengths, the longest */
function inferRemovePadding(context: InferenceContext): void {
  const x = context.shape(0);
  const dtype = context.dtype(0);
  context.setTensor(0, dtype);
  for (const index of [1, 2, 3]) context.setTensor(index, 'int32');
  if (x !== undefined && x.length !== 3) {
    context.fail('infer/rank', `RemovePadding takes three axes, not ${formatShape(x)}`);
    return;
  }
  context.setTensor(0, dtype, [undefined, x?.[2]]);
  context.setTensor(1, 'int32', [x?.[0], x?.[1]]);
  context.setTensor(2, 'int32', [asDim(add(x?.[0], 1))]);
  context.setTensor(3, 'int32', [1]);
}

/** [tokens, hidden] and where each was [batch, length] => [batch, length, hidden] */
function inferRestorePadding(context: InferenceContext): void {
  const shapes = [context.shape(0), context.shape(1)];
  context.setTensor(0, context.dtype(0));
  if (shapes.some((shape) => shape !== undefined && shape.length !== 2)) {
    context.fail('infer/rank', `RestorePadding takes two axes each, not ${shapes.map(formatShape).join(' and ')}`);
    return;
  }
  const [tokens, places] = shapes;
  context.setTensor(0, context.dtype(0), [places?.[0], places?.[1], tokens?.[1]]);
}

/** A table [buckets, heads] and two lengths => [1, heads, queries, keys] */
function inferPositionBias(context: InferenceContext): void {
  const table = context.shape(0);
  const length = (index: number): Dim | undefined => asDim(context.content(index)?.elements[0]);
  const heads = table?.length === 2 ? table[1] : undefined;
  context.setTensor(0, context.dtype(0), [1, heads, length(1), length(2)]);
}

/** Queries [batch, length, hidden] => [batch, heads, length, length]; of packed tokens nothing is known. */
function inferGatedPositionBias(context: InferenceContext): void {
  const query = context.shape(0);
  const heads = headCount(context);
  context.setTensor(0, context.dtype(0));
  if (heads === 'conflict') context.fail('infer/heads', 'there is less than one head');
  else if (query?.length === 3) context.setTensor(0, context.dtype(0), [query[0], heads, query[1], query[1]]);
}
