import type { Model } from '../ir/graph.js';
import { Inference } from '../ir/ops/inference/inference.js';
import { convertOpset, opsetObstacles } from '../passes/legalize/convert_opset.js';
import type { PipelineStep } from '../passes/pipeline.js';
import { spelledInFloatsPipeline, standardPipeline } from '../passes/pipelines.js';
import { adaptPairs } from '../passes/quantize/adapt_pairs.js';
import { type Placement, placeQuantization } from '../passes/quantize/placement.js';
import type { PlacementOptions } from '../passes/quantize/selection.js';
import type { QuantizationScheme } from '../passes/target_profile.js';

/** The opset in which QuantizeLinear got an axis. */
const perChannelOpset = 13;

const canRaiseOpset = (model: Model): boolean =>
  (model.opsetImports.get('') ?? perChannelOpset) < perChannelOpset &&
  opsetObstacles(model, perChannelOpset).length === 0;

/** Brings a simplified model to the form that 8 bits are placed in: an opset with scales per channel where it can be. */
export async function prepareInt8(
  model: Model,
  scheme: QuantizationScheme,
  run: (steps: readonly PipelineStep[]) => Promise<void>,
): Promise<void> {
  if (canRaiseOpset(model)) {
    const raise = convertOpset(perChannelOpset);
    await run([{ pass: raise, reason: 'scales per channel need it' }, ...standardPipeline]);
  }
  await run([
    ...spelledInFloatsPipeline,
    { pass: adaptPairs(scheme), reason: 'pairs that the model brought along stay' },
  ]);
}

/** Where 8 bits go in a model that is prepared. */
export const placeInt8 = (model: Model, scheme: QuantizationScheme, options?: PlacementOptions): Placement =>
  placeQuantization(model.graph, new Inference(model), scheme, options);
