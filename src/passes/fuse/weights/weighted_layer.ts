import { getFloat, getInt, getInts } from '../../../ir/attribute.js';
import { type Node, opsetVersion, type Value } from '../../../ir/graph.js';
import {
  type FloatType,
  isFloatType,
  isInRange,
  isNormal,
  numbersOf,
  numbersTensor,
} from '../../rewrite/float_numbers.js';
import type { Constant } from '../../rewrite/pattern.js';
import type { CheckContext, ReplacementBuilder } from '../../rewrite/rewrite.js';

/** A convolution or matrix product with constant weights, as patterns capture it: Conv, ConvTranspose, Gemm, MatMul. */
export type WeightedLayer = {
  readonly layer: Node;
  readonly x: Value;
  readonly weight: Constant;
  readonly bias: Constant | null;
};

/** y = factor · x + shift, one pair a channel. */
export type ChannelAffine = { readonly factor: readonly number[]; readonly shift: readonly number[] };

/** What goes into the weights: `before` is applied to the input's channels, `after` to the output's. */
export type Folding = { readonly before?: ChannelAffine; readonly after?: ChannelAffine };

/**
 * Weights as [rows, columns, inner]: how many channels go in and come out, and which of them a weight connects. Rows are
 * the channels of one side; columns those of the other, of the group that the row belongs to.
 */
export type WeightLayout = {
  readonly rows: number;
  readonly columns: number;
  readonly inner: number;
  readonly group: number;
  readonly rowsAreOutputs: boolean;
  readonly inputs: number;
  readonly outputs: number;
};

export const isConvolution = ({ opType }: Node): boolean => opType === 'Conv' || opType === 'ConvTranspose';

/**
 * Conv: [M, C/g, …]; ConvTranspose: [C, M/g, …], C divided among the groups; Gemm: [K, N], or [N, K] with transB;
 * MatMul: [K, N]. undefined where the weights have another shape.
 */
export function weightLayout({ layer, weight }: WeightedLayer): WeightLayout | undefined {
  const { dims } = weight.tensor;
  const [rows = 0, columns = 0] = dims;
  if (dims.includes(0)) return undefined;
  const inner = dims.slice(2).reduce((product, dim) => product * dim, 1);
  const layout = (rowsAreOutputs: boolean, group: number): WeightLayout => {
    const [inputs, outputs] = rowsAreOutputs ? [columns * group, rows] : [rows, columns * group];
    return { rows, columns, inner, group, rowsAreOutputs, inputs, outputs };
  };
  if (!isConvolution(layer)) {
    if (dims.length !== 2) return undefined;
    return layout(layer.opType === 'Gemm' && getInt(layer, 'transB', 0) !== 0, 1);
  }
  const group = getInt(layer, 'group', 1);
  const kernel = getInts(layer, 'kernel_shape', undefined);
  if (dims.length < 3 || group < 1 || rows % group !== 0) return undefined;
  if (kernel !== undefined && kernel.length !== dims.length - 2) return undefined;
  return layout(layer.opType === 'Conv', group);
}

/** Why nothing can go into the layer's weights, or undefined. */
export function foldingObstacle(match: WeightedLayer, { maxGrowthBytes }: CheckContext): string | undefined {
  const { layer, weight, bias } = match;
  const { dtype } = weight.tensor;
  if (layer.opType === 'Gemm' && (opsetVersion(layer.graph, layer.domain) ?? 7) < 7) {
    return 'Gemm broadcasts by an attribute before opset 7';
  }
  if (!isFloatType(dtype)) return 'weights are not floating-point numbers';
  if (bias !== null && bias.tensor.dtype !== dtype) return 'weights and bias are of two types';
  const layout = weightLayout(match);
  if (layout === undefined) return 'the shape of the weights does not fit the layer';
  if (bias !== null && !isBias(match, bias, layout.outputs)) return 'not one value per output channel';
  const shared = weight.value.uses.size > 1 && weight.tensor.byteLength > maxGrowthBytes;
  return shared ? 'the weights are shared' : undefined;
}

/** [M] of a convolution; what broadcasts along the last axis of a matrix product: one number, [N] or [1, N]. */
function isBias({ layer }: WeightedLayer, { tensor: { dims } }: Constant, channels: number): boolean {
  if (isConvolution(layer)) return dims.length === 1 && dims[0] === channels;
  return dims.length <= 2 && dims.every((dim, axis) => dim === 1 || (axis === dims.length - 1 && dim === channels));
}

/** Whether something reads the layer's result beside the one who matched it: cheaper to ask before numbers are computed. */
export const isReadElsewhere = ({ layer }: Pick<WeightedLayer, 'layer'>): boolean => layer.outputs[0]!.uses.size > 1;

/** The first channel of the other side that a row is connected with. */
const firstOf = ({ rows, columns, group }: WeightLayout, row: number): number =>
  Math.floor((row * group) / rows) * columns;

type Numbers = { readonly weight: Float64Array; readonly bias: Float64Array };

