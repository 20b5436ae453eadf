import { constantTensor } from '../../ir/constant.js';
import type { QuantizationScheme } from '../target_profile.js';
import type { ComputeNode } from './compute_node.js';
import { quantizeToFloat8 } from './float8_weights.js';
import { biasOf } from './layer_bias.js';
import { leastSquaresScales } from './least_squares_scales.js';
import {
  biasFloors,
  channelMaxima,
  type QuantizedWeight,
  quantizeBias,
  quantizeWeight,
  weightScales,
} from './weights.js';

/** Weights chosen by what a layer reads, and the float bias that goes with them; undefined: the layer's own. */
export type ChosenLayer = { readonly weight: QuantizedWeight; readonly bias: Float32Array | undefined };

/** How the weights of 8-bit layers become integers. */
export type WeightCoding = {
  /** `range` (default): nothing is cut off; `mse`: the scales of the least squared error of the weights. */
  readonly scales?: 'range' | 'mse';
  /** By the name of a layer's first output; others are rounded to nearest. */
  readonly chosen?: ReadonlyMap<string, ChosenLayer>;
};

/** What a layer computes with on 8 bits. */
export type LayerIntegers = {
  readonly weight: QuantizedWeight;
  /** A float bias other than its own. */
  readonly bias?: Float32Array;
  /** The bias, where it is stored as integers: bias ≈ codes · scales. */
  readonly biasIntegers?: { readonly codes: Int32Array; readonly scales: Float32Array };
};

/**
 * The integers of a layer with float weights. `inputScale` is that of the 8 bits it reads, undefined where it is not
 * known, which leaves a bias in float.
 */
export function layerIntegers(
  layer: ComputeNode,
  inputScale: number | undefined,
  scheme: QuantizationScheme,
  coding: WeightCoding,
): LayerIntegers {
  const own = layer.bias === null ? undefined : biasOf(layer);
  // The bias of a MatMul stands in the sum behind it, as it is.
  const biasScale = scheme.bias === 'int32' && layer.node.opType !== 'MatMul' ? inputScale : undefined;
  const chosen = coding.chosen?.get(layer.node.outputs[0]!.name);
  if (chosen !== undefined && fits(chosen.weight, chosen.bias ?? own, biasScale)) {
    return biasScale === undefined
      ? { weight: chosen.weight, ...(chosen.bias && { bias: chosen.bias }) }
      : withBias(chosen.weight, chosen.bias ?? own, biasScale);
  }
  const floors = own === undefined || biasScale === undefined ? undefined : scaleFloors(own, biasScale);
  const weight = nearestWeight(layer, scheme, coding, floors && perScale(floors, layer.axis));
  return biasScale === undefined ? { weight } : withBias(weight, own, biasScale);
}

/** The weights of a layer rounded to nearest; integers have scales of the kind asked for. None is below its floor. */
export function nearestWeight(
  { weight, axis }: ComputeNode,
  { weight: { dtype, limit } }: QuantizationScheme,
  { scales: kind = 'range' }: WeightCoding,
  floors?: Float64Array,
): QuantizedWeight {
  const tensor = constantTensor(weight)!;
  const widest = weightScales(channelMaxima(tensor, axis), limit, floors);
  if (dtype !== 'int8') return { quantized: quantizeToFloat8(tensor, axis, widest), scales: widest, axis };
  const scales = kind === 'range' ? widest : leastSquaresScales(tensor, axis, widest, limit, floors);
  return quantizeWeight(tensor, axis, scales, limit);
}

/** Just above the smallest positive normal float32, so that products rounded to float stay there. */
const smallestScale = 2 ** -126 * (1 + 2 ** -20);

/** A bias has to fit int32, and its own scale, inputScale · scale, must not become subnormal either. */
const scaleFloors = (bias: Float32Array, inputScale: number): Float64Array =>
  biasFloors(bias, inputScale).map((floor) => Math.max(floor, smallestScale / inputScale));

/** Whether int32 holds the bias that was chosen in steps of inputScale · scale. */
function fits({ scales }: QuantizedWeight, bias: Float32Array | undefined, inputScale: number | undefined): boolean {
  if (bias === undefined || inputScale === undefined) return true;
  return scaleFloors(bias, inputScale).every((floor, channel) => scales[scales.length === 1 ? 0 : channel]! >= floor);
}

function withBias(weight: QuantizedWeight, bias: Float32Array | undefined, inputScale: number): LayerIntegers {
  if (bias === undefined) return { weight };
  const scales = weight.scales.map((scale) => inputScale * scale);
  return { weight, biasIntegers: { codes: quantizeBias(bias, scales), scales } };
}

/** With one scale for the whole tensor, the largest floor counts. */
const perScale = (floors: Float64Array, axis: number | null): Float64Array =>
  axis === null ? Float64Array.of(Math.max(...floors)) : floors;
