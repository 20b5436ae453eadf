import { asDim, type Expr, mul } from '../../dim.js';
import { tensorIntegers } from '../../tensor.js';
import { formatShape, type Shape, staticShape } from '../../value_type.js';
import { broadcastShapes } from './broadcast.js';
import { buildContent, elementOf, stretchedElement } from './content_view.js';
import type { InferenceContext, InferenceRules } from './context.js';
import { maxRank, unknownShape } from './rank.js';

/** Operators that repeat elements. */
export const expandRules: InferenceRules = {
  Expand: inferExpand,
  Tile: inferTile,
  ConstantOfShape: inferConstantOfShape,
};

/** A shape that an input gives: its elements, or only how many it has. */
const shapeInput = (context: InferenceContext, index: number): Shape | undefined =>
  context.content(index)?.elements.map(asDim) ?? unknownShape(context.shape(index)?.[0]);

/** Broadcast to a shape in both directions: a size of 1 in the shape keeps that of the input. */
function inferExpand(context: InferenceContext): void {
  const dtype = context.dtype(0);
  const target = shapeInput(context, 1);
  context.setTensor(0, dtype);
  const result = broadcastShapes([context.shape(0), target]);
  if (result === 'conflict') {
    context.fail('infer/broadcast', `${formatShape(context.shape(0))} does not broadcast to ${formatShape(target)}`);
    return;
  }
  context.setTensor(0, dtype, result);
  const known = context.anyContent(0);
  const dims = staticShape(result);
  if (known === undefined || dims === undefined) return;
  context.setContent(
    0,
    buildContent(known.dtype, dims, (coordinate) => stretchedElement(known, coordinate)),
  );
}

function inferTile(context: InferenceContext): void {
  const dtype = context.dtype(0);
  const shape = context.shape(0);
  const repeats = tileRepeats(context, shape);
  context.setTensor(0, dtype, shape?.map(() => undefined) ?? unknownShape(repeats?.length));
  if (shape === undefined || repeats === undefined) return;
  if (repeats.length !== shape.length || repeats.some((count) => typeof count === 'number' && count < 0)) {
    context.setTensor(0, dtype);
    context.fail('infer/tile', `${repeats.length} numbers of repeats for ${formatShape(shape)}, or one below 0`);
    return;
  }
  const tiled = shape.map((dim, axis) => (dim === 0 || repeats[axis] === 0 ? 0 : asDim(mul(dim, repeats[axis]))));
  context.setTensor(0, dtype, tiled);
  const known = context.anyContent(0);
  const dims = staticShape(tiled);
  if (known === undefined || dims === undefined) return;
  const wrap = (coordinate: readonly number[]) => coordinate.map((index, axis) => index % known.dims[axis]!);
  context.setContent(
    0,
    buildContent(known.dtype, dims, (coordinate) => elementOf(known, wrap(coordinate))),
  );
}

/** How often each axis is repeated; before 6 one axis, a number of times. */
function tileRepeats(context: InferenceContext, shape: Shape | undefined): readonly (Expr | undefined)[] | undefined {
  if (context.opset >= 6) return context.content(1)?.elements ?? unknownShape(context.shape(1)?.[0]);
  const [axis] = context.content(2)?.elements ?? [];
  const [count] = context.content(1)?.elements ?? [];
  if (typeof axis !== 'number' || shape === undefined || axis < 0 || axis >= shape.length) return undefined;
  return shape.map((_, index) => (index === axis ? count : 1));
}

/** A float 0 unless `value` says otherwise, as often as the shape needs it. */
function inferConstantOfShape(context: InferenceContext): void {
  const value = context.tensorAttribute('value');
  const dtype = value?.dtype ?? 'float';
  const target = context.content(0)?.elements;
  const shape = shapeInput(context, 0);
  const isNegative = (size: Expr | undefined) => typeof size !== 'object' && size !== undefined && size < 0;
  context.setTensor(0, dtype);
  if (target?.some(isNegative)) {
    context.fail('infer/negative-size', `a tensor of shape [${target.slice(0, 8).map(sizeText)}]`);
    return;
  }
  if (shape === undefined || shape.length > maxRank) return;
  context.setTensor(0, dtype, shape);
  const dims = staticShape(shape);
  if (dims === undefined || value?.dims.some((size) => size !== 1)) return;
  const fill = value && tensorIntegers(value)?.[0];
  if (fill === undefined) return;
  const element = Number.isSafeInteger(Number(fill)) ? Number(fill) : fill;
  context.setContent(
    0,
    buildContent(dtype, dims, () => element),
  );
}

const sizeText = (size: Expr | undefined): string => (typeof size === 'object' ? size.key : String(size ?? '?'));
