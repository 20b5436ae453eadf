import { add, asDim, type Dim, type Expr, upperBound } from '../../dim.js';
import { formatShape, type Shape, staticShape } from '../../value_type.js';
import { normalAxes } from './axes.js';
import { buildContent, elementOf } from './content_view.js';
import type { InferenceContext, InferenceRules } from './context.js';
import { unknownShape } from './rank.js';

/** Operators that add to the ends of axes, or take away from them. */
export const padRules: InferenceRules = {
  Pad: inferPad,
  CenterCropPad: inferCenterCropPad,
  'com.microsoft:Pad': inferPad,
};

type Pads = readonly (Expr | undefined)[];

/** What comes before and after one axis. */
type AxisPads = { readonly axis: number; readonly before: Expr | undefined; readonly after: Expr | undefined };

/** Pads below 0 take elements away. */
function inferPad(context: InferenceContext): void {
  const dtype = context.dtype(0);
  const shape = context.shape(0);
  const pads = padsOf(context);
  if (shape === undefined) {
    const hasAxes = versionOf(context) >= 18 && context.has(3);
    const count = pads?.length ?? padCount(context);
    context.setTensor(0, dtype, hasAxes || count === undefined ? undefined : unknownShape(Math.floor(count / 2)));
    return;
  }
  context.setTensor(
    0,
    dtype,
    shape.map(() => undefined),
  );
  const padded = paddedAxes(context, shape, pads);
  if (padded === undefined) return;
  const result: (Dim | undefined)[] = [...shape];
  const isPossible =
    padded !== 'conflict' &&
    padded.every(({ axis, before, after }) => {
      const size = add(add(shape[axis], before), after);
      result[axis] = before === 0 && after === 0 ? shape[axis] : asDim(size);
      return !((upperBound(size) ?? 0) < 0);
    });
  if (!isPossible) {
    context.setTensor(0, dtype);
    context.fail('infer/pads', `pads [${(pads ?? []).slice(0, 16).map(padText)}] do not fit ${formatShape(shape)}`);
    return;
  }
  context.setTensor(0, dtype, result);
  setPaddedContent(context, result, padded);
}

const padText = (pad: Expr | undefined): string => (typeof pad === 'object' ? pad.key : String(pad ?? '?'));

/** The version of the standard's operator that it works like: that of com.microsoft has inputs but no axes. */
const versionOf = ({ node, opset }: InferenceContext): number => (node.domain === 'com.microsoft' ? 11 : opset);

/** An attribute of two names before 11, since then input 1. */
function padsOf(context: InferenceContext): Pads | undefined {
  const version = versionOf(context);
  if (version >= 11) return context.content(1)?.elements;
  return context.ints(version < 2 ? 'paddings' : 'pads', undefined);
}

function padCount(context: InferenceContext): number | undefined {
  // That of com.microsoft may be [1, count].
  const count = versionOf(context) < 11 ? undefined : context.shape(1)?.at(-1);
  return typeof count === 'number' ? count : undefined;
}

/** Since 18 of the axes of input 3; undefined where it is not known which are padded. */
function paddedAxes(
  context: InferenceContext,
  shape: Shape,
  pads: Pads | undefined,
): readonly AxisPads[] | undefined | 'conflict' {
  const isSome = versionOf(context) >= 18 && context.has(3);
  const given = isSome ? context.numbers(3) : shape.map((_, axis) => axis);
  const axes = given && normalAxes(given, shape.length);
  const count = pads?.length ?? padCount(context);
  if (given !== undefined && (axes === undefined || (count !== undefined && count !== 2 * axes.length))) {
    return 'conflict';
  }
  return axes?.map((axis, index) => ({ axis, before: pads?.[index], after: pads?.[index + axes.length] }));
}

/** Filled up with one known element; the other modes repeat what is there, which no shape arithmetic does. */
function setPaddedContent(context: InferenceContext, shape: Shape, padded: readonly AxisPads[]): void {
  const known = context.content(0);
  const dims = staticShape(shape);
  if (known === undefined || dims === undefined || versionOf(context) < 11) return;
  if (context.string('mode', 'constant') !== 'constant') return;
  const fill = context.has(2) ? context.content(2)?.elements[0] : 0;
  const before = dims.map(() => 0);
  for (const pads of padded) {
    if (typeof pads.before !== 'number') return;
    before[pads.axis] = pads.before;
  }
  const isInside = (position: readonly number[]) =>
    position.every((index, axis) => index >= 0 && index < known.dims[axis]!);
  const filled = buildContent(known.dtype, dims, (coordinate) => {
    const position = coordinate.map((index, axis) => index - before[axis]!);
    return isInside(position) ? elementOf(known, position) : fill;
  });
  context.setContent(0, filled);
}

/** The axes named, or all, get the sizes of input 1. */
function inferCenterCropPad(context: InferenceContext): void {
  const dtype = context.dtype(0);
  const shape = context.shape(0);
  const sizes = context.content(1)?.elements.map(asDim);
  const axes = shape && normalAxes(context.ints('axes', [...shape.keys()]), shape.length);
  const count = sizes?.length ?? context.shape(1)?.[0];
  context.setTensor(0, dtype);
  if (shape === undefined) return;
  if (axes === undefined || (typeof count === 'number' && count !== axes.length)) {
    context.fail('infer/axis', `${count ?? 'some'} sizes do not fit the axes of ${formatShape(shape)}`);
    return;
  }
  const result: (Dim | undefined)[] = [...shape];
  for (const [index, axis] of axes.entries()) result[axis] = sizes?.[index];
  context.setTensor(0, dtype, result);
}
