import { ortRunner } from './backends/ort/run.js';
import { apparentPrecision } from './evaluate/apparent_precision.js';
import { type Check, type CheckOptions, checkModel, halfCandidateOf } from './evaluate/check.js';
import type { tolerances } from './evaluate/tolerance.js';
import type { Model } from './ir/graph.js';
import { loadModel } from './ir/onnx/files.js';

/**
 * Compares two models in ONNX Runtime: names, types and shapes, and every output on samples.
 * What may differ follows from `precision`, or from what the candidate shows.
 * @throws CheckFailedError where they differ by more; DiagnosticError where one cannot be loaded or run.
 */
export async function compareModels(
  reference: string | Model,
  candidate: string | Model,
  options: CheckOptions & { readonly precision?: keyof typeof tolerances } = {},
): Promise<Check> {
  const [original, other] = [reference, candidate].map((each) => (typeof each === 'string' ? loadModel(each) : each));
  const precision = options.precision ?? apparentPrecision(other!);
  return checkModel(original!, other!, precision, ortRunner(), options, halfCandidateOf(original!, other!));
}
