// Conv(x + c, W, b), of − c, · c and / c alike, c one number or one per channel => Conv(x, W', b')
// Conv(BatchNormalization(x), W, b) => Conv(x, W', b')
// The same before ConvTranspose, Gemm and MatMul.
// Needs: constant weights and c; c that leaves the shape of x alone; where something is added, a Conv without padding,
// whose zeros would stay zeros, or Gemm.
import { getInt, getInts, getString } from '../../../ir/attribute.js';
import type { Node, Value } from '../../../ir/graph.js';
import { any, type Constant, constant, op, optional } from '../../rewrite/pattern.js';
import { type CheckContext, defineRewrite, type Rewrite } from '../../rewrite/rewrite.js';
import { batchnormAffine, batchnormObstacle, type ConstantBatchnorm, statistics } from './batchnorm_statistics.js';
import { alignsLastAxes, allFinite, inputObstacle, operandAffine, typeObstacle } from './channel_operand.js';
import {
  type ChannelAffine,
  foldedLayer,
  foldingObstacle,
  isReadElsewhere,
  roundingObstacle,
  type WeightedLayer,
  weightLayout,
} from './weighted_layer.js';

type Match = WeightedLayer & { affine: Node; operand: Constant };

const layers = ['Conv', 'ConvTranspose', 'Gemm', 'MatMul'];
const weights = [constant('weight'), optional('bias', constant('bias'))] as const;
const operand = constant('operand');

const beforeLayer = (left: boolean): Omit<Rewrite<Match>, 'name' | 'pattern'> => ({
  summary: 'a layer of x +, −, · or / a constant per channel => the layer',
  licence: 'reassociates',
  check(match, context) {
    if (isReadElsewhere({ layer: match.affine })) return 'the input of the layer is read elsewhere';
    const obstacle = foldingObstacle(match, context) ?? typeObstacle(match, match.operand) ?? transposedObstacle(match);
    if (obstacle !== undefined) return obstacle;
    const { inputs } = weightLayout(match)!;
    return (
      inputObstacle(match, match.x, match.operand.tensor, inputs, context.inference) ??
      affineObstacle(match, operandAffine(match.affine, match.operand, inputs, left))
    );
  },
  rewrite(match, build) {
    const before = operandAffine(match.affine, match.operand, weightLayout(match)!.inputs, left);
    return [foldedLayer(match, { before }, build)];
  },
});

export const fuseAffineIntoLayer = defineRewrite<Match>({
  ...beforeLayer(false),
  name: 'fuse-affine-into-layer',
  pattern: op('layer', layers, [
    op('affine', ['Add', 'Sub', 'Mul', 'Div'], [any('x'), operand], alignsLastAxes),
    ...weights,
  ]),
});

/** The same with the constant on the left. */
export const fuseLeftAffineIntoLayer = defineRewrite<Match>({
  ...beforeLayer(true),
  name: 'fuse-left-affine-into-layer',
  pattern: op('layer', layers, [op('affine', ['Add', 'Sub', 'Mul'], [operand, any('x')], alignsLastAxes), ...weights]),
});

export const fuseBatchnormIntoLayer = defineRewrite<WeightedLayer & ConstantBatchnorm>({
  name: 'fuse-batchnorm-into-layer',
  summary: 'a layer of BatchNormalization(x) => the layer',
  licence: 'reassociates',
  pattern: op(
    'layer',
    ['Conv', 'ConvTranspose', 'Gemm'],
    [op('batchnorm', 'BatchNormalization', [any('x'), ...statistics]), ...weights],
  ),
  check(match, context: CheckContext) {
    if (isReadElsewhere({ layer: match.batchnorm })) return 'the input of the layer is read elsewhere';
    return (
      foldingObstacle(match, context) ??
      transposedObstacle(match) ??
      batchnormObstacle(match, weightLayout(match)!.inputs) ??
      rankObstacle(match.x, match, context) ??
      affineObstacle(match, batchnormAffine(match))
    );
  },
  rewrite: (match, build) => [foldedLayer(match, { before: batchnormAffine(match) }, build)],
});

/** With transA the channels of the input are along its first axis. */
const transposedObstacle = ({ layer }: WeightedLayer): string | undefined =>
  layer.opType === 'Gemm' && getInt(layer, 'transA', 0) !== 0 ? 'the input is transposed' : undefined;

/** BatchNormalization normalizes along axis 1, which is Gemm's last one where the input is a matrix. */
function rankObstacle(x: Value, { layer }: WeightedLayer, { inference }: CheckContext): string | undefined {
  if (layer.opType !== 'Gemm' || inference.shapeOf(x)?.length === 2) return undefined;
  return 'the rank of its input is not known';
}

function affineObstacle(match: WeightedLayer, before: ChannelAffine): string | undefined {
  if (!allFinite(before)) return 'the constant gives no finite factor';
  const shifts = before.shift.some((value) => value !== 0);
  if (shifts && !canShift(match)) {
    return match.layer.opType === 'MatMul' ? 'the layer has no bias' : 'padding would stay 0';
  }
  return roundingObstacle(match, { before });
}

/** Whether every output reads the whole kernel, and there is a bias. */
function canShift({ layer, weight }: WeightedLayer): boolean {
  if (layer.opType === 'Gemm') return true;
  if (layer.opType !== 'Conv') return false;
  const kernel = weight.tensor.dims.slice(2);
  switch (getString(layer, 'auto_pad', 'NOTSET')) {
    case 'NOTSET':
      return getInts(layer, 'pads', []).every((pad) => pad === 0);
    case 'VALID':
      return true;
    default:
      return kernel.every((size) => size === 1);
  }
}
