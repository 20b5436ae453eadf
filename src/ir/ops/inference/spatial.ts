import { add, asDim, ceilDiv, type Dim, type Expr, floorDiv, mul, provablyAtLeast, sub } from '../../dim.js';
import type { Shape } from '../../value_type.js';
import type { InferenceContext } from './context.js';

const autoPads = ['NOTSET', 'SAME_UPPER', 'SAME_LOWER', 'VALID'] as const;

/** Kernel, strides, dilations and pads of a windowed operator, one entry a spatial axis, pads two. */
export type Window = {
  readonly kernel: readonly (Dim | undefined)[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly pads: readonly number[];
  readonly autoPad: (typeof autoPads)[number];
};

/** Reads the attributes of a window over the axes of `kernel`; undefined, and reported, where they do not fit. */
export function readWindow(context: InferenceContext, kernel: readonly (Dim | undefined)[]): Window | undefined {
  const strides = context.ints(
    'strides',
    kernel.map(() => 1),
  );
  const dilations = context.ints(
    'dilations',
    kernel.map(() => 1),
  );
  const pads = context.ints(
    'pads',
    kernel.flatMap(() => [0, 0]),
  );
  const word = context.string('auto_pad', '') || 'NOTSET';
  const autoPad = autoPads.find((each) => each === word);
  const rank = kernel.length;
  const fits = strides.length === rank && dilations.length === rank && pads.length === 2 * rank;
  const isSmall = [...kernel, ...strides, ...dilations].some((size) => typeof size === 'number' && size < 1);
  if (!fits || isSmall || pads.some((pad) => pad < 0)) {
    context.fail('infer/window', `kernel, strides, dilations or pads do not fit ${rank} spatial axes`);
    return undefined;
  }
  if (autoPad === undefined) {
    context.fail('infer/window', `auto_pad is none of ${autoPads.join(', ')}`);
    return undefined;
  }
  return isHuge([...kernel, ...strides, ...dilations, ...pads])
    ? undefined
    : { kernel, strides, dilations, pads, autoPad };
}

/** Attributes past 2^53 come saturated, so that nothing is known of what they make. */
const isHuge = (sizes: readonly (Dim | undefined)[]): boolean => sizes.includes(Number.MAX_SAFE_INTEGER);

export const isSame = ({ autoPad }: Window): boolean => autoPad === 'SAME_UPPER' || autoPad === 'SAME_LOWER';

/** How many elements the kernel spans with its dilation. */
export const windowExtent = ({ kernel, dilations }: Window, axis: number): Expr | undefined =>
  add(mul(dilations[axis]!, sub(kernel[axis], 1)), 1);

/** The pads before and after an axis; auto_pad VALID counts as none, SAME has none of its own. */
export const windowPads = ({ kernel, pads, autoPad }: Window, axis: number): readonly [number, number] =>
  autoPad === 'NOTSET' ? [pads[axis]!, pads[axis + kernel.length]!] : [0, 0];

/** How far the window can move along an axis; below 0 where the padded input is smaller than it. */
export function windowFreedom(size: Dim | undefined, window: Window, axis: number): Expr | undefined {
  const [before, after] = windowPads(window, axis);
  return sub(add(add(size, before), after), windowExtent(window, axis));
}

/** Whether some axis of the padded input, not empty itself, is certainly smaller than the window. */
export const isWindowTooLarge = (sizes: Shape, window: Window): boolean =>
  !isSame(window) &&
  sizes.some((size, axis) => provablyAtLeast(size, 1) && provablyAtLeast(-1, windowFreedom(size, window, axis)));

/**
 * The size along one axis: floor((size + pads − (dilation·(kernel − 1) + 1)) / stride) + 1; with auto_pad SAME
 * ceil(size / stride) (ONNX `Conv`).
 */
export function windowOutput(size: Dim | undefined, window: Window, axis: number): Dim | undefined {
  const stride = window.strides[axis]!;
  if (isSame(window)) return asDim(ceilDiv(size, stride));
  const freedom = windowFreedom(size, window, axis);
  return provablyAtLeast(-1, freedom) ? undefined : asDim(add(floorDiv(freedom, stride), 1));
}

/** [N, …, C] as [N, C, …], in which windows are counted. */
export const channelsFirst = (shape: Shape | undefined): Shape | undefined =>
  shape === undefined || shape.length < 2 ? shape : [shape[0], shape.at(-1), ...shape.slice(1, -1)];

/** [N, C, …] as [N, …, C]. */
export const channelsLast = (shape: Shape): Shape =>
  shape.length < 2 ? shape : [shape[0], ...shape.slice(2), shape[1]];
