import type { Model } from '../ir/graph.js';
import { Inference } from '../ir/ops/inference/inference.js';
import { convertOpset, opsetObstacles } from '../passes/legalize/convert_opset.js';
import type { PipelineStep } from '../passes/pipeline.js';
import { spelledInFloatsPipeline, standardPipeline } from '../passes/pipelines.js';
import { adaptPairs } from '../passes/quantize/adapt_pairs.js';
import { type Placement, placeQuantization } from '../passes/quantize/placement.js';
import { qdqDomain, qdqOpset } from '../passes/quantize/qdq_opset.js';
import type { PlacementOptions } from '../passes/quantize/selection.js';
import type { QuantizationScheme, TargetProfile } from '../passes/target_profile.js';

const canRaiseOpset = (model: Model, opset: number): boolean =>
  (model.opsetImports.get('') ?? opset) < opset && opsetObstacles(model, opset).length === 0;

/**
 * Brings a simplified model to the form that 8 bits are placed in: an opset that quantizes to the types of the scheme,
 * with a scale per channel, where it can be.
 * @throws DiagnosticError `quantize/opset-too-old`.
 */
export async function prepareInt8(
  model: Model,
  scheme: QuantizationScheme,
  { domains }: TargetProfile,
  run: (steps: readonly PipelineStep[]) => Promise<void>,
  { tensors = [] }: PlacementOptions = {},
): Promise<void> {
  const wanted = qdqOpset(
    scheme,
    tensors.flatMap(({ dtype }) => dtype ?? []),
  );
  if (canRaiseOpset(model, wanted)) {
    const raise = convertOpset(wanted);
    await run([{ pass: raise, reason: 'types and scales per channel need it' }, ...standardPipeline]);
  }
  // Before calibration, which takes its time.
  qdqDomain(model.opsetImports.get('') ?? wanted, wanted, domains);
  await run([
    ...spelledInFloatsPipeline,
    { pass: adaptPairs(scheme), reason: 'pairs that the model brought along stay' },
  ]);
}

/** Where 8 bits go in a model that is prepared. */
export const placeInt8 = (model: Model, scheme: QuantizationScheme, options?: PlacementOptions): Placement =>
  placeQuantization(model.graph, new Inference(model), scheme, options);
