import { getFloat, getInt } from '../../../ir/attribute.js';
import { type Node, opsetVersion } from '../../../ir/graph.js';
import { isFloatType, numbersOf } from '../../rewrite/float_numbers.js';
import { type Constant, constant } from '../../rewrite/pattern.js';
import type { ChannelAffine } from './weighted_layer.js';

/** BatchNormalization with constant statistics, as patterns capture it. */
export type ConstantBatchnorm = {
  readonly batchnorm: Node;
  readonly scale: Constant;
  readonly offset: Constant;
  readonly mean: Constant;
  readonly variance: Constant;
};

/** Patterns of its inputs behind the data. */
export const statistics = [constant('scale'), constant('offset'), constant('mean'), constant('variance')] as const;

/** Why it is not a factor and a shift for each of `channels` channels, or undefined. */
export function batchnormObstacle(match: ConstantBatchnorm, channels: number): string | undefined {
  const training = trainingReason(match.batchnorm);
  if (training !== undefined) return training;
  for (const { tensor } of [match.scale, match.offset, match.mean, match.variance]) {
    if (!isFloatType(tensor.dtype)) return 'its statistics are not floating-point numbers';
    if (tensor.dims.length !== 1 || tensor.dims[0] !== channels) return 'not one value per channel';
  }
  const { factor, shift } = batchnormAffine(match);
  return [...factor, ...shift].every(Number.isFinite) ? undefined : 'the statistics give no finite factor';
}

export function trainingReason(node: Node): string | undefined {
  const opset = opsetVersion(node.graph, node.domain) ?? 1;
  if (node.outputs.slice(1).some((output) => output !== null)) return 'it updates its statistics';
  if (opset >= 14 && getInt(node, 'training_mode', 0) !== 0) return 'it is in training mode';
  if (opset < 7 && getInt(node, 'is_test', 0) === 0) return 'it is in training mode';
  return opset < 9 && getInt(node, 'spatial', 1) === 0 ? 'its statistics are per element' : undefined;
}

/** (x − mean) · f + offset, f = scale / √(variance + epsilon) */
export function batchnormAffine(match: ConstantBatchnorm): ChannelAffine {
  const epsilon = getFloat(match.batchnorm, 'epsilon', Math.fround(1e-5));
  const [scale, offset, mean, variance] = [match.scale, match.offset, match.mean, match.variance].map(({ tensor }) =>
    numbersOf(tensor),
  );
  const factor = Array.from(scale!, (value, channel) => value / Math.sqrt(variance![channel]! + epsilon));
  const shift = factor.map((f, channel) => offset![channel]! - mean![channel]! * f);
  return { factor, shift };
}
