import { joinedScales, movedScales, pairInsideLayer, pairsOnBothBranches } from './fusion_rules.js';
import { halfQuantized, keptFloat, quantizedBias, smallLayer, unfoldedWeight, wrongAxis } from './layer_rules.js';
import type { LintRule } from './lint_rule.js';
import {
  alone,
  badScale,
  dangling,
  differingPair,
  integerOperator,
  scalePerChannel,
  unsigned,
  zeroPoint,
} from './parameter_rules.js';

/** In the order in which they are reported and mended: a form first, then what it says. */
export const lintRules: readonly LintRule[] = [
  integerOperator,
  dangling,
  unfoldedWeight,
  unsigned,
  zeroPoint,
  badScale,
  differingPair,
  alone,
  scalePerChannel,
  wrongAxis,
  quantizedBias,
  smallLayer,
  halfQuantized,
  keptFloat,
  pairInsideLayer,
  pairsOnBothBranches,
  joinedScales,
  movedScales,
];
