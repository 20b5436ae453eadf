import type { Node } from '../../../ir/graph.js';
import type { Constant } from '../../rewrite/pattern.js';
import type { CheckContext, Rewrite } from '../../rewrite/rewrite.js';
import {
  allFinite,
  channelAxisFromEnd,
  isPerChannel,
  operandAffine,
  resultRank,
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

/** A layer, and the node behind it that combines its result with a constant. */
export type AffineBehind = WeightedLayer & { root: Node; operand: Constant };

/** What rules share that take a constant scale or shift behind a layer into its weights; `left`: the constant comes first. */
export const affineBehind = (left: boolean): Omit<Rewrite<AffineBehind>, 'name' | 'pattern'> => ({
  summary: 'a layer +, −, · or / a constant per channel => the layer',
  licence: 'reassociates',
  check(match, context) {
    if (isReadElsewhere(match)) return 'the result of the layer is read elsewhere';
    const obstacle = foldingObstacle(match, context) ?? operandObstacle(match, match.operand, context);
    if (obstacle !== undefined) return obstacle;
    const after = operandAffine(match.root, match.operand, weightLayout(match)!.outputs, left);
    return allFinite(after) ? roundingObstacle(match, { after }) : 'the constant gives no finite factor';
  },
  rewrite(match, build) {
    const after = operandAffine(match.root, match.operand, weightLayout(match)!.outputs, left);
    return [foldedLayer(match, { after }, build)];
  },
});

/** Why a constant does not go along the channels of a layer's result, or undefined. */
export function operandObstacle(match: WeightedLayer, part: Constant, { inference }: CheckContext): string | undefined {
  const other = typeObstacle(match, part);
  if (other !== undefined) return other;
  const rank = resultRank(match, inference) ?? 1;
  return isPerChannel(part.tensor, rank, channelAxisFromEnd(match), weightLayout(match)!.outputs)
    ? undefined
    : 'the constant is not one number, or one per channel';
}
