// BatchNormalization(Gemm(x, W, b)), or of a MatMul of matrices => Gemm(x, W·f, (b − mean)·f + B), f = scale / √(variance + epsilon)
// Needs: inference mode, constant weights and statistics, a product that nothing else reads.

import { offerObstacle } from '../../rewrite/offers.js';
import { any, constant, op, optional } from '../../rewrite/pattern.js';
import { defineRewrite, type ReplacementBuilder } from '../../rewrite/rewrite.js';
import { batchnormAffine, batchnormObstacle, type ConstantBatchnorm, statistics } from './batchnorm_statistics.js';
import {
  foldedLayer,
  foldingObstacle,
  isReadElsewhere,
  roundingObstacle,
  type WeightedLayer,
  weightLayout,
} from './weighted_layer.js';

type Match = WeightedLayer & ConstantBatchnorm;

export const fuseGemmBatchnorm = defineRewrite<Match>({
  name: 'fuse-gemm-batchnorm',
  summary: 'BatchNormalization(Gemm(x, W, b)) => Gemm(x, W·f, (b − mean)·f + B)',
  licence: 'reassociates',
  pattern: op('batchnorm', 'BatchNormalization', [
    op('layer', ['Gemm', 'MatMul'], [any('x'), constant('weight'), optional('bias', constant('bias'))]),
    ...statistics,
  ]),
  check(match, context, root) {
    if (isReadElsewhere(match)) return 'the result of the product is read elsewhere';
    if (match.layer.opType === 'MatMul') {
      if (context.inference.shapeOf(match.x)?.length !== 2) return 'its input is not known to be a matrix';
      const offer = offerObstacle(root, { opType: 'Gemm', since: 7, of: match.x }, context);
      if (offer !== undefined) return offer;
    }
    return (
      foldingObstacle(match, context) ??
      batchnormObstacle(match, weightLayout(match)!.outputs) ??
      roundingObstacle(match, { after: batchnormAffine(match) })
    );
  },
  rewrite: (match, build: ReplacementBuilder) => [foldedLayer(match, { after: batchnormAffine(match) }, build, 'Gemm')],
});
