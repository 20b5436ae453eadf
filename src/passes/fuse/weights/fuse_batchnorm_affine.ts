// BatchNormalization(x) + c, − c, · c or / c, or c − BatchNormalization(x) => BatchNormalization with c in scale and offset
// Needs: inference mode, constant scale, offset and c, c one number or one per channel, a result nothing else reads.
import type { Node, Value } from '../../../ir/graph.js';
import { isFloatType, isInRange, isNormal, numbersOf, numbersTensor } from '../../rewrite/float_numbers.js';
import { any, type Constant, constant, op } from '../../rewrite/pattern.js';
import { defineRewrite, type Rewrite } from '../../rewrite/rewrite.js';
import { trainingReason } from './batchnorm_statistics.js';
import { alignsLastAxes, allFinite, isPerChannel, operandAffine } from './channel_operand.js';

type Match = {
  readonly root: Node;
  readonly batchnorm: Node;
  readonly x: Value;
  readonly scale: Constant;
  readonly offset: Constant;
  readonly mean: Value;
  readonly variance: Value;
  readonly operand: Constant;
};

const batchnorm = op('batchnorm', 'BatchNormalization', [
  any('x'),
  constant('scale'),
  constant('offset'),
  any('mean'),
  any('variance'),
]);
const operand = constant('operand');

const afterBatchnorm = (left: boolean): Omit<Rewrite<Match>, 'name' | 'pattern'> => ({
  summary: 'BatchNormalization(x) +, −, · or / a constant per channel => BatchNormalization',
  licence: 'reassociates',
  check(match, { inference }) {
    const training = trainingReason(match.batchnorm);
    if (training !== undefined) return training;
    const [scale, offset, constantOperand] = [match.scale.tensor, match.offset.tensor, match.operand.tensor];
    const { dtype } = scale;
    if (!isFloatType(dtype) || offset.dtype !== dtype || constantOperand.dtype !== dtype) {
      return 'scale, offset and the constant are not of one floating-point type';
    }
    const rank = inference.shapeOf(match.x)?.length;
    if (rank === undefined || rank < 2) return 'the rank of its input is not known';
    const [channels = 0] = scale.dims;
    if (scale.dims.length !== 1 || offset.dims.length !== 1 || offset.dims[0] !== channels) {
      return 'not one value per channel';
    }
    if (!isPerChannel(constantOperand, rank, rank - 1, channels)) {
      return 'the constant is not one number, or one per channel';
    }
    if (!allFinite(operandAffine(match.root, match.operand, channels, left))) {
      return 'the constant gives no finite factor';
    }
    const numbers = folded(match, left);
    if (![...numbers.scale, ...numbers.offset].every((value) => isInRange(dtype, value))) {
      return `scale or offset leaves the range of ${dtype}`;
    }
    const given = numbersOf(scale);
    const sinks = numbers.scale.some(
      (value, at) => value !== 0 && !isNormal(dtype, value) && isNormal(dtype, given[at]!),
    );
    return sinks ? `a scale becomes too small for ${dtype}` : undefined;
  },
  rewrite(match, build) {
    const { scale, offset, x, mean, variance } = match;
    const { dtype, dims } = scale.tensor;
    if (!isFloatType(dtype)) return [null];
    const numbers = folded(match, left);
    const inputs = [
      x,
      build.constant(numbersTensor(dtype, numbers.scale, dims), scale.value.name),
      build.constant(numbersTensor(dtype, numbers.offset, dims), offset.value.name),
      mean,
      variance,
    ];
    const attributes = [...match.batchnorm.attributes.values()];
    return [build.op('BatchNormalization', inputs, { attributes, name: match.batchnorm.name })];
  },
});

export const fuseBatchnormAffine = defineRewrite<Match>({
  ...afterBatchnorm(false),
  name: 'fuse-batchnorm-affine',
  pattern: op('root', ['Add', 'Sub', 'Mul', 'Div'], [batchnorm, operand], alignsLastAxes),
});

/** The same with the constant on the left. */
export const fuseAffineBatchnorm = defineRewrite<Match>({
  ...afterBatchnorm(true),
  name: 'fuse-affine-batchnorm',
  pattern: op('root', ['Add', 'Sub', 'Mul'], [operand, batchnorm], alignsLastAxes),
});

function folded(match: Match, left: boolean): { scale: Float64Array; offset: Float64Array } {
  const [scale, offset] = [numbersOf(match.scale.tensor), numbersOf(match.offset.tensor)];
  const { factor, shift } = operandAffine(match.root, match.operand, scale.length, left);
  return {
    scale: Float64Array.from(factor, (f, channel) => f * scale[channel]!),
    offset: Float64Array.from(factor, (f, channel) => f * offset[channel]! + shift[channel]!),
  };
}
