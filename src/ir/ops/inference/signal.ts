import { dataTypeOfCode } from '../../data_type.js';
import { add, asDim, type Dim, type Expr, floorDiv, mul, sub } from '../../dim.js';
import type { Shape } from '../../value_type.js';
import type { InferenceContext, InferenceRules } from './context.js';

/** HannWindow, HammingWindow, BlackmanWindow: [size] */
function window(context: InferenceContext): void {
  context.setTensor(0, dataTypeOfCode(context.int('output_datatype', 1)), [asDim(scalar(context, 0))]);
}

/** [floor(dft_length / 2) + 1, num_mel_bins] */
function melWeightMatrix(context: InferenceContext): void {
  const dtype = dataTypeOfCode(context.int('output_datatype', 1));
  context.setTensor(0, dtype, [asDim(oneSided(scalar(context, 1))), asDim(scalar(context, 0))]);
}

/**
 * The axis becomes as long as the transform, which is `dft_length` or the axis itself; one-sided, half of it and 1 more.
 * The last axis holds real and imaginary parts. A one-sided inverse gives real numbers, by default 2·(n − 1) of them.
 */
function dft(context: InferenceContext): void {
  const shape = context.shape(0);
  const dtype = context.dtype(0);
  context.setTensor(0, dtype);
  if (shape === undefined) return;
  const inverse = context.int('inverse', 0) !== 0;
  const onesided = context.int('onesided', 0) !== 0;
  const parts = inverse && onesided ? 1 : 2;
  const given = dftAxis(context);
  const axis = given !== undefined && given < 0 ? given + shape.length : given;
  if (shape.length < 2 || (axis !== undefined && (axis < 0 || axis >= shape.length - 1))) {
    context.fail('infer/axis', `a transform along axis ${given ?? '?'} does not fit rank ${shape.length}`);
    return;
  }
  const signal = shape.slice(0, -1);
  const sameLength = !context.has(1) && !onesided;
  const transformed: Shape =
    axis === undefined
      ? signal.map((dim) => (sameLength ? dim : undefined))
      : signal.with(axis, transformLength(context, signal[axis], inverse, onesided));
  context.setTensor(0, dtype, [...transformed, parts]);
}

/** An attribute before opset 20, an input since. */
function dftAxis(context: InferenceContext): number | undefined {
  if (context.opset < 20) return context.int('axis', 1);
  return context.has(2) ? context.numbers(2)?.[0] : -2;
}

function transformLength(
  context: InferenceContext,
  dim: Dim | undefined,
  inverse: boolean,
  onesided: boolean,
): Dim | undefined {
  const byDefault = inverse && onesided ? mul(2, sub(dim, 1)) : dim;
  const length = context.has(1) ? scalar(context, 1) : byDefault;
  return asDim(onesided && !inverse ? oneSided(length) : length);
}

/** [batch, signal, 1 or 2] => [batch, floor((signal − frame) / step) + 1, frame or floor(frame / 2) + 1, 2] */
function stft(context: InferenceContext): void {
  const dtype = context.dtype(0);
  const shape = context.shape(0);
  context.setTensor(0, dtype);
  if (shape !== undefined && shape.length !== 3) {
    context.fail('infer/rank', `STFT takes rank 3, not ${shape.length}`);
    return;
  }
  const frame = context.has(3) ? scalar(context, 3) : context.has(2) ? context.shape(2)?.[0] : shape?.[1];
  const frames = add(floorDiv(sub(shape?.[1], frame), scalar(context, 1)), 1);
  const bins = context.int('onesided', 1) !== 0 ? oneSided(frame) : frame;
  context.setTensor(0, dtype, [shape?.[0], asDim(frames), asDim(bins), 2]);
}

/** […, n] for even n => […, n / 2 + 1, 2]. Of a signal of several axes only the rank is stated. */
function realTransform(context: InferenceContext): void {
  const signal = realSignal(context, 1);
  if (signal === undefined) return;
  const { shape, axes } = signal;
  const bins = axes === 1 ? [...shape.slice(0, -1), asDim(oneSided(shape.at(-1)))] : shape.map(() => undefined);
  context.setTensor(0, context.dtype(0), [...bins, 2]);
}

/** […, n / 2 + 1, 2] => […, n] */
function realTransformInverse(context: InferenceContext): void {
  const signal = realSignal(context, 2);
  if (signal === undefined) return;
  const bins = signal.shape.slice(0, -1);
  const length = asDim(mul(2, sub(bins.at(-1), 1)));
  const shape = signal.axes === 1 ? bins.with(-1, length) : bins.map(() => undefined);
  context.setTensor(0, context.dtype(0), shape);
}

/** The shape of input 0 and how many axes the signal has in it; undefined, and reported, below `least` axes. */
function realSignal(context: InferenceContext, least: number): { shape: Shape; axes: number } | undefined {
  const shape = context.shape(0);
  context.setTensor(0, context.dtype(0));
  if (shape === undefined) return undefined;
  if (shape.length >= least) return { shape, axes: context.int('signal_ndim', 1) };
  context.fail('infer/rank', `${context.node.opType} takes ${least} axes or more, not ${shape.length}`);
  return undefined;
}

const oneSided = (length: Expr | undefined): Expr | undefined => add(floorDiv(length, 2), 1);

/** [height, width, channels] */
function imageDecoder(context: InferenceContext): void {
  const format = context.string('pixel_format', 'RGB');
  const channels = format === 'RGB' || format === 'BGR' ? 3 : format === 'Grayscale' ? 1 : undefined;
  context.setTensor(0, 'uint8', [undefined, undefined, channels]);
}

/** The one element of an input. */
function scalar(context: InferenceContext, index: number): Expr | undefined {
  const known = context.content(index);
  return known?.elements.length === 1 ? known.elements[0] : undefined;
}

export const signalRules: InferenceRules = {
  HannWindow: window,
  HammingWindow: window,
  BlackmanWindow: window,
  MelWeightMatrix: melWeightMatrix,
  DFT: dft,
  STFT: stft,
  ImageDecoder: imageDecoder,
  'com.microsoft:Rfft': realTransform,
  'com.microsoft:Irfft': realTransformInverse,
};
