import { dataTypeOfCode } from '../../data_type.js';
import { type Dim, provablyDifferent } from '../../dim.js';
import { formatShape, type Shape } from '../../value_type.js';
import { agreedShape } from './agreed_shape.js';
import { normalAxis } from './axes.js';
import type { InferenceContext, InferenceRule, InferenceRules } from './context.js';
import { sameAsInput } from './elementwise.js';

/** [N, C, …] as it is; where the channels are not known, as many as the vectors of one element a channel have. */
function perChannel(context: InferenceContext, vectors: Shape | undefined): Shape | undefined | 'conflict' {
  const x = context.shape(0);
  const channels = vectors?.length === 1 ? vectors[0] : undefined;
  // A tensor of rank 1 counts as one of one channel.
  if (x === undefined || x.length < 2) return x;
  if (provablyDifferent(x[1], channels)) {
    context.fail('infer/channels', `${formatShape(x)} does not have ${formatShape(vectors)} channels`);
    return 'conflict';
  }
  return x.with(1, x[1] ?? channels);
}

/**
 * Y, and in training the statistics: mean and variance, before opset 14 the saved ones as well, in the shape of the
 * inputs. Before opset 9 with spatial = 0 these are not vectors, but have the axes of X without the batch.
 */
function inferBatchNormalization(context: InferenceContext): void {
  const dtype = context.dtype(0);
  const statisticsType = context.opset < 14 ? dtype : context.dtype(3);
  const isPerChannel = context.opset >= 9 || context.int('spatial', 1) !== 0;
  context.setTensor(0, dtype);
  for (let index = 1; index < context.outputCount; index += 1) context.setTensor(index, statisticsType);
  const given = agreedShape([1, 2, 3, 4].map((index) => context.shape(index)));
  if (given === 'conflict' || (isPerChannel && given !== undefined && given.length !== 1)) {
    context.fail('infer/channels', `scale, bias, mean and variance are not the same vectors of one element a channel`);
    return;
  }
  const shape = isPerChannel ? perChannel(context, given) : context.shape(0);
  if (shape === 'conflict') return;
  context.setTensor(0, dtype, shape);
  const channels: Dim | undefined = shape?.[1];
  const statistics = isPerChannel ? [given?.[0] ?? channels] : given;
  for (let index = 1; index < context.outputCount; index += 1) context.setTensor(index, statisticsType, statistics);
}

/** [N, C, …] with vectors of one element a channel */
const channelwise: InferenceRule = (context) => {
  context.setTensor(0, context.dtype(0));
  const vectors = agreedShape([context.shape(1), context.shape(2)]);
  if (vectors === 'conflict') context.fail('infer/channels', 'scale and bias are not the same vectors');
  else {
    const shape = perChannel(context, vectors);
    if (shape !== 'conflict') context.setTensor(0, context.dtype(0), shape);
  }
};

/** Normalization along the axes from one on, of whose statistics the rest is left over, each axis as 1. */
function alongAxes(statistics: readonly number[], typeFrom: number): InferenceRule {
  return (context) => {
    const shape = context.shape(0);
    const dtype = context.dtype(typeFrom);
    const stash = dataTypeOfCode(context.int('stash_type', 1));
    context.setTensor(0, dtype);
    for (const index of statistics) context.setTensor(index, stash);
    const given = context.int('axis', -1);
    const axis = shape && normalAxis(given, shape.length);
    if (shape !== undefined && axis === undefined) {
      context.fail('infer/axis', `axis ${given} of ${formatShape(shape)}`);
      return;
    }
    context.setTensor(0, dtype, shape);
    const reduced = axis === undefined ? undefined : shape?.map((size, each) => (each < axis ? size : 1));
    for (const index of statistics) context.setTensor(index, stash, reduced);
  };
}

const alongOneAxis: InferenceRule = (context) => {
  const rank = context.rank(0);
  const axis = context.int('axis', -1);
  if (rank === undefined || normalAxis(axis, rank) !== undefined) sameAsInput(context);
  else {
    context.setTensor(0, context.dtype(0));
    context.fail('infer/axis', `axis ${axis} of a tensor of rank ${rank}`);
  }
};

const simplified = alongAxes([1], 1);

export const normalizationRules: InferenceRules = {
  BatchNormalization: inferBatchNormalization,
  InstanceNormalization: channelwise,
  // Its scale and bias have one element a group before opset 21, one a channel since.
  GroupNormalization: sameAsInput,
  LayerNormalization: alongAxes([1, 2], 0),
  RMSNormalization: alongAxes([], 1),
  LRN: sameAsInput,
  LpNormalization: alongOneAxis,
  MeanVarianceNormalization: sameAsInput,
  // ONNX Runtime registers it in the default domain, without a version of the standard.
  SimplifiedLayerNormalization: simplified,
  'com.microsoft:SimplifiedLayerNormalization': simplified,
};
