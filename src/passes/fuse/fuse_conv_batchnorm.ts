// BatchNormalization(Conv(x, W, b)) => Conv(x, W·f, (b − mean)·f + B), f = scale / √(variance + epsilon) per channel
// Needs: inference mode, constant weights and statistics, float32, and a convolution that nothing else reads.
import { getFloat, getInt, getInts } from '../../ir/attribute.js';
import { type Node, opsetVersion, type Value } from '../../ir/graph.js';
import { floatTensor, type Tensor, tensorData } from '../../ir/tensor.js';
import { any, type Constant, constant, op, optional } from '../rewrite/pattern.js';
import { defineRewrite } from '../rewrite/rewrite.js';

type Match = {
  conv: Node;
  batchnorm: Node;
  x: Value;
  weight: Constant;
  bias: Constant | null;
  scale: Constant;
  offset: Constant;
  mean: Constant;
  variance: Constant;
};

const pattern = op('batchnorm', 'BatchNormalization', [
  op('conv', ['Conv', 'ConvTranspose'], [any('x'), constant('weight'), optional('bias', constant('bias'))]),
  constant('scale'),
  constant('offset'),
  constant('mean'),
  constant('variance'),
]);

export const fuseConvBatchnorm = defineRewrite<Match>({
  name: 'fuse-conv-batchnorm',
  summary: 'BatchNormalization(Conv(x, W, b)) => Conv(x, W·f, (b − mean)·f + B)',
  licence: 'reassociates',
  pattern,
  check(match, { maxGrowthBytes }) {
    const { conv, batchnorm, weight } = match;
    if (conv.outputs[0]!.uses.size > 1) return 'the result of the convolution is read elsewhere';
    const training = trainingReason(batchnorm);
    if (training !== undefined) return training;
    const tensors = [weight, match.bias, ...statistics(match)].flatMap((found) =>
      found === null ? [] : [found.tensor],
    );
    if (tensors.some(({ dtype }) => dtype !== 'float')) return 'weights are not float32';
    const channels = outputChannels(conv, weight.tensor);
    if (channels === undefined) return 'the shape of the weights does not fit the convolution';
    const perChannel = [...statistics(match), ...(match.bias === null ? [] : [match.bias])];
    if (perChannel.some(({ tensor }) => tensor.dims.length !== 1 || tensor.dims[0] !== channels)) {
      return 'not one value per output channel';
    }
    if (weight.value.uses.size > 1 && weight.tensor.byteLength > maxGrowthBytes) return 'the weights are shared';
    const { factor, shift } = affine(match);
    return [...factor, ...shift].every(Number.isFinite) ? undefined : 'the statistics give no finite factor';
  },
  rewrite(match, build) {
    const { conv, weight, bias } = match;
    const { factor, shift } = affine(match);
    const scaled = scaleChannels(weight.tensor, factor, conv);
    const name = (part: Constant | null, fallback: string) => part?.value.name ?? `${conv.name || 'conv'}.${fallback}`;
    const result = build.op(
      conv.opType,
      [match.x, build.constant(scaled, name(weight, 'weight')), build.constant(floatTensor(shift), name(bias, 'bias'))],
      { attributes: [...conv.attributes.values()], name: conv.name },
    );
    return [result];
  },
});

const statistics = ({ scale, offset, mean, variance }: Match): Constant[] => [scale, offset, mean, variance];

function trainingReason(node: Node): string | undefined {
  const opset = opsetVersion(node.graph, node.domain) ?? 1;
  if (node.outputs.slice(1).some((output) => output !== null)) return 'it updates its statistics';
  if (opset >= 14 && getInt(node, 'training_mode', 0) !== 0) return 'it is in training mode';
  if (opset < 7 && getInt(node, 'is_test', 0) === 0) return 'it is in training mode';
  return opset < 9 && getInt(node, 'spatial', 1) === 0 ? 'its statistics are per element' : undefined;
}

/** Conv: [M, C/g, …]; ConvTranspose: [C, M/g, …], C divided among the groups. */
function outputChannels(conv: Node, { dims }: Tensor): number | undefined {
  const group = getInt(conv, 'group', 1);
  const kernel = getInts(conv, 'kernel_shape', undefined);
  if (dims.length < 3 || group < 1 || (kernel !== undefined && kernel.length !== dims.length - 2)) return undefined;
  if (conv.opType === 'Conv') return dims[0];
  return dims[0]! % group === 0 ? dims[1]! * group : undefined;
}

/** In double precision, rounded to float32 once at the end. */
function affine(match: Match): { factor: number[]; shift: number[] } {
  const read = ({ tensor }: Constant) => Array.from(tensorData(tensor), Number);
  const epsilon = getFloat(match.batchnorm, 'epsilon', 1e-5);
  const [scale, offset, mean, variance] = [match.scale, match.offset, match.mean, match.variance].map(read);
  const bias = match.bias === null ? undefined : read(match.bias);
  const factor = scale!.map((value, channel) => value / Math.sqrt(variance![channel]! + epsilon));
  const shift = factor.map((f, channel) => ((bias?.[channel] ?? 0) - mean![channel]!) * f + offset![channel]!);
  return { factor, shift: shift.map(Math.fround) };
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
