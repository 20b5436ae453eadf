import {
  add,
  asDim,
  ceilDiv,
  type Dim,
  dimEquals,
  type Expr,
  min,
  mul,
  provablyAtLeast,
  provablyDifferent,
  sub,
} from '../../dim.js';
import { formatShape, type Shape } from '../../value_type.js';
import type { InferenceContext, InferenceRule, InferenceRules } from './context.js';
import { maxRank, unknownShape } from './rank.js';
import {
  channelsFirst,
  channelsLast,
  isSame,
  isWindowTooLarge,
  readWindow,
  type Window,
  windowExtent,
  windowFreedom,
  windowOutput,
  windowPads,
} from './spatial.js';

/** [N, C, …] => [N, C, …′], with a window as the attributes describe it; MaxPool also gives indices of that shape. */
function inferPool(context: InferenceContext, isChannelsLast = false): void {
  const shape = pooledShape(context, isChannelsLast ? channelsFirst(context.shape(0)) : context.shape(0));
  const ordered = shape && isChannelsLast ? channelsLast(shape) : shape;
  context.setTensor(0, context.dtype(0), ordered);
  if (context.node.opType === 'MaxPool') context.setTensor(1, 'int64', ordered);
}

function pooledShape(context: InferenceContext, x: Shape | undefined): Shape | undefined {
  const kernel = context.ints('kernel_shape', undefined);
  const rank = x?.length ?? (kernel && kernel.length + 2);
  if (rank === undefined || rank > maxRank) return undefined;
  if (rank < 3 || (kernel !== undefined && kernel.length !== rank - 2)) {
    context.fail('infer/kernel', `kernel_shape [${kernel?.slice(0, 8) ?? ''}] does not fit ${formatShape(x)}`);
    return undefined;
  }
  const shape = x ?? unknownShape(rank);
  // LpPool had a kernel of its own choice in opset 1.
  if (kernel === undefined) return shape?.map((size, axis) => (axis < 2 ? size : undefined));
  const window = readWindow(context, kernel);
  if (shape === undefined || window === undefined) return undefined;
  const isCeiled = context.int('ceil_mode', 0) === 1;
  const sizes = shape.slice(2);
  const isTooLarge = isCeiled
    ? sizes.some((size, axis) => provablyAtLeast(size, 1) && provablyAtLeast(0, ceiledCount(size, window, axis)))
    : isWindowTooLarge(sizes, window);
  if (isTooLarge) {
    context.fail('infer/window', `the window of ${formatShape(window.kernel)} is larger than the padded input`);
    return undefined;
  }
  const sizeAt = (size: Dim | undefined, axis: number): Dim | undefined =>
    isCeiled ? ceiledOutput(size, window, axis, context.opset) : flooredOutput(size, window, axis);
  return [shape[0], shape[1], ...sizes.map(sizeAt)];
}

/** With auto_pad SAME, runtimes leave dilations out where the standard does not. */
const flooredOutput = (size: Dim | undefined, window: Window, axis: number): Dim | undefined =>
  isSame(window) && window.dilations[axis] !== 1 && window.kernel[axis] !== 1
    ? undefined
    : windowOutput(size, window, axis);

/** ceil((size + pads − extent) / stride) + 1: the last window may reach past the padding. */
const ceiledCount = (size: Dim | undefined, window: Window, axis: number): Expr | undefined =>
  isSame(window)
    ? windowOutput(size, window, axis)
    : add(ceilDiv(windowFreedom(size, window, axis), window.strides[axis]!), 1);

/**
 * As many windows as `ceiledCount` has, but none that starts in the right padding, so at most
 * ceil((size + left pad) / stride) (ONNX `MaxPool` 22). Earlier versions of the standard count such a window and
 * runtimes do not: nothing is known where that makes a difference, nor of VALID, which the standard rounds down.
 */
