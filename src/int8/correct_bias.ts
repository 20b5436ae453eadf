import { floatTensor, type Tensor, tensorData } from '../ir/tensor.js';
import type { ComputeNode } from '../passes/quantize/compute_node.js';
import { biasOf, biasSum } from '../passes/quantize/layer_bias.js';
import type { Placement } from '../passes/quantize/placement.js';
import { channelLayout, type QuantizedWeight } from '../passes/quantize/weights.js';

/** Why a layer's bias cannot be corrected at no cost, or undefined. */
export function biasObstacle(layer: ComputeNode, { carries }: Placement): string | undefined {
  const { node, bias } = layer;
  if (node.opType === 'MatMul') {
    const sum = biasSum(layer);
    if (sum === undefined) return 'no bias is added to its product alone';
    return carries.includes(sum.node) ? 'its bias is added in 8 bits' : undefined;
  }
  return bias === null && node.inputs[2] != null ? 'its bias is stored as integers' : undefined;
}

/** The bias of a layer moved by `shift`, one number an output. A convolution without a bias gets one. */
export function shiftedBias(layer: ComputeNode, shift: Float64Array): Float32Array {
  const own = biasOf(layer);
  return Float32Array.from(shift, (each, output) => (own?.[own.length === 1 ? 0 : output] ?? 0) + each);
}

/** The weights that integers stand for, in float. */
export function dequantizedWeight({ quantized, scales, axis }: QuantizedWeight): Tensor {
  const codes = tensorData(quantized) as Int8Array;
  const { channels, inner } = channelLayout(quantized.dims, axis);
  const weights = Float32Array.from(codes, (code, index) => code * scales[Math.floor(index / inner) % channels]!);
  return floatTensor(weights, quantized.dims);
}
