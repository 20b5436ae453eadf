import type { Int8Plan } from './quantize_int8.js';
import { type Layer, layerAlone, layersOf } from './sensitivity_layers.js';
import type { Accuracy, AccuracyProbe } from './sensitivity_probe.js';

/** A layer and what it does to the answers when it alone runs on 8 bits. */
export type LayerSensitivity = Layer & { readonly accuracy: Accuracy };

/**
 * Measures a model a layer, each with that layer alone on 8 bits; on the first samples where `first` says how many, and
 * without the metric then.
 * @returns layers in topological order.
 */
export async function measureLayers(plan: Int8Plan, probe: AccuracyProbe, first?: number): Promise<LayerSensitivity[]> {
  const { onProgress } = plan;
  const layers = layersOf(plan.model, plan.placement, plan.scheme);
  onProgress?.stage?.('measuring layers');
  const measured: LayerSensitivity[] = [];
  for (const [index, layer] of layers.entries()) {
    measured.push({ ...layer, accuracy: await probe.measure(await layerAlone(plan, index), first) });
    onProgress?.sample?.(index + 1, layers.length);
  }
  return measured;
}

/** The layer that does most harm first; of equal ones, the earlier. */
export const rankLayers = (layers: readonly LayerSensitivity[]): LayerSensitivity[] =>
  layers.toSorted((a, b) => compare(a.accuracy.sqnr, b.accuracy.sqnr));

// Both may be infinite, and then their difference is no number.
const compare = (a: number, b: number): number => (a === b ? 0 : a < b ? -1 : 1);
