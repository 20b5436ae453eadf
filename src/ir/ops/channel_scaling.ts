import { getInt, getInts, getString } from '../attribute.js';
import { constantTensor } from '../constant.js';
import { calledFunction, type Node, opsetVersion, type Value } from '../graph.js';
import { tensorData } from '../tensor.js';
import type { Shape } from '../value_type.js';

/** An axis of a value's tensor, along which its channels lie. */
export type ChannelAxis = { readonly axis: number; readonly channels: number };

/** An input whose channels are those of the result: where each is multiplied by a positive number, so is the result's. */
export type ScalingInput = { readonly input: number; readonly axis: number };

type ShapeOf = (value: Value) => Shape | undefined;
type Rule = (node: Node, place: ChannelAxis, shapeOf: ShapeOf) => readonly ScalingInput[];

/** The same shape in and out, or what broadcasts to it: axes are aligned at the last one. */
const elementwise =
  (...inputs: readonly number[]): Rule =>
  (node, { axis, channels }, shapeOf) => {
    // Before opset 7 an attribute said which axis an operand begins at.
    if (inputs.length > 1 && (node.attributes.has('broadcast') || node.attributes.has('axis'))) return [];
    const rank = shapeOf(node.outputs[0]!)?.length;
    return inputs.flatMap((input) => {
      const shape = node.inputs[input] == null ? undefined : shapeOf(node.inputs[input]);
      if (shape === undefined || rank === undefined) return [];
      const own = axis - (rank - shape.length);
      return own >= 0 && sizeAt(shape, own) === channels ? [{ input, axis: own }] : [];
    });
  };

/** Works on each channel of axis 1 by itself. */
const channelwise: Rule = (_, { axis }) => (axis === 1 ? [{ input: 0, axis: 1 }] : []);

const clip: Rule = (node, place, shapeOf) =>
  isFree(node, 'min', 1) && isFree(node, 'max', 2) ? elementwise(0)(node, place, shapeOf) : [];

/** Whether an end of a Clip is not there, or 0, which stays where it is however the input is scaled. */
function isFree(node: Node, name: string, index: number): boolean {
  const attribute = node.attributes.get(name);
  if (attribute !== undefined) return attribute.kind === 'float' && attribute.value === 0;
  return node.inputs[index] == null || scalarOf(node.inputs[index]) === 0;
}

function scalarOf(value: Value): number | undefined {
  const tensor = constantTensor(value);
  return tensor?.dtype === 'float' && tensor.byteLength === 4 ? Number(tensorData(tensor)[0]) : undefined;
}

const pad: Rule = (node, { axis }) => {
  const opset = opsetVersion(node.graph, '') ?? 1;
  const [, sizes, fill, axes] = node.inputs;
  const pads = opset < 11 ? getInts(node, 'pads', undefined) : sizes && integersOf(sizes);
  const isZero = opset < 11 ? !node.attributes.has('value') : fill == null || scalarOf(fill) === 0;
  const copies = getString(node, 'mode', 'constant') !== 'constant';
  if (pads == null || axes != null || !(isZero || copies)) return [];
  return pads[axis] === 0 && pads[axis + pads.length / 2] === 0 ? [{ input: 0, axis }] : [];
};

function integersOf(value: Value): readonly number[] | undefined {
  const tensor = constantTensor(value);
  return tensor === undefined ? undefined : Array.from(tensorData(tensor), Number);
}

/** Interpolation is linear; along an axis that keeps its size by scale 1 it does nothing. */
const resize: Rule = (node, { axis, channels }, shapeOf) => {
  const [data, , scales, sizes] = node.inputs;
  const policy = getString(node, 'keep_aspect_ratio_policy', 'stretch');
  const crops = getString(node, 'coordinate_transformation_mode', 'half_pixel') === 'tf_crop_and_resize';
  if ((opsetVersion(node.graph, '') ?? 1) < 11 || crops || node.attributes.has('axes') || policy !== 'stretch')
    return [];
  const bySizes = sizes != null && data != null && sizeAt(shapeOf(data), axis) === channels;
  const byScales = sizes == null && scales != null && floatsOf(scales)?.[axis] === 1;
  return bySizes || byScales ? [{ input: 0, axis }] : [];
};

function floatsOf(value: Value): ArrayLike<number> | undefined {
  const tensor = constantTensor(value);
  return tensor?.dtype === 'float' ? (tensorData(tensor) as Float32Array) : undefined;
}

const transpose: Rule = (node, { axis }, shapeOf) => {
  const rank = shapeOf(node.outputs[0]!)?.length;
  const from = getInts(node, 'perm', undefined)?.[axis] ?? (rank === undefined ? undefined : rank - 1 - axis);
  return from === undefined || from < 0 ? [] : [{ input: 0, axis: from }];
};