function ceiledOutput(size: Dim | undefined, window: Window, axis: number, opset: number): Dim | undefined {
  if (isSame(window)) return flooredOutput(size, window, axis);
  const counted = asDim(ceiledCount(size, window, axis));
  if (counted === undefined || window.autoPad === 'VALID') {
    const floored = windowOutput(size, window, axis);
    return dimEquals(counted, floored) ? floored : undefined;
  }
  const [before, after] = windowPads(window, axis);
  const extent = windowExtent(window, axis);
  if (provablyAtLeast(sub(extent, after), window.strides[axis])) return counted;
  const starts = ceilDiv(add(size, before), window.strides[axis]);
  if (provablyAtLeast(starts, counted)) return counted;
  if (opset < 22) return undefined;
  // Only right pads below the extent leave no more than one window out, which all implementations do alike.
  return provablyAtLeast(extent, after) ? asDim(min(counted, starts)) : undefined;
}

const globalPool =
  (isChannelsLast: (context: InferenceContext) => boolean): InferenceRule =>
  (context) => {
    const shape = context.shape(0);
    if (shape !== undefined && shape.length < 2) {
      context.setTensor(0, context.dtype(0));
      context.fail('infer/rank', `${context.node.opType} takes two axes or more, not ${formatShape(shape)}`);
      return;
    }
    const channels = shape && isChannelsLast(context) ? shape.length - 1 : 1;
    const pooled = shape?.map((size, axis) => (axis === 0 || axis === channels ? size : 1));
    context.setTensor(0, context.dtype(0), pooled);
  };

/** stride·(size − 1) + kernel − pads along each axis, or the shape that input 2 asks for (ONNX `MaxUnpool`). */
function inferMaxUnpool(context: InferenceContext): void {
  const dtype = context.dtype(0);
  context.setTensor(0, dtype);
  const x = context.shape(0) ?? context.shape(1);
  const kernel = context.ints('kernel_shape', undefined);
  const asked = context.content(2)?.elements.map((element) => asDim(element));
  const rank = x?.length ?? (kernel && kernel.length + 2);
  if (rank === undefined || rank > maxRank) return;
  const lengths = [kernel && kernel.length + 2, asked?.length, context.shape(2)?.[0]];
  if (rank < 3 || lengths.some((length) => provablyDifferent(length, rank))) {
    context.fail('infer/kernel', `kernel_shape or output_shape do not fit ${formatShape(x)}`);
    return;
  }
  if (context.has(2)) {
    context.setTensor(0, dtype, asked ?? unknownShape(rank));
    return;
  }
  const window = kernel && readWindow(context, kernel);
  if (window === undefined) return;
  const spatial = kernel!.map((length, axis) => {
    const [before, after] = windowPads(window, axis);
    return sub(add(mul(window.strides[axis]!, sub(x?.[axis + 2], 1)), length), add(before, after));
  });
  if (spatial.some((size, axis) => provablyAtLeast(x?.[axis + 2], 1) && provablyAtLeast(-1, size))) {
    context.fail('infer/window', 'the pads take away more than there is');
    return;
  }
  context.setTensor(0, dtype, [x?.[0], x?.[1], ...spatial.map(asDim)]);
}

const isMarkedChannelsLast = (context: InferenceContext): boolean => context.int('channels_last', 0) !== 0;

export const poolingRules: InferenceRules = {
  MaxPool: (context) => inferPool(context),
  AveragePool: (context) => inferPool(context),
  LpPool: (context) => inferPool(context),
  MaxUnpool: inferMaxUnpool,
  GlobalAveragePool: globalPool(() => false),
  GlobalMaxPool: globalPool(() => false),
  GlobalLpPool: globalPool(() => false),
  'com.microsoft:MaxpoolWithMask': (context) => inferPool(context),
  'com.microsoft:NhwcMaxPool': (context) => inferPool(context, true),
  'com.microsoft:QLinearAveragePool': (context) => inferPool(context, isMarkedChannelsLast(context)),
  'com.microsoft:QLinearGlobalAveragePool': globalPool(isMarkedChannelsLast),
};