/** Weights and bias with `folding` and, of Gemm, alpha and beta in them. */
function foldedNumbers(match: WeightedLayer, { before, after }: Folding): Numbers {
  const { layer, weight, bias } = match;
  const layout = weightLayout(match)!;
  const isGemm = layer.opType === 'Gemm';
  const alpha = isGemm ? getFloat(layer, 'alpha', 1) : 1;
  const beta = isGemm ? getFloat(layer, 'beta', 1) : 1;
  const given = bias === null ? undefined : numbersOf(bias.tensor);
  const shifts = Float64Array.from(
    { length: layout.outputs },
    (_, channel) => beta * (given?.[given.length === 1 ? 0 : channel] ?? 0),
  );
  const weights = new Float64Array(numbersOf(weight.tensor));
  const { rows, columns, inner, rowsAreOutputs } = layout;
  const [ofRow, ofColumn] = rowsAreOutputs ? [after?.factor, before?.factor] : [before?.factor, after?.factor];
  for (let row = 0, index = 0; row < rows; row += 1) {
    const first = firstOf(layout, row);
    const rowFactor = alpha * (ofRow?.[row] ?? 1);
    for (let other = first; other < first + columns; other += 1) {
      const factor = rowFactor * (ofColumn?.[other] ?? 1);
      const [input, output] = rowsAreOutputs ? [other, row] : [row, other];
      const shift = alpha * (before?.shift[input] ?? 0);
      for (const end = index + inner; index < end; index += 1) {
        if (shift !== 0) shifts[output]! += weights[index]! * shift;
        weights[index]! *= factor;
      }
    }
  }
  const biases = shifts.map((shift, channel) =>
    after === undefined ? shift : shift * after.factor[channel]! + after.shift[channel]!,
  );
  return { weight: weights, bias: biases };
}

/**
 * Why the folded numbers are not as good as the given ones in the type they are kept in: one is out of range, or all
 * weights of a channel sink where the type has fewer digits. Small weights beside larger ones may: what they lose is
 * less than what the rounding of the larger ones loses.
 */
export function roundingObstacle(match: WeightedLayer, folding: Folding): string | undefined {
  const { weight: old } = match;
  const dtype = old.tensor.dtype as FloatType;
  const layout = weightLayout(match)!;
  const { weight, bias } = foldedNumbers(match, folding);
  if (![...bias].every((value) => isInRange(dtype, value))) return `the bias leaves the range of ${dtype}`;
  const given = numbersOf(old.tensor);
  const largest = new Float64Array(layout.outputs);
  const wasNormal = new Uint8Array(layout.outputs);
  const { rows, columns, inner, rowsAreOutputs } = layout;
  for (let row = 0, index = 0; row < rows; row += 1) {
    const first = firstOf(layout, row);
    for (let other = first; other < first + columns; other += 1) {
      const channel = rowsAreOutputs ? row : other;
      for (const end = index + inner; index < end; index += 1) {
        const size = Math.abs(weight[index]!);
        // Not `>`: NaN leaves the range too.
        if (!(size <= largest[channel]!)) {
          if (!isInRange(dtype, size)) return `a weight leaves the range of ${dtype}`;
          largest[channel] = size;
        }
        if (wasNormal[channel] === 0 && isNormal(dtype, given[index]!)) wasNormal[channel] = 1;
      }
    }
  }
  const zeroed = (channel: number) => folding.after?.factor[channel] === 0 || folding.before?.factor.includes(0);
  const sinks = [...largest.entries()].some(
    ([channel, size]) => wasNormal[channel] === 1 && !isNormal(dtype, size) && !(size === 0 && zeroed(channel)),
  );
  return sinks ? `the weights of a channel become too small for ${dtype}` : undefined;
}

/**
 * The layer with `folding` in its weights: computed in double precision, rounded once. A bias is made where the layer
 * can have one and the folding asks for it; of MatMul, `folding` shifts nothing, unless it becomes the `opType` Gemm.
 */
export function foldedLayer(
  match: WeightedLayer,
  folding: Folding,
  build: ReplacementBuilder,
  opType = match.layer.opType,
): Value {
  const { layer, x, weight, bias } = match;
  const dtype = weight.tensor.dtype as FloatType;
  const numbers = foldedNumbers(match, folding);
  const name = (part: Constant | null, fallback: string) => part?.value.name ?? `${layer.name || 'layer'}.${fallback}`;
  const inputs = [x, build.constant(numbersTensor(dtype, numbers.weight, weight.tensor.dims), name(weight, 'weight'))];
  const shifts =
    bias !== null || [folding.before, folding.after].some((part) => part?.shift.some((value) => value !== 0));
  if (shifts)
    inputs.push(build.constant(numbersTensor(dtype, numbers.bias, [numbers.bias.length]), name(bias, 'bias')));
  const attributes = [...layer.attributes.values()].filter(({ name: key }) => key !== 'alpha' && key !== 'beta');
  return build.op(opType, inputs, { attributes, name: layer.name });
}
