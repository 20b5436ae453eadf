import { asDim, type Dim, floorDiv, mul, provablyDifferent } from '../../dim.js';
import { tensorData } from '../../tensor.js';
import { formatShape, type Shape } from '../../value_type.js';
import { normalAxes } from './axes.js';
import type { InferenceContext, InferenceRules } from './context.js';
import { maxRank, unknownShape } from './rank.js';

/** Resize since 11: X, roi, scales, sizes. Resize 10 and Upsample 9: X, scales. Upsample before: attributes. */
function inferResize(context: InferenceContext): void {
  const dtype = context.dtype(0);
  context.setTensor(0, dtype);
  const isOld = context.node.opType === 'Upsample' || context.opset < 11;
  const scales = isOld ? oldScales(context) : scalesOf(context, 2);
  const sizes = isOld || vectorLength(context, 3) === 0 ? undefined : context.content(3)?.elements.map(toSize);
  const isSized = sizes !== undefined || (!isOld && context.has(3) && vectorLength(context, 3) !== 0);
  const length = isSized ? vectorLength(context, 3) : (scales?.length ?? vectorLength(context, isOld ? 1 : 2));
  const asked = isOld ? undefined : context.ints('axes', undefined);
  const x = context.shape(0) ?? (asked === undefined ? unknownShape(length) : undefined);
  if (x === undefined || x.length > maxRank) return;
  const axes = normalAxes(asked ?? [...x.keys()], x.length);
  if (axes === undefined || provablyDifferent(length, axes.length)) {
    context.fail('infer/axis', `${formatShape(x)} is resized along ${length ?? 'some'} axes, [${asked ?? 'all'}]`);
    return;
  }
  if (sizes?.includes('negative') || (!isSized && scales?.some((scale) => scale !== undefined && !(scale > 0)))) {
    context.fail('infer/negative-size', 'a size to resize to is below 0, or a scale not above it');
    return;
  }
  const resized = isSized ? sizedAxes(context, x, axes, sizes) : scaledAxes(context, x, axes, scales);
  const shape = [...x];
  for (const [index, axis] of axes.entries()) shape[axis] = resized?.[index];
  context.setTensor(0, dtype, shape);
}

const toSize = (element: Parameters<typeof asDim>[0]): Dim | 'negative' | undefined =>
  typeof element === 'number' && element < 0 ? 'negative' : asDim(element);

/** How many elements a vector has; the standard takes an empty one as not given. */
function vectorLength(context: InferenceContext, index: number): Dim | undefined {
  const shape = context.shape(index);
  return shape?.length === 1 ? shape[0] : undefined;
}

type Scales = readonly (number | undefined)[];

function oldScales(context: InferenceContext): Scales | undefined {
  if (context.node.opType !== 'Upsample' || context.opset >= 9) return scalesOf(context, 1);
  if (context.opset >= 7) return context.floats('scales', undefined);
  const height = context.float('height_scale', undefined);
  const width = context.float('width_scale', undefined);
  return height === undefined || width === undefined ? undefined : [1, 1, height, width];
}

function scalesOf(context: InferenceContext, index: number): Scales | undefined {
  const tensor = context.constant(index);
  if (tensor?.dtype === 'float' && tensor.dims.length === 1 && tensor.byteLength <= 4 * maxRank) {
    return Array.from(tensorData(tensor), Number);
  }
  const known = context.floatContent(index);
  if (known?.dtype !== 'float' || known.dims.length !== 1) return undefined;
  return known.elements.map((element) => (typeof element === 'number' ? element : undefined));
}

/** The sizes themselves, or with an aspect ratio to keep the sizes nearest to them. */
function sizedAxes(
  context: InferenceContext,
  x: Shape,
  axes: readonly number[],
  sizes: readonly (Dim | 'negative' | undefined)[] | undefined,
): readonly (Dim | undefined)[] | undefined {
  const known = sizes?.map((size) => (size === 'negative' ? undefined : size));
  const policy = context.string('keep_aspect_ratio_policy', 'stretch');
  if (policy === 'stretch') return known;
  // ONNX Runtime does not keep the ratio of axes counted from the end.
  if (context.ints('axes', []).some((axis) => axis < 0)) return undefined;
  const ratios = axes.map((axis, index) => ratio(known?.[index], x[axis]));
  if (!ratios.every((each) => each !== undefined) || (policy !== 'not_larger' && policy !== 'not_smaller')) {
    return undefined;
  }
  const scale = policy === 'not_larger' ? Math.min(...ratios) : Math.max(...ratios);
  return axes.map((axis) => rounded(x[axis], scale));
}

const ratio = (size: Dim | undefined, original: Dim | undefined): number | undefined =>
  typeof size === 'number' && typeof original === 'number' && original > 0 ? size / original : undefined;

/** size · scale, rounded (ONNX `Resize` 18); undefined where arithmetic in float32 may round another way. */
function rounded(size: Dim | undefined, scale: number): number | undefined {
  if (typeof size !== 'number') return undefined;
  const exact = size * scale;
  if (Math.fround(scale) === scale && Math.fround(exact) === exact) return Math.floor(exact + 0.5);
  const isNearHalf = Math.abs(exact - Math.floor(exact) - 0.5) <= exact * 2 ** -20;
  return isNearHalf || !Number.isSafeInteger(Math.round(exact)) ? undefined : Math.round(exact);
}

function scaledAxes(
  context: InferenceContext,
  x: Shape,
  axes: readonly number[],
  scales: Scales | undefined,
): readonly (Dim | undefined)[] | undefined {
  // The standard multiplies by the size of the region as well, runtimes do not.
  if (context.string('coordinate_transformation_mode', 'half_pixel') === 'tf_crop_and_resize') return undefined;
  return axes.map((axis, index) => scaled(x[axis], scales?.[index]));
}

/** floor(size · scale) (ONNX `Resize`); undefined where arithmetic in float32 comes to another result. */
function scaled(size: Dim | undefined, scale: number | undefined): Dim | undefined {
  if (size === undefined || scale === undefined || scale === 1) return scale === 1 ? size : undefined;
  if (typeof size === 'number') {
    const exact = Math.floor(size * scale);
    const isSure = Number.isSafeInteger(exact) && Math.floor(Math.fround(Math.fround(size) * scale)) === exact;
    return isSure ? exact : undefined;
  }
  for (let divisor = 1; divisor <= 256; divisor *= 2) {
    // Products below 2^24 are exact in float32.
    if (Number.isInteger(scale * divisor) && scale * divisor <= 256) {
      return asDim(floorDiv(mul(size, scale * divisor), divisor));
    }
  }
  return undefined;
}

export const resizeRules: InferenceRules = { Resize: inferResize, Upsample: inferResize };
