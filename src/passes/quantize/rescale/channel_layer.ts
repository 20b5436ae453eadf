import { getInt } from '../../../ir/attribute.js';
import { constantTensor } from '../../../ir/constant.js';
import { type Node, opsetVersion, type Value } from '../../../ir/graph.js';
import type { ChannelAxis } from '../../../ir/ops/channel_scaling.js';
import type { Inference } from '../../../ir/ops/inference/inference.js';
import { elementCount, type Tensor, tensorData } from '../../../ir/tensor.js';
import { isConvolution, type WeightLayout, weightLayout } from '../../fuse/weights/weighted_layer.js';
import type { ChannelConstant } from './channel_numbers.js';

/** A convolution or matrix product with constant float32 weights that it alone reads. */
export type ChannelLayer = {
  readonly node: Node;
  readonly input: Value;
  /** Where the channels of its input and of its result lie. */
  readonly inputPlace: ChannelAxis;
  readonly outputPlace: ChannelAxis;
  readonly layout: WeightLayout;
};

const operators: ReadonlySet<string> = new Set(['Conv', 'ConvTranspose', 'Gemm', 'MatMul']);

/** Whether a node is of a kind that can be one. */
export const isLayer = ({ domain, opType }: Node): boolean =>
  (domain === '' || domain === 'ai.onnx') && operators.has(opType);

/** A node that `isLayer`, with its channels, or the reason why they cannot be rescaled. */
export function channelLayer(node: Node, inference: Inference): ChannelLayer | string {
  const [input, weight] = node.inputs;
  if (input == null || weight == null || node.outputs[0] == null) return 'an input is missing';
  const tensor = constantTensor(weight);
  if (tensor === undefined) return 'its weights are not constant';
  if (tensor.dtype !== 'float') return 'its weights are not float32';
  if (weight.uses.size > 1 || weight.pinned) return 'its weights are shared';
  const layout = weightLayout({ layer: node, x: input, weight: { value: weight, tensor }, bias: null });
  if (layout === undefined) return 'its weights are not a matrix';
  if (!allFinite(tensor)) return 'a weight is not finite';
  const axis = isConvolution(node) ? 1 : (inference.shapeOf(input)?.length ?? 0) - 1;
  if (axis < 0) return 'the rank of its input is not known';
  if (node.opType === 'Gemm') {
    if ((opsetVersion(node.graph, '') ?? 7) < 7) return 'Gemm broadcasts by an attribute before opset 7';
    if (getInt(node, 'transA', 0) !== 0) return 'its input is transposed';
  }
  return {
    node,
    input,
    inputPlace: { axis, channels: layout.inputs },
    outputPlace: { axis, channels: layout.outputs },
    layout,
  };
}

export const allFinite = (tensor: Tensor): boolean => (tensorData(tensor) as Float32Array).every(Number.isFinite);

/** The weights by the channels that go in or come out. */
export function weightsBy({ node, layout }: ChannelLayer, side: 'inputs' | 'outputs'): ChannelConstant {
  const { rows, columns, inner, group, rowsAreOutputs } = layout;
  if (rowsAreOutputs === (side === 'outputs')) return { node, index: 1, run: columns * inner, channelOf: (row) => row };
  const ofGroup = rows / group;
  const channelOf = (run: number) => Math.floor(Math.floor(run / columns) / ofGroup) * columns + (run % columns);
  return { node, index: 1, run: inner, channelOf };
}

/** What a layer adds to its result, by channel: nothing, one constant, or the reason why it cannot be rescaled. */
export function biasBy({ node, outputPlace }: ChannelLayer): readonly ChannelConstant[] | string {
  if (node.inputs[2] == null) return [];
  const tensor = constantTensor(node.inputs[2]);
  if (tensor?.dtype !== 'float') return 'its bias is not constant';
  const { channels } = outputPlace;
  if (tensor.dims.at(-1) !== channels) return 'its bias is not one number a channel';
  return allFinite(tensor)
    ? [{ node, index: 2, run: 1, channelOf: (run) => run % channels }]
    : 'its bias is not finite';
}

/** A constant operand of an elementwise node that holds one number a channel, or undefined. `rank` is the result's. */
export function perChannelOperand(
  node: Node,
  index: number,
  { axis, channels }: ChannelAxis,
  rank: number,
): ChannelConstant | undefined {
  const tensor = constantTensor(node.inputs[index]);
  if (tensor?.dtype !== 'float' || elementCount(tensor.dims) !== channels || !allFinite(tensor)) return undefined;
  const own = axis - (rank - tensor.dims.length);
  return tensor.dims[own] === channels ? { node, index, run: 1, channelOf: (run) => run } : undefined;
}
