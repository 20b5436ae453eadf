// BatchNormalization(Conv(x, W, b)) => Conv(x, W·f, (b − mean)·f + B), f = scale / √(variance + epsilon) per channel
// Needs: inference mode, constant weights and statistics, and a convolution that nothing else reads.
import { any, constant, op, optional } from '../../rewrite/pattern.js';
import { defineRewrite } from '../../rewrite/rewrite.js';
import { batchnormAffine, batchnormObstacle, type ConstantBatchnorm, statistics } from './batchnorm_statistics.js';
import {
  foldedLayer,
  foldingObstacle,
  isReadElsewhere,
  roundingObstacle,
  type WeightedLayer,
  weightLayout,
} from './weighted_layer.js';

export const fuseConvBatchnorm = defineRewrite<WeightedLayer & ConstantBatchnorm>({
  name: 'fuse-conv-batchnorm',
  summary: 'BatchNormalization(Conv(x, W, b)) => Conv(x, W·f, (b − mean)·f + B)',
  licence: 'reassociates',
  pattern: op('batchnorm', 'BatchNormalization', [
    op('layer', ['Conv', 'ConvTranspose'], [any('x'), constant('weight'), optional('bias', constant('bias'))]),
    ...statistics,
  ]),
  check(match, context) {
    if (isReadElsewhere(match)) return 'the result of the convolution is read elsewhere';
    return (
      foldingObstacle(match, context) ??
      batchnormObstacle(match, weightLayout(match)!.outputs) ??
      roundingObstacle(match, { after: batchnormAffine(match) })
    );
  },
  rewrite: (match, build) => [foldedLayer(match, { after: batchnormAffine(match) }, build)],
});
