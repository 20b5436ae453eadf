import { getInt, getInts } from '../../../ir/attribute.js';
import type { Node, Value } from '../../../ir/graph.js';
import { floatTensor, type Tensor, tensorData } from '../../../ir/tensor.js';
import type { Constant } from '../../rewrite/pattern.js';
import type { CheckContext, ReplacementBuilder } from '../../rewrite/rewrite.js';

/** A convolution with constant weights, as patterns capture it. */
export type ConstantConv = {
  readonly conv: Node;
  readonly x: Value;
  readonly weight: Constant;
  readonly bias: Constant | null;
};

/** y = factor · x + shift, one pair an output channel. */
export type ChannelAffine = { readonly factor: readonly number[]; readonly shift: readonly number[] };

/** Conv: [M, C/g, …]; ConvTranspose: [C, M/g, …], C divided among the groups. undefined where they do not fit. */
export function outputChannels({ conv, weight }: ConstantConv): number | undefined {
  const { dims } = weight.tensor;
  const group = getInt(conv, 'group', 1);
  const kernel = getInts(conv, 'kernel_shape', undefined);
  if (dims.length < 3 || group < 1 || (kernel !== undefined && kernel.length !== dims.length - 2)) return undefined;
  if (conv.opType === 'Conv') return dims[0];
  return dims[0]! % group === 0 ? dims[1]! * group : undefined;
}

/** Why an affine map behind the convolution cannot go into its weights, or undefined. */
export function foldingObstacle(match: ConstantConv, { maxGrowthBytes }: CheckContext): string | undefined {
  const { conv, weight, bias } = match;
  if (conv.outputs[0]!.uses.size > 1) return 'the result of the convolution is read elsewhere';
  if (weight.tensor.dtype !== 'float' || (bias !== null && bias.tensor.dtype !== 'float'))
    return 'weights are not float32';
  const channels = outputChannels(match);
  if (channels === undefined) return 'the shape of the weights does not fit the convolution';
  if (bias !== null && (bias.tensor.dims.length !== 1 || bias.tensor.dims[0] !== channels)) {
    return 'not one value per output channel';
  }
  const shared = weight.value.uses.size > 1 && weight.tensor.byteLength > maxGrowthBytes;
  return shared ? 'the weights are shared' : undefined;
}

export const floats = ({ tensor }: Constant): number[] => Array.from(tensorData(tensor), Number);

/** The convolution with `affine` in its weights: computed in double precision, rounded to float32 once. */
export function foldedConv(match: ConstantConv, affine: ChannelAffine, build: ReplacementBuilder): Value {
  const { conv, x, weight, bias } = match;
  const old = bias === null ? undefined : floats(bias);
  const shift = affine.factor.map((factor, channel) => (old?.[channel] ?? 0) * factor + affine.shift[channel]!);
  const name = (part: Constant | null, fallback: string) => part?.value.name ?? `${conv.name || 'conv'}.${fallback}`;
  const inputs = [
    x,
    build.constant(scaleChannels(weight.tensor, affine.factor, conv), name(weight, 'weight')),
    build.constant(floatTensor(shift), name(bias, 'bias')),
  ];
  return build.op(conv.opType, inputs, { attributes: [...conv.attributes.values()], name: conv.name });
}

function scaleChannels(weight: Tensor, factor: readonly number[], conv: Node): Tensor {
  const source = tensorData(weight) as Float32Array;
  const result = new Float32Array(source.length);
  const [first = 0, second = 0] = weight.dims;
  const inner = source.length / (first * second);
  const perGroup = conv.opType === 'Conv' ? first : first / getInt(conv, 'group', 1);
  for (let index = 0; index < source.length; index += 1) {
    const row = Math.floor(index / (second * inner));
    const column = Math.floor(index / inner) % second;
    const channel = conv.opType === 'Conv' ? row : Math.floor(row / perGroup) * second + column;
    result[index] = source[index]! * factor[channel]!;
  }
  return floatTensor(result, weight.dims);
}
