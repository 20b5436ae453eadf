import { add, asDim, type Dim, type Expr, mul, provablyAtLeast, provablyDifferent, sub } from '../../dim.js';
import { formatShape } from '../../value_type.js';
import type { InferenceContext, InferenceRules } from './context.js';
import { biasSize } from './convolution.js';
import { kernelOfWeights } from './convolution_kernel.js';
import { agreedSize, attributeSize } from './sizes.js';
import { isSame, readWindow, type Window, windowExtent, windowPads } from './spatial.js';

/** Which inputs a transposed convolution reads; `pads` where it is an input that replaces the attribute. */
type Layout = { readonly bias: number; readonly pads?: number };

/** [N, C, …] with weights [C, M/group, …] => [N, M, …] */
function inferConvTranspose(context: InferenceContext, layout: Layout): void {
  const dtype = context.dtype(0);
  context.setTensor(0, dtype);
  const x = context.shape(0);
  const w = context.shape(1);
  const kernel = kernelOfWeights(context, x, w);
  const window = kernel && readWindow(context, kernel);
  if (window === undefined) return;
  const group = context.int('group', 1);
  if (group < 1 || provablyDifferent(x?.[1], w?.[0])) {
    context.fail('infer/channels', `weights ${formatShape(w)} in ${group} groups do not fit ${formatShape(x)}`);
    return;
  }
  const features = agreedSize([asDim(mul(w?.[1], group)), biasSize(context, layout.bias)]);
  if (features === 'conflict') {
    context.fail('infer/channels', 'there are not as many biases as output channels');
    return;
  }
  const spatial = spatialSizes(context, x?.slice(2) ?? kernel!.map(() => undefined), window, layout);
  if (spatial !== undefined) context.setTensor(0, dtype, [x?.[0], features, ...spatial]);
}

function spatialSizes(
  context: InferenceContext,
  sizes: readonly (Dim | undefined)[],
  window: Window,
  { pads }: Layout,
): readonly (Dim | undefined)[] | undefined {
  const rank = sizes.length;
  const zeros = sizes.map(() => 0);
  const padding = context.ints('output_padding', zeros);
  const asked = context.ints('output_shape', zeros.slice(rank));
  if (padding.length !== rank || padding.some((size) => size < 0)) {
    context.fail('infer/window', `output_padding does not fit ${rank} spatial axes`);
    return undefined;
  }
  if (asked.length > 0) {
    // Batch and channels do not belong there, yet older exporters wrote them.
    const spatial = asked.length === rank + 2 ? asked.slice(2) : asked;
    if (spatial.length === rank && spatial.every((size) => size >= 0)) return spatial.map(attributeSize);
    context.fail('infer/window', `output_shape does not fit ${rank} spatial axes`);
    return undefined;
  }
  const padded = pads === undefined || !context.has(pads) ? window : withPads(window, context.numbers(pads));
  if (padded === undefined) return sizes.map(() => undefined);
  const outputs = sizes.map((size, axis) => transposedOutput(size, padded, axis, padding[axis]!));
  if (outputs.some((size, axis) => provablyAtLeast(sizes[axis], 1) && provablyAtLeast(-1, size))) {
    context.fail('infer/window', 'the pads take away more than there is');
    return undefined;
  }
  return outputs.map(asDim);
}

const withPads = (window: Window, pads: readonly number[] | undefined): Window | undefined =>
  pads?.length === 2 * window.kernel.length && window.autoPad === 'NOTSET' ? { ...window, pads } : undefined;

/**
 * The size along one axis: stride·(size − 1) + output_padding + dilation·(kernel − 1) + 1 − pads (ONNX
 * `ConvTranspose`). With auto_pad SAME stride·size, where that takes no pads below 0; with output_padding the
 * standard and its runtimes differ.
 */
function transposedOutput(size: Dim | undefined, window: Window, axis: number, padding: number): Expr | undefined {
  const stride = window.strides[axis]!;
  const extent = windowExtent(window, axis);
  if (isSame(window)) {
    return padding === 0 && provablyAtLeast(extent, stride) ? mul(size, stride) : undefined;
  }
  const [before, after] = windowPads(window, axis);
  return sub(sub(add(add(mul(stride, sub(size, 1)), padding), extent), before), after);
}

export const transposedConvolutionRules: InferenceRules = {
  ConvTranspose: (context) => inferConvTranspose(context, { bias: 2 }),
  'com.microsoft:ConvTransposeWithDynamicPads': (context) => inferConvTranspose(context, { bias: 3, pads: 2 }),
};
