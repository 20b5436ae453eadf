import { constantTensor } from '../../../ir/constant.js';
import type { Graph, Node, Use, Value } from '../../../ir/graph.js';
import { type ChannelAxis, channelGains, scalingInputs } from '../../../ir/ops/channel_scaling.js';
import type { Inference } from '../../../ir/ops/inference/inference.js';
import {
  allFinite,
  biasBy,
  type ChannelLayer,
  channelLayer,
  isLayer,
  perChannelOperand,
  weightsBy,
} from './channel_layer.js';
import type { ChannelConstant, ChannelNumbers } from './channel_numbers.js';

/** Layers that read one value along one axis, and what gives the channels of that value their sizes. */
export type RescaleGroup = {
  readonly value: Value;
  readonly place: ChannelAxis;
  /** At least one. Where there is a source, nobody else reads the value. */
  readonly readers: readonly ChannelLayer[];
  /** What can take up a factor a channel, or the reason why nothing can. */
  readonly source: ScaleSource | string;
};

/** Constants that are divided by the factors that the readers' weights are multiplied by: shifts on the way included. */
export type ScaleSource = {
  readonly kind: 'layer' | 'gain';
  readonly node: Node;
  readonly constants: readonly ChannelConstant[];
};

export type RescaleOptions = {
  /** Values that keep their numbers, since something is known of them. */
  readonly kept?: ReadonlySet<Value>;
};

export type Declined = { readonly node: Node; readonly reason: string };

/** The groups of a graph in topological order, and layers that are in none, with the reason. */
export function rescaleGroups(
  graph: Graph,
  inference: Inference,
  { kept = new Set() }: RescaleOptions = {},
): { readonly groups: readonly RescaleGroup[]; readonly declined: readonly Declined[] } {
  const groups: RescaleGroup[] = [];
  const declined: Declined[] = [];
  const seen = new Set<Value>();
  for (const node of graph.nodes) {
    const value = node.inputs[0];
    if (!isLayer(node) || value == null || seen.has(value)) continue;
    seen.add(value);
    const { readers, others } = readersOf(value, graph, inference);
    for (const { use, reason } of others) {
      if (use.kind === 'node' && isLayer(use.user) && use.index === 0) declined.push({ node: use.user, reason });
    }
    if (readers.length === 0) continue;
    const place = readers[0]!.inputPlace;
    const source = others[0]?.reason ?? obstacle(value, kept) ?? findSource(value, place, inference, kept);
    groups.push({ value, place, readers, source });
  }
  return { groups, declined };
}

function obstacle(value: Value, kept: ReadonlySet<Value>): string | undefined {
  if (value.pinned) return `a part of the file that is kept names "${value.name}"`;
  return kept.has(value) ? `the range of "${value.name}" is given` : undefined;
}

/** The layers that read a value along the axis of the first of them, and who reads it otherwise. */
function readersOf(value: Value, graph: Graph, inference: Inference) {
  const readers: ChannelLayer[] = [];
  const others: { readonly use: Use; readonly reason: string }[] = [];
  for (const use of value.uses) {
    const reader = readerOf(use, graph, inference);
    if (typeof reader === 'string') others.push({ use, reason: reader });
    else if (readers.length === 0 || reader.inputPlace.axis === readers[0]!.inputPlace.axis) readers.push(reader);
    else others.push({ use, reason: 'layers read its input along different axes' });
  }
  return { readers, others };
}

function readerOf(use: Use, graph: Graph, inference: Inference): ChannelLayer | string {
  if (use.kind === 'output') return 'its input is an output of the graph';
  const { user, index } = use;
  if (user.graph !== graph) return 'its input is read in another graph';
  if (!isLayer(user) || index !== 0) return `its input is read by ${user.opType} as well`;
  return channelLayer(user, inference);
}

