import { getInt } from '../attribute.js';
import { constantTensor } from '../constant.js';
import { calledFunction, type Node, opsetVersion } from '../graph.js';
import { nodeTraits } from './traits.js';

/** Where a node says which axes it means. */
export type AxesPlace =
  | { readonly kind: 'attribute'; readonly name: string; readonly fallback?: number }
  | { readonly kind: 'input'; readonly index: number };

/**
 * How op(Transpose(x)) becomes Transpose(op(x)):
 * - `elementwise`: as it is. Inputs that broadcast against the transposed one need the inverse permutation, once they
 *   have all axes.
 * - `axes`: with the axes that stand at `place` renamed (those of Unsqueeze are axes of its result), all `data` inputs
 *   without the Transpose, and every result behind one. `keepsRank` is false where the result lacks those axes (Squeeze,
 *   reductions without keepdims) or has them in addition (Unsqueeze), so that the Transpose behind it is another one.
 *   `fallback` is the axis where the attribute is not there.
 * - `per-axis`: with the entries that stand at `place`, one an axis or its begins and then its ends, put in order.
 */
export type TransposeCommutation =
  | { readonly kind: 'elementwise' }
  | {
      readonly kind: 'axes';
      readonly data: readonly number[] | 'all';
      readonly place: AxesPlace;
      readonly keepsRank: boolean;
    }
  | { readonly kind: 'per-axis'; readonly data: readonly number[]; readonly place: AxesPlace };

type Rule = (node: Node, opset: number) => TransposeCommutation | undefined;

const attribute = (name: string, fallback?: number): AxesPlace =>
  fallback === undefined ? { kind: 'attribute', name } : { kind: 'attribute', name, fallback };

const input = (index: number): AxesPlace => ({ kind: 'input', index });

const alongAxes =
  (
    place: AxesPlace,
    { data = [0], keepsRank = true }: { data?: readonly number[] | 'all'; keepsRank?: boolean } = {},
  ): Rule =>
  () => ({ kind: 'axes', data, place, keepsRank });

const perAxis =
  (place: AxesPlace): Rule =>
  () => ({ kind: 'per-axis', data: [0], place });

/** Without axes a reduction takes all, or with `noop_with_empty_axes` none: nothing then is to be renamed. */
const reduction: Rule = (node) => {
  const keepsRank = getInt(node, 'keepdims', 1) !== 0;
  if (node.attributes.get('keepdims')?.kind === 'reference') return undefined;
  const place = node.inputs[1] != null ? input(1) : node.attributes.has('axes') ? attribute('axes') : undefined;
  if (place !== undefined) return { kind: 'axes', data: [0], place, keepsRank };
  return keepsRank && getInt(node, 'noop_with_empty_axes', 0) === 0 ? { kind: 'elementwise' } : undefined;
};

const arg: Rule = (node) =>
  node.attributes.get('keepdims')?.kind === 'reference'
    ? undefined
    : { kind: 'axes', data: [0], place: attribute('axis', 0), keepsRank: getInt(node, 'keepdims', 1) !== 0 };

/** Before opset 13 softmax took all axes from one on together, which no permutation renames. */
const softmax: Rule = (_, opset) =>
  opset < 13 ? undefined : { kind: 'axes', data: [0], place: attribute('axis', -1), keepsRank: true };

/** Axes were an attribute before opset 13, input 1 since; without any, Squeeze looks at the sizes. */
const squeezed: Rule = (node) => {
  const place = node.inputs[1] != null ? input(1) : node.attributes.has('axes') ? attribute('axes') : undefined;
  return place && { kind: 'axes', data: [0], place, keepsRank: false };
};

/** A scalar scale has no axis; a vector follows one; a block of scales has the axes of the data. */
const quantized: Rule = (node) => {
  const scale = node.inputs[1];
  const isBlocked = node.attributes.has('block_size') && getInt(node, 'block_size', 1) !== 0;
  const dims = scale == null ? undefined : constantTensor(scale)?.dims;
  if (dims === undefined || isBlocked || dims.length > 1) return undefined;
  return dims.length === 0
    ? { kind: 'elementwise' }
    : { kind: 'axes', data: [0], place: attribute('axis', 1), keepsRank: true };
};

const pad: Rule = (node, opset) => {
  if (opset < 2) return undefined;
  if (opset < 11) return { kind: 'per-axis', data: [0], place: attribute('pads') };
  if (node.inputs[3] != null) return { kind: 'axes', data: [0], place: input(3), keepsRank: true };
  return { kind: 'per-axis', data: [0], place: input(1) };
};

/** Of the axes that starts and ends speak of; without them, of the first, in order. */
const slice: Rule = (node, opset) => {
  const place = opset >= 10 ? (node.inputs[3] == null ? undefined : input(3)) : attribute('axes');
  const isNamed = place?.kind === 'input' || node.attributes.has('axes');
  return place !== undefined && isNamed ? { kind: 'axes', data: [0], place, keepsRank: true } : undefined;
};

const split: Rule = (node, opset) => (opset < 2 ? undefined : alongAxes(attribute('axis', 0))(node, opset));

const operators: Readonly<Record<string, Rule>> = {
  ReduceL1: reduction,
  ReduceL2: reduction,
  ReduceLogSum: reduction,
  ReduceLogSumExp: reduction,
  ReduceMax: reduction,
  ReduceMean: reduction,
  ReduceMin: reduction,
  ReduceProd: reduction,
  ReduceSum: reduction,
  ReduceSumSquare: reduction,
  ArgMax: arg,
  ArgMin: arg,
  Softmax: softmax,
  LogSoftmax: softmax,
  Hardmax: softmax,
  LpNormalization: alongAxes(attribute('axis', -1)),
  CumProd: alongAxes(input(1)),
  CumSum: alongAxes(input(1)),
  TopK: alongAxes(attribute('axis', -1)),
  Concat: (node, opset) =>
    opset < 4 && !node.attributes.has('axis')
      ? alongAxes(attribute('axis', 1), { data: 'all' })(node, opset)
      : alongAxes(attribute('axis'), { data: 'all' })(node, opset),
  GatherElements: alongAxes(attribute('axis', 0), { data: [0, 1] }),
  Split: split,
  Slice: slice,
  Squeeze: squeezed,
  Unsqueeze: squeezed,
  Pad: pad,
  Tile: (node, opset) => (opset < 6 ? undefined : perAxis(input(1))(node, opset)),
  QuantizeLinear: quantized,
  DequantizeLinear: quantized,
};

/**
 * How a node commutes with a Transpose on its data inputs; undefined where it does not, or where that is not certain.
 * It speaks of the node as it stands: the caller has still to know the axes or entries, a constant where an input
 * holds them, and to take those from the end as axes of the right rank.
 */
export function transposeCommutes(node: Node): TransposeCommutation | undefined {
  const traits = nodeTraits(node);
  if (traits === undefined) return undefined;
  if (traits.elementwise !== undefined) return oldBroadcast(node) ? undefined : { kind: 'elementwise' };
  if (calledFunction(node) !== undefined || (node.domain !== '' && node.domain !== 'ai.onnx')) return undefined;
  const rule = Object.hasOwn(operators, node.opType) ? operators[node.opType] : undefined;
  return rule?.(node, opsetVersion(node.graph, node.domain) ?? 1);
}

/** Before opset 7 operands did not broadcast from the last axis on, but from the one that an attribute names. */
const oldBroadcast = (node: Node): boolean => node.attributes.has('broadcast') || node.attributes.has('axis');
