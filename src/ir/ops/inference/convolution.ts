import type { DataType } from '../../data_type.js';
import { type Dim, mul, provablyDifferent } from '../../dim.js';
import { formatShape, type Shape } from '../../value_type.js';
import type { InferenceContext, InferenceRule, InferenceRules } from './context.js';
import { kernelOfWeights } from './convolution_kernel.js';
import { agreedSize } from './sizes.js';
import { channelsFirst, channelsLast, isWindowTooLarge, readWindow, type Window, windowOutput } from './spatial.js';

/** Which inputs a convolution reads, and in which order its images have their axes. Weights are [M, C/group, …]. */
type Layout = { readonly weight?: number; readonly bias?: number; readonly isChannelsLast?: boolean };

/** [N, C, …] with weights [M, C/group, …] => [N, M, …] */
function inferConv(
  context: InferenceContext,
  dtype: DataType | undefined,
  { weight = 1, bias = 2, isChannelsLast = false }: Layout = {},
): void {
  context.setTensor(0, dtype);
  const x = isChannelsLast ? channelsFirst(context.shape(0)) : context.shape(0);
  const w = context.shape(weight);
  const window = readConvolution(context, x, w);
  if (window === undefined) return;
  const features = agreedSize([w?.[0], biasSize(context, bias)]);
  if (features === 'conflict') {
    context.fail('infer/channels', 'there are not as many biases as output channels');
    return;
  }
  const shape = [x?.[0], features, ...window.kernel.map((_, axis) => windowOutput(x?.[axis + 2], window, axis))];
  context.setTensor(0, dtype, isChannelsLast ? channelsLast(shape) : shape);
}

/** The window of a convolution that fits its input; undefined where it does not, or where no rank is known. */
function readConvolution(context: InferenceContext, x: Shape | undefined, w: Shape | undefined): Window | undefined {
  const kernel = kernelOfWeights(context, x, w);
  const window = kernel && readWindow(context, kernel);
  if (window === undefined) return undefined;
  const group = context.int('group', 1);
  if (group < 1) {
    context.fail('infer/channels', `a convolution in ${group} groups`);
    return undefined;
  }
  if (provablyDifferent(x?.[1], mul(w?.[1], group))) {
    context.fail('infer/channels', `weights ${formatShape(w)} in ${group} groups do not fit ${formatShape(x)}`);
    return undefined;
  }
  if (x !== undefined && isWindowTooLarge(x.slice(2), window)) {
    context.fail('infer/window', `the window of ${formatShape(window.kernel)} is larger than the padded input`);
    return undefined;
  }
  return window;
}

/** As many elements as a bias has, which counts the output channels. */
export function biasSize(context: InferenceContext, index: number): Dim | undefined {
  const shape = context.shape(index);
  return shape?.length === 1 ? shape[0] : undefined;
}

/** The offsets [N, …, …out] have the batch and the size of the output. */
function inferDeformConv(context: InferenceContext): void {
  const dtype = context.dtype(0);
  inferConv(context, dtype, { bias: 3 });
  const [type] = context.types;
  const known = type?.kind === 'tensor' ? type.shape : undefined;
  const offsets = context.shape(2);
  if (known === undefined || offsets === undefined) return;
  const differs = (size: Dim | undefined, axis: number) => axis !== 1 && provablyDifferent(size, offsets[axis]);
  if (offsets.length !== known.length || known.some(differs)) {
    context.setTensor(0, dtype);
    context.fail('infer/offsets', `offsets ${formatShape(offsets)} do not fit a result ${formatShape(known)}`);
    return;
  }
  context.setTensor(
    0,
    dtype,
    known.map((size, axis) => (axis === 1 ? size : (size ?? offsets[axis]))),
  );
}

const isMarkedChannelsLast = (context: InferenceContext): boolean => context.int('channels_last', 0) !== 0;

const nhwc: InferenceRule = (context) => inferConv(context, context.dtype(0), { isChannelsLast: true });

export const convolutionRules: InferenceRules = {
  Conv: (context) => inferConv(context, context.dtype(0)),
  ConvInteger: (context) => inferConv(context, 'int32', { bias: -1 }),
  QLinearConv: (context) => inferConv(context, context.dtype(7), { weight: 3, bias: 8 }),
  DeformConv: inferDeformConv,
  'com.microsoft:FusedConv': (context) => inferConv(context, context.dtype(0)),
  'com.microsoft:NhwcConv': nhwc,
  'com.microsoft:NhwcFusedConv': nhwc,
  'com.microsoft:QLinearConv': (context) =>
    inferConv(context, context.dtype(7), { weight: 3, bias: 8, isChannelsLast: isMarkedChannelsLast(context) }),
};
