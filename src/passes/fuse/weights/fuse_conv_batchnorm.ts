// BatchNormalization(Conv(x, W, b)) => Conv(x, W·f, (b − mean)·f + B), f = scale / √(variance + epsilon) per channel
// Needs: inference mode, constant weights and statistics, float32, and a convolution that nothing else reads.
import { getFloat, getInt } from '../../../ir/attribute.js';
import { type Node, opsetVersion } from '../../../ir/graph.js';
import { any, type Constant, constant, op, optional } from '../../rewrite/pattern.js';
import { defineRewrite } from '../../rewrite/rewrite.js';
import {
  type ChannelAffine,
  type ConstantConv,
  floats,
  foldedConv,
  foldingObstacle,
  outputChannels,
} from './conv_weights.js';

type Match = ConstantConv & {
  batchnorm: Node;
  scale: Constant;
  offset: Constant;
  mean: Constant;
  variance: Constant;
};

export const fuseConvBatchnorm = defineRewrite<Match>({
  name: 'fuse-conv-batchnorm',
  summary: 'BatchNormalization(Conv(x, W, b)) => Conv(x, W·f, (b − mean)·f + B)',
  licence: 'reassociates',
  pattern: op('batchnorm', 'BatchNormalization', [
    op('conv', ['Conv', 'ConvTranspose'], [any('x'), constant('weight'), optional('bias', constant('bias'))]),
    constant('scale'),
    constant('offset'),
    constant('mean'),
    constant('variance'),
  ]),
  check(match, context) {
    const obstacle = foldingObstacle(match, context) ?? trainingReason(match.batchnorm);
    if (obstacle !== undefined) return obstacle;
    const channels = outputChannels(match);
    for (const { tensor } of [match.scale, match.offset, match.mean, match.variance]) {
      if (tensor.dtype !== 'float') return 'weights are not float32';
      if (tensor.dims.length !== 1 || tensor.dims[0] !== channels) return 'not one value per output channel';
    }
    const { factor, shift } = affineOf(match);
    return [...factor, ...shift].every(Number.isFinite) ? undefined : 'the statistics give no finite factor';
  },
  rewrite: (match, build) => [foldedConv(match, affineOf(match), build)],
});

function trainingReason(node: Node): string | undefined {
  const opset = opsetVersion(node.graph, node.domain) ?? 1;
  if (node.outputs.slice(1).some((output) => output !== null)) return 'it updates its statistics';
  if (opset >= 14 && getInt(node, 'training_mode', 0) !== 0) return 'it is in training mode';
  if (opset < 7 && getInt(node, 'is_test', 0) === 0) return 'it is in training mode';
  return opset < 9 && getInt(node, 'spatial', 1) === 0 ? 'its statistics are per element' : undefined;
}

function affineOf(match: Match): ChannelAffine {
  const epsilon = getFloat(match.batchnorm, 'epsilon', 1e-5);
  const [scale, offset, mean, variance] = [match.scale, match.offset, match.mean, match.variance].map(floats);
  const factor = scale!.map((value, channel) => value / Math.sqrt(variance![channel]! + epsilon));
  const shift = factor.map((f, channel) => offset![channel]! - mean![channel]! * f);
  return { factor, shift };
}
