import { ortRunner } from '../backends/ort/run.js';
import { openCalibrationData } from '../calibrate/calibrate.js';
import { observePatches, type PatchStatistics } from '../calibrate/observe_patches.js';
import { observeShifts, type ShiftRequest } from '../calibrate/observe_shifts.js';
import type { SampleSource } from '../calibrate/sources/source.js';
import { DiagnosticError } from '../ir/diagnostic.js';
import { parametersRead, sourceParameters } from '../passes/quantize/activation_ranges.js';
import type { ComputeNode } from '../passes/quantize/compute_node.js';
import { type ChosenLayer, nearestWeight, type WeightCoding } from '../passes/quantize/layer_integers.js';
import { layerRows } from '../passes/quantize/layer_rows.js';
import type { QuantizedWeight } from '../passes/quantize/weights.js';
import { biasObstacle, dequantizedWeight, shiftedBias } from './correct_bias.js';
import type { Int8Plan } from './quantize_int8.js';
import { roundLayer } from './round_layer.js';

/** How weights and biases of 8-bit layers are found. */
export type WeightOptions = {
  /** `range` (default): a channel's largest weight decides its scale; `mse`: the least squared error of its weights. */
  readonly weightScales?: 'range' | 'mse';
  /** `nearest` (default), or `learned`: up or down, whichever keeps a layer's outputs on the calibration data. */
  readonly rounding?: 'nearest' | 'learned';
  /**
   * Shift biases by the mean error that rounded weights and inputs make on the calibration data. Default: where ranges
   * come from samples that are not random.
   */
  readonly correctBias?: boolean;
};

/** What became of learned rounding and of bias correction. */
export type WeightReport = {
  /** Layers whose rounding was learned, with the ratio of their outputs' squared error to that of nearest. */
  readonly rounded: readonly { readonly node: string; readonly error: number }[];
  readonly corrected: number;
  /** Layers that were left out of either, with the reason. */
  readonly left: readonly { readonly node: string; readonly reason: string }[];
};

/** The most products a sum may have for its rounding to be learned: moments take 8 · products² bytes. */
const mostProducts = 2304;

type Parts = Pick<
  Int8Plan,
  'model' | 'placement' | 'ranges' | 'scheme' | 'quantization' | 'calibration' | 'onProgress'
>;

/**
 * Finds the integers and biases of all layers that may run on 8 bits, from what they read where all before them is in
 * float: so they hold whichever layers are left in float later.
 * @throws DiagnosticError `quantize/no-calibration-data`, `calibrate/…`, `data/…`.
 */
export async function chooseWeights(plan: Parts): Promise<{ coding: WeightCoding; report?: WeightReport }> {
  const { weightScales = 'range', rounding = 'nearest' } = plan.quantization ?? {};
  const correctBias = plan.quantization?.correctBias ?? isCorrectedUnasked(plan);
  const scales = { scales: weightScales };
  const layers = plan.placement.computes.filter(({ isQuantized }) => !isQuantized);
  const floats8 = plan.scheme.weight.dtype === 'int8' ? undefined : 'its weights are no integers';
  const left: { node: string; reason: string }[] = [];
  const without = (obstacle: (layer: ComputeNode) => string | undefined) => (layer: ComputeNode) => {
    const reason = obstacle(layer);
    if (reason !== undefined) left.push({ node: nameOf(layer), reason });
    return reason === undefined;
  };
  const learning = rounding === 'learned' ? layers.filter(without((layer) => floats8 ?? roundingObstacle(layer))) : [];
  const correcting = correctBias
    ? layers.filter(without((layer) => floats8 ?? biasObstacle(layer, plan.placement)))
    : [];
  if (learning.length === 0 && correcting.length === 0 && left.length === 0) return { coding: scales };
  const weights = new Map(
    [...learning, ...correcting].map((layer) => [layer, nearestWeight(layer, plan.scheme, scales)] as const),
  );
  const rounded: { node: string; error: number }[] = [];
  const learn = (layer: ComputeNode, statistics: PatchStatistics) => {
    const corrects = correcting.includes(layer);
    const found = roundLayer(layer, weights.get(layer)!, statistics, plan.scheme.weight.limit, corrects);
    weights.set(layer, found.weight);
    const { nearest, learned } = found.error;
    rounded.push({ node: nameOf(layer), error: nearest > 0 ? learned / nearest : 1 });
  };
  const { model, onProgress, calibration } = plan;
  const runner = ortRunner({ worker: onProgress !== undefined });
  const options = { limit: calibration?.limit, onSample: onProgress?.sample };
  if (learning.length > 0) {
    onProgress?.stage?.('learning rounding');
    await observePatches(model, learning, await openData(plan), runner, learn, options);
  }
  const biases = new Map<ComputeNode, Float32Array>();
  if (correcting.length > 0) {
    onProgress?.stage?.('correcting biases');
    const requests = shiftRequests(plan, correcting, weights);
    const shifts = await observeShifts(model, requests, await openData(plan), runner, options);
    for (const [index, layer] of correcting.entries()) biases.set(layer, shiftedBias(layer, shifts[index]!));
  }
  const chosen = Array.from(weights, ([layer, weight]): [string, ChosenLayer] => [
    layer.node.outputs[0]!.name,
    { weight, bias: biases.get(layer) },
  ]);
  return {
    coding: { ...scales, chosen: new Map(chosen) },
    report: { rounded, corrected: biases.size, left },
  };
}

const isCorrectedUnasked = ({ scheme, calibration: { data, ranges } = {} }: Parts): boolean =>
  scheme.weight.dtype === 'int8' && data !== undefined && data !== 'random' && ranges === undefined;

const nameOf = ({ node }: ComputeNode): string => node.name || node.outputs[0]!.name;

function roundingObstacle({ node, weightDims }: ComputeNode): string | undefined {
  const { products } = layerRows(node, weightDims);
  return products > mostProducts ? `rounding is learned for sums of at most ${mostProducts} products` : undefined;
}

function shiftRequests(
  { placement, ranges, scheme }: Parts,
  layers: readonly ComputeNode[],
  weights: ReadonlyMap<ComputeNode, QuantizedWeight>,
): ShiftRequest[] {
  const sources = new Set(placement.values.values());
  const known = new Map(
    Array.from(sources, (source) => [source, sourceParameters(source, placement, ranges, scheme)] as const),
  );
  return layers.map((layer) => ({
    layer,
    weights: dequantizedWeight(weights.get(layer)!),
    rounding: parametersRead(layer.input, placement, known),
  }));
}

/** @throws DiagnosticError `quantize/no-calibration-data`, `data/…`. */
async function openData({ model, calibration = {} }: Parts): Promise<SampleSource> {
  if (calibration.data !== undefined) return openCalibrationData(model, calibration.data, calibration);
  throw new DiagnosticError({
    code: 'quantize/no-calibration-data',
    message: 'learned rounding and bias correction need samples, also where ranges are given',
    help: 'Give --calibration-data with a folder of samples',
  });
}
