import { type Node, opsetVersion, type Value } from '../../../ir/graph.js';
import type { Inference } from '../../../ir/ops/inference/inference.js';
import { elementCount, type Tensor } from '../../../ir/tensor.js';
import { isFloatType, numbersOf } from '../../rewrite/float_numbers.js';
import type { Constant } from '../../rewrite/pattern.js';
import { type ChannelAffine, isConvolution, type WeightedLayer } from './weighted_layer.js';

/** Before opset 7 an attribute said which axis an operand begins at; without it, the last axes are aligned. */
export const alignsLastAxes = { where: (node: Node): boolean => !node.attributes.has('axis') } as const;

/** For rules that build such operators anew: from opset 7 on, no attribute is needed to broadcast. */
export const broadcastsFreely = { where: (node: Node): boolean => (opsetVersion(node.graph, '') ?? 7) >= 7 } as const;

/** The axis of a layer's input and output that its channels are along, counted from the end: ≥ 1. */
export const channelAxisFromEnd = ({ layer, weight }: WeightedLayer): number =>
  isConvolution(layer) ? weight.tensor.dims.length - 1 : 1;

/**
 * One number, or one a channel, of a rank up to `rank`: aligned at the last axis, every axis but the channels' is 1, and
 * none is added in front.
 */
export function isPerChannel({ dims }: Tensor, rank: number, axisFromEnd: number, channels: number): boolean {
  if (dims.length > rank || elementCount(dims) === 0) return false;
  const channelAxis = dims.length - axisFromEnd;
  return dims.every((dim, axis) => dim === 1 || (axis === channelAxis && dim === channels));
}

/** The rank of a layer's result, which for the weights it has is that of its input. */
export const resultRank = (match: WeightedLayer, inference: Inference): number | undefined =>
  isConvolution(match.layer) ? match.weight.tensor.dims.length : inference.shapeOf(match.layer.outputs[0]!)?.length;

/** Why `x op operand` is not a factor and a shift for each channel of x that leaves its shape alone, or undefined. */
export function inputObstacle(
  match: WeightedLayer,
  x: Value,
  tensor: Tensor,
  channels: number,
  inference: Inference,
): string | undefined {
  const shape = inference.shapeOf(x);
  if (shape === undefined) return 'the rank of its input is not known';
  const axisFromEnd = channelAxisFromEnd(match);
  if (!isPerChannel(tensor, shape.length, axisFromEnd, channels)) {
    return 'the constant is not one number, or one per channel';
  }
  const stretches = elementCount(tensor.dims) > 1 && shape[shape.length - axisFromEnd] !== channels;
  return stretches ? 'the constant may broadcast its input' : undefined;
}

/** `value op operand`, or with `left` `operand op value`, as a factor and a shift a channel. */
export function operandAffine(root: Node, operand: Constant, channels: number, left = false): ChannelAffine {
  const given = numbersOf(operand.tensor);
  const values = Array.from({ length: channels }, (_, channel) => given[given.length === 1 ? 0 : channel]!);
  const all = (number: number) => values.map(() => number);
  switch (root.opType) {
    case 'Add':
      return { factor: all(1), shift: values };
    case 'Sub':
      return left ? { factor: all(-1), shift: values } : { factor: all(1), shift: values.map((value) => -value) };
    case 'Mul':
      return { factor: values, shift: all(0) };
    default:
      return { factor: values.map((value) => 1 / value), shift: all(0) };
  }
}

export const allFinite = ({ factor, shift }: ChannelAffine): boolean => [...factor, ...shift].every(Number.isFinite);

/** Why a constant of another type than the weights is left alone. */
export const typeObstacle = (match: WeightedLayer, { tensor }: Constant): string | undefined =>
  isFloatType(tensor.dtype) && tensor.dtype === match.weight.tensor.dtype
    ? undefined
    : 'the constant is of another type than the weights';
