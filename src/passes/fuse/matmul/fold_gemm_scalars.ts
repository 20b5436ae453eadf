// alpha · A·B + beta · C => A·B' + C'
// Needs: constant B and C, in floating point.
import { getFloat } from '../../../ir/attribute.js';
import { any, constant, op, optional } from '../../rewrite/pattern.js';
import { defineRewrite } from '../../rewrite/rewrite.js';
import { foldedLayer, foldingObstacle, roundingObstacle, type WeightedLayer } from '../weights/weighted_layer.js';

export const foldGemmScalars = defineRewrite<WeightedLayer>({
  name: 'fold-gemm-scalars',
  summary: "alpha · A·B + beta · C => A·B' + C'",
  licence: 'reassociates',
  pattern: op('layer', 'Gemm', [any('x'), constant('weight'), optional('bias', constant('bias'))], {
    where: (node) => getFloat(node, 'alpha', 1) !== 1 || getFloat(node, 'beta', 1) !== 1,
  }),
  check: (match, context) => foldingObstacle(match, context) ?? roundingObstacle(match, {}),
  rewrite: (match, build) => [foldedLayer(match, {}, build)],
});
