import type { CalibratorChoice } from '../calibrate/calibrators/calibrator.js';
import type { Model } from '../ir/graph.js';
import { selectValues, type TensorSelector } from '../passes/quantize/selection.js';

/** A calibrator for single values. */
export type CalibratorOverride = {
  readonly match: TensorSelector;
  /** Instead of that of the calibration. */
  readonly calibrator?: CalibratorChoice;
};

/**
 * By the names of the values; of several calibrators for one the last counts.
 * @throws DiagnosticError `quantize/override-matches-nothing`.
 */
export function tensorCalibrators(
  { graph }: Model,
  overrides: readonly CalibratorOverride[],
): Map<string, CalibratorChoice> {
  const found = new Map<string, CalibratorChoice>();
  for (const { match, calibrator } of overrides) {
    if (calibrator === undefined) continue;
    for (const { name } of selectValues(graph, match)) found.set(name, calibrator);
  }
  return found;
}
