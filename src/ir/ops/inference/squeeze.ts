import { provablyDifferent } from '../../dim.js';
import { formatShape, type Shape } from '../../value_type.js';
import { normalAxes, normalAxis } from './axes.js';
import { setSameElements } from './content_view.js';
import type { InferenceContext, InferenceRules } from './context.js';
import { maxRank, unknownShape } from './rank.js';

/** Operators that take axes of size 1 out, and put them in. */
export const squeezeRules: InferenceRules = {
  Squeeze: inferSqueeze,
  Unsqueeze: inferUnsqueeze,
  'com.microsoft:ExpandDims': inferExpandDims,
};

/** Axes are an attribute before 13, since then input 1. */
const isOld = (context: InferenceContext): boolean => context.opset < 13;

const axesOf = (context: InferenceContext): readonly number[] | undefined =>
  isOld(context) ? context.ints('axes', undefined) : context.numbers(1);

/** How many axes are given, where nothing else is known of them. */
const axisCount = (context: InferenceContext) => (isOld(context) ? undefined : context.shape(1)?.[0]);

function inferSqueeze(context: InferenceContext): void {
  const shape = context.shape(0);
  const axes = axesOf(context);
  context.setTensor(0, context.dtype(0));
  if (shape === undefined) return;
  if (axes === undefined) {
    const count = axisCount(context);
    if (isOld(context) || !context.has(1)) squeezeAll(context, shape);
    else if (typeof count === 'number' && count <= shape.length) {
      context.setTensor(0, context.dtype(0), unknownShape(shape.length - count));
    }
    return;
  }
  if (axes.length === 0) {
    // ONNX Runtime takes no axes as all, the reference implementation as none.
    if (shape.every((dim) => provablyDifferent(dim, 1))) setView(context, shape);
    return;
  }
  // An axis may stand twice, which runtimes take as once.
  const squeezed = new Set(axes.map((axis) => normalAxis(axis, shape.length)));
  const isFit = (axis: number | undefined) => axis !== undefined && !provablyDifferent(shape[axis], 1);
  if (![...squeezed].every(isFit)) {
    context.fail('infer/axis', `axes [${axes.slice(0, 8)}] cannot be taken out of ${formatShape(shape)}`);
    return;
  }
  setView(
    context,
    shape.filter((_, axis) => !squeezed.has(axis)),
  );
}

/** Every axis of size 1, which tells the rank only where each is known to be 1 or not. */
function squeezeAll(context: InferenceContext, shape: Shape): void {
  if (!shape.every((dim) => dim === 1 || provablyDifferent(dim, 1))) return;
  setView(
    context,
    shape.filter((dim) => dim !== 1),
  );
}

function inferUnsqueeze(context: InferenceContext): void {
  const shape = context.shape(0);
  const axes = axesOf(context);
  context.setTensor(0, context.dtype(0));
  const count = axes?.length ?? axisCount(context);
  if (shape === undefined || typeof count !== 'number' || shape.length + count > maxRank) return;
  const rank = shape.length + count;
  if (axes === undefined) {
    context.setTensor(
      0,
      context.dtype(0),
      shape.length === 0 ? Array.from({ length: rank }, () => 1) : unknownShape(rank),
    );
    return;
  }
  const normal = normalAxes(axes, rank);
  if (normal === undefined) {
    context.fail('infer/axis', `axes [${axes.slice(0, 8)}] cannot be put into ${formatShape(shape)}`);
    return;
  }
  const inserted = new Set(normal);
  const rest = shape.values();
  setView(
    context,
    Array.from({ length: rank }, (_, axis) => (inserted.has(axis) ? 1 : rest.next().value)),
  );
}

/** One axis of size 1, put in where a scalar says, counted from the end where that is below 0. */
function inferExpandDims(context: InferenceContext): void {
  const shape = context.shape(0);
  const given = context.numbers(1)?.[0];
  context.setTensor(0, context.dtype(0));
  if (shape === undefined || shape.length >= maxRank) return;
  if (given === undefined) {
    context.setTensor(0, context.dtype(0), shape.length === 0 ? [1] : unknownShape(shape.length + 1));
    return;
  }
  const axis = normalAxis(given, shape.length + 1);
  if (axis === undefined) context.fail('infer/axis', `axis ${given} cannot be put into ${formatShape(shape)}`);
  else setView(context, shape.toSpliced(axis, 0, 1));
}

function setView(context: InferenceContext, shape: Shape): void {
  context.setTensor(0, context.dtype(0), shape);
  setSameElements(context, shape);
}