/** Goes back through what multiplies with its input to where a channel gets its size. */
function findSource(
  value: Value,
  place: ChannelAxis,
  inference: Inference,
  kept: ReadonlySet<Value>,
): ScaleSource | string {
  const { producer } = value;
  if (producer === null) return value.isInput ? 'its input comes from outside' : 'its input is constant';
  if (value.index !== 0) return `${producer.opType} has no gain for that result`;
  if (isLayer(producer)) return layerSource(producer, place, inference);
  const rank = inference.shapeOf(value)?.length;
  const gains = channelGains(producer, place, rank);
  if (gains !== undefined) return gainSource(producer, gains, place);
  if (rank === undefined) return 'a rank is not known';
  const operand = constantOperand(producer, place, rank);
  if (operand !== undefined && producer.opType === 'Mul') {
    return { kind: 'gain', node: producer, constants: [operand] };
  }
  const onward = (index: number, axis: number): ScaleSource | string => {
    const before = producer.inputs[index]!;
    if (before.uses.size > 1) return `what ${producer.opType} reads is read elsewhere`;
    return obstacle(before, kept) ?? findSource(before, { ...place, axis }, inference, kept);
  };
  if (operand !== undefined && isSum(producer)) {
    const index = 1 - operand.index;
    const own = inference.shapeOf(producer.inputs[index]!);
    const axis = place.axis - (rank - (own?.length ?? -1));
    if (own === undefined || own[axis] !== place.channels) return 'a shift may broadcast';
    const source = onward(index, axis);
    return typeof source === 'string' ? source : { ...source, constants: [...source.constants, operand] };
  }
  const ways = scalingInputs(producer, place, (of) => inference.shapeOf(of));
  if (ways.length === 0) return `${producer.opType} does not grow with its input, channel by channel`;
  const sources = ways.map(({ input, axis }) => onward(input, axis));
  return sources.find((source) => typeof source !== 'string') ?? sources[0]!;
}

const isSum = ({ domain, opType, attributes }: Node): boolean =>
  domain === '' && (opType === 'Add' || opType === 'Sub') && !attributes.has('axis');

/** The operand of a Mul, Add or Sub that holds one number a channel. */
function constantOperand(node: Node, place: ChannelAxis, rank: number): ChannelConstant | undefined {
  if (!isSum(node) && (node.domain !== '' || node.opType !== 'Mul' || node.attributes.has('axis'))) return undefined;
  return [0, 1]
    .map((index) => perChannelOperand(node, index, place, rank))
    .find((operand) => operand !== undefined && constantTensor(node.inputs[1 - operand.index]) === undefined);
}

function layerSource(node: Node, place: ChannelAxis, inference: Inference): ScaleSource | string {
  const layer = channelLayer(node, inference);
  if (typeof layer === 'string') return `of the layer before, ${layer}`;
  const { outputPlace } = layer;
  if (outputPlace.axis !== place.axis || outputPlace.channels !== place.channels) {
    return 'the channels of the layer before lie along another axis';
  }
  const bias = biasBy(layer);
  if (typeof bias === 'string') return `of the layer before, ${bias}`;
  return { kind: 'layer', node, constants: [weightsBy(layer, 'outputs'), ...bias] };
}

function gainSource(node: Node, inputs: readonly number[], { channels }: ChannelAxis): ScaleSource | string {
  const constants: ChannelConstant[] = [];
  for (const [at, index] of inputs.entries()) {
    const tensor = constantTensor(node.inputs[index]);
    if (node.inputs[index] == null && at > 0) continue;
    const isFit = tensor?.dtype === 'float' && tensor.dims.length === 1 && tensor.dims[0] === channels;
    if (!isFit || !allFinite(tensor)) return `${node.opType} has no constant gain for each channel`;
    constants.push({ node, index, run: 1, channelOf: (run) => run });
  }
  return { kind: 'gain', node, constants };
}

/** The largest weight that each channel of the value is multiplied by. */
export function readerMaxima({ place, readers }: RescaleGroup, numbers: ChannelNumbers): Float64Array {
  const maxima = new Float64Array(place.channels);
  for (const reader of readers) numbers.raiseMaxima(weightsBy(reader, 'inputs'), maxima);
  return maxima;
}

/** Divides the source by a factor a channel and multiplies the readers by it. */
export function rescale(
  group: RescaleGroup,
  source: ScaleSource,
  factors: Float64Array,
  numbers: ChannelNumbers,
): void {
  const inverse = factors.map((factor) => 1 / factor);
  for (const constant of source.constants) numbers.multiply(constant, inverse);
  for (const reader of group.readers) numbers.multiply(weightsBy(reader, 'inputs'), factors);
}
