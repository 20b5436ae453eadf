import { asDim, type Dim, dimEquals, type Expr, provablyDifferent } from '../../dim.js';
import { formatShape, type Shape } from '../../value_type.js';
import { normalAxis } from './axes.js';
import { type Content, content } from './content.js';
import type { InferenceContext, InferenceRules } from './context.js';
import { shapeSize } from './shape_size.js';

/** Operators whose number of results depends on the data. */
export const selectRules: InferenceRules = {
  Compress: inferCompress,
  NonZero: inferNonZero,
  Unique: inferUnique,
  'com.microsoft:Unique': inferUniqueInOrder,
};

/** Without an axis, of the flattened input. */
function inferCompress(context: InferenceContext): void {
  const dtype = context.dtype(0);
  const axis = selectedAxis(context);
  context.setTensor(0, dtype, axis === undefined ? [undefined] : undefined);
  const shape = context.shape(0);
  if (shape === undefined || axis === 'conflict') return;
  const size = axis === undefined ? asDim(shapeSize(shape)) : shape[axis];
  const count = chosenCount(context.content(1), size);
  context.setTensor(0, dtype, axis === undefined ? [count] : shape.with(axis, count));
}

/** How many elements of a condition are true, where none of these lies behind the end. */
function chosenCount(condition: Content | undefined, size: Dim | undefined): number | undefined {
  if (condition === undefined) return undefined;
  const last = condition.elements.findLastIndex((element) => element !== 0);
  if (condition.elements.some((element) => element !== 0 && element !== 1)) return undefined;
  if (last >= 0 && !(typeof size === 'number' && size > last)) return undefined;
  return condition.elements.filter((element) => element === 1).length;
}

/** One row an axis, one column an element that is not 0. */
function inferNonZero(context: InferenceContext): void {
  const rank = context.rank(0);
  // Of a scalar the standard gives no row, runtimes give one.
  context.setTensor(0, 'int64', [rank === 0 ? undefined : rank, undefined]);
  const known = context.content(0);
  if (known === undefined || known.dims.length === 0) return;
  const isFilled = (element: Expr | undefined) => provablyDifferent(element, 0);
  if (!known.elements.every((element) => isFilled(element) || dimEquals(element, 0))) return;
  const positions = [...known.elements.keys()].filter((position) => isFilled(known.elements[position]));
  const strides = known.dims.map((_, axis) => known.dims.slice(axis + 1).reduce((a, b) => a * b, 1));
  const rows = known.dims.flatMap((size, axis) =>
    positions.map((position) => Math.floor(position / strides[axis]!) % size),
  );
  context.setTensor(0, 'int64', [known.dims.length, positions.length]);
  context.setContent(0, content('int64', [known.dims.length, positions.length], rows));
}

/** The values or slices, where each first stands, which of them stands where, and how often each does. */
function inferUnique(context: InferenceContext): void {
  const dtype = context.dtype(0);
  const axis = selectedAxis(context);
  const shape = context.shape(0);
  context.setTensor(0, dtype, axis === undefined ? [undefined] : undefined);
  for (const index of [1, 2, 3]) context.setTensor(index, 'int64', [undefined]);
  if (shape === undefined || axis === 'conflict') return;
  context.setTensor(0, dtype, axis === undefined ? [undefined] : shape.with(axis, undefined));
  context.setTensor(2, 'int64', [axis === undefined ? asDim(shapeSize(shape)) : shape[axis]]);
}

/** Of a vector: the values, which of them stands where, and how often each does. */
function inferUniqueInOrder(context: InferenceContext): void {
  const shape = context.shape(0);
  context.setTensor(0, context.dtype(0), [undefined]);
  for (const index of [1, 2]) context.setTensor(index, 'int64', [undefined]);
  if (shape === undefined) return;
  if (shape.length !== 1) context.fail('infer/rank', `Unique takes a vector, not ${formatShape(shape)}`);
  else context.setTensor(1, 'int64', [shape[0]]);
}

/** The axis made positive; undefined where none is given. Where the rank is not known any counts as out of range. */
function selectedAxis(context: InferenceContext): number | undefined | 'conflict' {
  const given = context.int('axis', undefined);
  const shape: Shape | undefined = context.shape(0);
  if (given === undefined) return undefined;
  const axis = shape && normalAxis(given, shape.length);
  if (axis !== undefined) return axis;
  if (shape !== undefined) context.fail('infer/axis', `axis ${given} of ${formatShape(shape)}`);
  return 'conflict';
}
