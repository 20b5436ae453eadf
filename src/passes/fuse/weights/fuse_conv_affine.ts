// Conv(x, W, b) + c, − c, · c or / c, or c − Conv(x, W, b), c one number or one per channel => Conv with c in its weights
// Needs: constant weights and c, c broadcast along the channel axis only, a convolution nothing else reads.
import type { Node } from '../../../ir/graph.js';
import { any, type Constant, constant, op, optional } from '../../rewrite/pattern.js';
import { defineRewrite, type Rewrite } from '../../rewrite/rewrite.js';
import {
  alignsLastAxes,
  allFinite,
  channelAxisFromEnd,
  isPerChannel,
  operandAffine,
  typeObstacle,
} from './channel_operand.js';
import {
  foldedLayer,
  foldingObstacle,
  isReadElsewhere,
  roundingObstacle,
  type WeightedLayer,
  weightLayout,
} from './weighted_layer.js';

type Match = WeightedLayer & { root: Node; operand: Constant };

const layer = op(
  'layer',
  ['Conv', 'ConvTranspose'],
  [any('x'), constant('weight'), optional('bias', constant('bias'))],
);
const operand = constant('operand');

const afterConv = (left: boolean): Omit<Rewrite<Match>, 'name' | 'pattern'> => ({
  summary: 'Conv(x, W, b) +, −, · or / a constant per channel => Conv',
  licence: 'reassociates',
  check(match, context) {
    if (isReadElsewhere(match)) return 'the result of the convolution is read elsewhere';
    const obstacle = foldingObstacle(match, context) ?? typeObstacle(match, match.operand);
    if (obstacle !== undefined) return obstacle;
    const { outputs } = weightLayout(match)!;
    if (!isPerChannel(match.operand.tensor, match.weight.tensor.dims.length, channelAxisFromEnd(match), outputs)) {
      return 'the constant is not one number, or one per channel';
    }
    const after = operandAffine(match.root, match.operand, outputs, left);
    return allFinite(after) ? roundingObstacle(match, { after }) : 'the constant gives no finite factor';
  },
  rewrite(match, build) {
    const after = operandAffine(match.root, match.operand, weightLayout(match)!.outputs, left);
    return [foldedLayer(match, { after }, build)];
  },
});

export const fuseConvAffine = defineRewrite<Match>({
  ...afterConv(false),
  name: 'fuse-conv-affine',
  pattern: op('root', ['Add', 'Sub', 'Mul', 'Div'], [layer, operand], alignsLastAxes),
});

/** The same with the constant on the left. */
export const fuseAffineConv = defineRewrite<Match>({
  ...afterConv(true),
  name: 'fuse-affine-conv',
  pattern: op('root', ['Add', 'Sub', 'Mul'], [operand, layer], alignsLastAxes),
});