/** Elements keep their order: channels are the same where an axis of as many has as many elements behind it. */
const reshaped: Rule = (node, { axis, channels }, shapeOf) => {
  const behind = elementsBehind(shapeOf(node.outputs[0]!), axis);
  const from = node.inputs[0] == null ? undefined : shapeOf(node.inputs[0]);
  if (behind === undefined || from === undefined || channels === 1) return [];
  const own = from.findIndex((_, at) => sizeAt(from, at) === channels && elementsBehind(from, at) === behind);
  return own < 0 ? [] : [{ input: 0, axis: own }];
};

function elementsBehind(shape: Shape | undefined, axis: number): number | undefined {
  if (shape === undefined) return undefined;
  let count = 1;
  for (let at = axis + 1; at < shape.length; at += 1) {
    const size = sizeAt(shape, at);
    if (size === undefined || size === 0) return undefined;
    count *= size;
  }
  return count;
}

function sizeAt(shape: Shape | undefined, axis: number): number | undefined {
  const dim = shape?.[axis];
  return typeof dim === 'number' ? dim : undefined;
}

/** By operator of the default domain. */
const scaling: Readonly<Record<string, Rule>> = {
  Abs: elementwise(0),
  Identity: elementwise(0),
  LeakyRelu: elementwise(0),
  Neg: elementwise(0),
  PRelu: elementwise(0),
  Relu: elementwise(0),
  Mul: elementwise(0, 1),
  Div: elementwise(0),
  Clip: clip,

  AveragePool: channelwise,
  GlobalAveragePool: channelwise,
  GlobalLpPool: channelwise,
  GlobalMaxPool: channelwise,
  LpPool: channelwise,
  MaxPool: channelwise,

  Pad: pad,
  Resize: resize,
  Transpose: transpose,
  Flatten: reshaped,
  Reshape: reshaped,
  Squeeze: reshaped,
  Unsqueeze: reshaped,
};

/**
 * The inputs x, each on its own, for which op(s · x) = s · op(x) with a positive s for each channel along `place` of the
 * first result. None where that is not certain.
 */
export function scalingInputs(node: Node, place: ChannelAxis, shapeOf: ShapeOf): readonly ScalingInput[] {
  if (calledFunction(node) !== undefined || (node.domain !== '' && node.domain !== 'ai.onnx')) return [];
  const rule = Object.hasOwn(scaling, node.opType) ? scaling[node.opType] : undefined;
  return node.outputs[0] == null ? [] : (rule?.(node, place, shapeOf) ?? []);
}

/** Inputs that the result is multiplied by, and shifted by after that: one number a channel. The first is required. */
type Gains = { readonly inputs: readonly number[]; readonly axis: 'second' | 'last' };

const gains: Readonly<Record<string, (node: Node) => Gains | undefined>> = {
  BatchNormalization: (node) => {
    const isInference = getInt(node, 'training_mode', 0) === 0 && node.outputs.length === 1;
    return isInference && (opsetVersion(node.graph, '') ?? 1) >= 9 ? { inputs: [1, 2], axis: 'second' } : undefined;
  },
  InstanceNormalization: () => ({ inputs: [1, 2], axis: 'second' }),
  LayerNormalization: () => ({ inputs: [1, 2], axis: 'last' }),
  RMSNormalization: () => ({ inputs: [1], axis: 'last' }),
  SimplifiedLayerNormalization: () => ({ inputs: [1], axis: 'last' }),
  'com.microsoft:SkipLayerNormalization': () => ({ inputs: [2, 3], axis: 'last' }),
  'com.microsoft:SkipSimplifiedLayerNormalization': () => ({ inputs: [2], axis: 'last' }),
};

/**
 * The inputs of a normalization that give the channels along `place` of its first result their sizes, the gain first;
 * undefined for other operators and other axes. Whether they hold one number a channel is the caller's to see.
 */
export function channelGains(node: Node, place: ChannelAxis, rank: number | undefined): readonly number[] | undefined {
  if (calledFunction(node) !== undefined) return undefined;
  const key = node.domain === '' || node.domain === 'ai.onnx' ? node.opType : `${node.domain}:${node.opType}`;
  const found = Object.hasOwn(gains, key) ? gains[key]!(node) : undefined;
  if (found === undefined || rank === undefined) return undefined;
  if (found.axis === 'second') return place.axis === 1 ? found.inputs : undefined;
  const first = getInt(node, 'axis', -1);
  return place.axis === rank - 1 && (first === -1 || first === rank - 1) ? found.inputs : undefined;
}
