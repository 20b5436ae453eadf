import { add, asDim, ceilDiv, type Dim, type Expr, floorDiv, max, mul, sub } from '../../dim.js';
import type { InferenceContext } from './context.js';

/** Kernel, strides, dilations and pads of a windowed operator, one entry a spatial axis. */
export type Window = {
  readonly kernel: readonly (Dim | undefined)[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly pads: readonly number[];
  readonly autoPad: string;
};

/** Reads the attributes of a window over `rank` axes; undefined, and reported, where their lengths do not fit. */
export function readWindow(context: InferenceContext, kernel: readonly (Dim | undefined)[]): Window | undefined {
  const rank = kernel.length;
  const ones = kernel.map(() => 1);
  const strides = context.ints('strides', ones);
  const dilations = context.ints('dilations', ones);
  const pads = context.ints(
    'pads',
    [...ones, ...ones].map(() => 0),
  );
  const fits = strides.length === rank && dilations.length === rank && pads.length === 2 * rank;
  if (!fits || strides.some((s) => s < 1) || dilations.some((d) => d < 1)) {
    context.fail('infer/window', `strides, dilations or pads do not fit ${rank} spatial axes`);
    return undefined;
  }
  return { kernel, strides, dilations, pads, autoPad: context.string('auto_pad', 'NOTSET') };
}

/**
 * Size along one axis: floor or ceil((size + pads − (dilation·(kernel − 1) + 1)) / stride) + 1; with SAME padding
 * ceil(size / stride). In ceil mode a last window that starts in the right padding is dropped (ONNX pooling).
 */
export function windowOutput(
  size: Dim | undefined,
  { kernel, strides, dilations, pads, autoPad }: Window,
  axis: number,
  ceilMode: boolean,
): Dim | undefined {
  const k = kernel[axis];
  const stride = strides[axis]!;
  if (size === undefined) return undefined;
  if (autoPad === 'SAME_UPPER' || autoPad === 'SAME_LOWER') return asDim(ceilDiv(size, stride));
  if (k === undefined) return undefined;
  const before = autoPad === 'VALID' ? 0 : pads[axis]!;
  const after = autoPad === 'VALID' ? 0 : pads[axis + kernel.length]!;
  const extent = add(mul(dilations[axis]!, sub(k, 1)), 1);
  const free = sub(add(size, before + after), extent);
  const steps: Expr | undefined = ceilMode ? ceilDiv(free, stride) : floorDiv(free, stride);
  const result = asDim(add(steps, 1));
  if (!ceilMode || result === undefined) return result;
  if (typeof result !== 'number' || typeof size !== 'number') return undefined;
  return (result - 1) * stride >= size + before ? result - 1 : result;
}

/** The size of a convolution transposed: stride·(size − 1) + output_padding + dilation·(kernel − 1) + 1 − pads. */
export function transposedOutput(
  size: Dim | undefined,
  { kernel, strides, dilations, pads, autoPad }: Window,
  axis: number,
  outputPadding: number,
): Dim | undefined {
  const k = kernel[axis];
  const stride = strides[axis]!;
  if (size === undefined) return undefined;
  if (autoPad === 'SAME_UPPER' || autoPad === 'SAME_LOWER') return asDim(mul(size, stride));
  if (k === undefined) return undefined;
  const cut = autoPad === 'VALID' ? 0 : pads[axis]! + pads[axis + kernel.length]!;
  const extent = add(mul(dilations[axis]!, sub(k, 1)), 1);
  return asDim(add(add(mul(stride, sub(size, 1)), outputPadding - cut), extent));
}

/** A size that is certainly not below 0. */
export const atLeastZero = (size: Expr | undefined): Dim | undefined => asDim(max(size, 0));
