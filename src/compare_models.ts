import { ortRunner } from './backends/ort/run.js';
import { type Check, type CheckOptions, checkModel } from './evaluate/check.js';
import type { Model } from './ir/graph.js';
import { loadModel } from './ir/onnx/files.js';

/**
 * Compares two models in ONNX Runtime: names, types and shapes, and every output on samples.
 * @param precision what may differ follows from it.
 * @throws CheckFailedError where they differ by more; DiagnosticError where one cannot be loaded or run.
 */
export async function compareModels(
  reference: string | Model,
  candidate: string | Model,
  precision: 'fp32' | 'int8' = 'fp32',
  options: CheckOptions = {},
): Promise<Check> {
  const load = (model: string | Model) => (typeof model === 'string' ? loadModel(model) : model);
  return checkModel(load(reference), load(candidate), precision, ortRunner(), options);
}
