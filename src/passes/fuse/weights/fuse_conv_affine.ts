// Conv(x, W, b) + c, − c, · c or / c, or c − Conv(x, W, b), c one number or one per channel => Conv with c in its weights
// Needs: constant weights and c, c broadcast along the channel axis only, a convolution nothing else reads.
import { any, constant, op, optional } from '../../rewrite/pattern.js';
import { defineRewrite } from '../../rewrite/rewrite.js';
import { type AffineBehind, affineBehind } from './affine_behind.js';
import { alignsLastAxes } from './channel_operand.js';

const layer = op(
  'layer',
  ['Conv', 'ConvTranspose'],
  [any('x'), constant('weight'), optional('bias', constant('bias'))],
);
const operand = constant('operand');

export const fuseConvAffine = defineRewrite<AffineBehind>({
  ...affineBehind(false),
  name: 'fuse-conv-affine',
  pattern: op('root', ['Add', 'Sub', 'Mul', 'Div'], [layer, operand], alignsLastAxes),
});

/** The same with the constant on the left. */
export const fuseAffineConv = defineRewrite<AffineBehind>({
  ...affineBehind(true),
  name: 'fuse-affine-conv',
  pattern: op('root', ['Add', 'Sub', 'Mul'], [operand, layer], alignsLastAxes),
});
