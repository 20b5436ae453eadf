// Conv(x, W, b) + c, − c, · c or / c, c one number or one per channel => Conv with c in its weights
// Needs: constant float32 weights and c, c broadcast along the channel axis only, a convolution nothing else reads.
import type { Node } from '../../../ir/graph.js';
import { elementCount, type Tensor } from '../../../ir/tensor.js';
import { any, type Constant, constant, op, optional } from '../../rewrite/pattern.js';
import { defineRewrite, type Rewrite } from '../../rewrite/rewrite.js';
import {
  type ChannelAffine,
  type ConstantConv,
  floats,
  foldedConv,
  foldingObstacle,
  outputChannels,
} from './conv_weights.js';

type Match = ConstantConv & { root: Node; operand: Constant };

const conv = op('conv', ['Conv', 'ConvTranspose'], [any('x'), constant('weight'), optional('bias', constant('bias'))]);
const operand = constant('operand');

const shared: Omit<Rewrite<Match>, 'name' | 'pattern'> = {
  summary: 'Conv(x, W, b) +, −, · or / a constant per channel => Conv',
  licence: 'reassociates',
  check(match, context) {
    const obstacle = foldingObstacle(match, context);
    if (obstacle !== undefined) return obstacle;
    const { tensor } = match.operand;
    if (tensor.dtype !== 'float') return 'the constant is not float32';
    if (!isPerChannel(tensor, match.weight.tensor.dims.length, outputChannels(match)!)) {
      return 'the constant is not one number, or one per channel';
    }
    const { factor, shift } = affineOf(match);
    return [...factor, ...shift].every(Number.isFinite) ? undefined : 'the constant gives no finite factor';
  },
  rewrite: (match, build) => [foldedConv(match, affineOf(match), build)],
};

export const fuseConvAffine = defineRewrite<Match>({
  ...shared,
  name: 'fuse-conv-affine',
  pattern: op('root', ['Add', 'Sub', 'Mul', 'Div'], [conv, operand]),
});

/** The same with the constant on the left, where the order does not matter. */
export const fuseAffineConv = defineRewrite<Match>({
  ...shared,
  name: 'fuse-affine-conv',
  pattern: op('root', ['Add', 'Mul'], [operand, conv]),
});

/** Aligned at the last axis of the result, every axis but the channels' is 1, and none is added in front. */
function isPerChannel({ dims }: Tensor, rank: number, channels: number): boolean {
  if (dims.length > rank) return false;
  const channelAxis = 1 - (rank - dims.length);
  return dims.every((dim, axis) => dim === 1 || (axis === channelAxis && dim === channels)) && elementCount(dims) > 0;
}

function affineOf(match: Match): ChannelAffine {
  const given = floats(match.operand);
  const values = Array.from(
    { length: outputChannels(match)! },
    (_, channel) => given[given.length === 1 ? 0 : channel]!,
  );
  const [none, one] = [values.map(() => 0), values.map(() => 1)];
  switch (match.root.opType) {
    case 'Add':
      return { factor: one, shift: values };
    case 'Sub':
      return { factor: one, shift: values.map((value) => -value) };
    case 'Mul':
      return { factor: values, shift: none };
    default:
      return { factor: values.map((value) => 1 / value), shift: none };
  }
}
