import { add, asDim, type Expr } from '../../dim.js';
import { formatShape, type Shape, staticShape } from '../../value_type.js';
import { normalAxis } from './axes.js';
import { anyOfInput, buildContent, elementOf } from './content_view.js';
import type { InferenceContext, InferenceRules } from './context.js';
import { agreedSize } from './sizes.js';

export const concatRules: InferenceRules = { Concat: inferConcat };

/** Along `axis`, which before opset 4 is 1 where none is given, sizes add up; the others are the same for all inputs. */
function inferConcat(context: InferenceContext): void {
  const dtype = context.node.inputs.map((_, index) => context.dtype(index)).find((each) => each !== undefined);
  context.setTensor(0, dtype);
  const joined = joinedInputs(context);
  const rank = joined.find(({ shape }) => shape !== undefined)?.shape?.length;
  const given = context.int('axis', context.opset < 4 ? 1 : undefined);
  if (rank === undefined || given === undefined) return;
  const axis = normalAxis(given, rank);
  const shapes = joined.map(({ shape }) => shape);
  if (axis === undefined || shapes.some((shape) => shape !== undefined && shape.length !== rank)) {
    context.fail('infer/axis', `${shapesText(shapes)} cannot be joined along axis ${given}`);
    return;
  }
  const result = joinedShape(shapes, rank, axis);
  if (result === 'conflict') {
    context.fail('infer/concat', `${shapesText(shapes)} differ on another axis than ${axis}`);
    return;
  }
  context.setTensor(0, dtype, result);
  setJoinedContent(
    context,
    joined.map(({ index }) => index),
    axis,
  );
}

const shapesText = (shapes: readonly (Shape | undefined)[]): string => shapes.slice(0, 8).map(formatShape).join(', ');

type Joined = { readonly index: number; readonly shape: Shape | undefined };

/** The inputs without those of shape [0] where others may have another rank: runtimes take them as nothing to join. */
function joinedInputs(context: InferenceContext): readonly Joined[] {
  const inputs = context.node.inputs.map((_, index) => ({ index, shape: context.shape(index) }));
  const isNothing = ({ shape }: Joined) => shape?.length === 1 && shape[0] === 0;
  return inputs.some(({ shape }) => shape?.length !== 1) ? inputs.filter((each) => !isNothing(each)) : inputs;
}

/** The shape of several joined along one axis; 'conflict' where they differ on another. */
export function joinedShape(shapes: readonly (Shape | undefined)[], rank: number, axis: number): Shape | 'conflict' {
  const result: Shape[number][] = [];
  for (let index = 0; index < rank; index += 1) {
    const sizes = shapes.map((shape) => shape?.[index]);
    const size =
      index === axis ? asDim(sizes.reduce((sum: Expr | undefined, dim) => add(sum, dim), 0)) : agreedSize(sizes);
    if (size === 'conflict') return size;
    result.push(size);
  }
  return result;
}

function setJoinedContent(context: InferenceContext, inputs: readonly number[], axis: number): void {
  const type = context.types[0];
  const dims = type?.kind === 'tensor' ? staticShape(type.shape) : undefined;
  if (type?.kind !== 'tensor' || dims === undefined) return;
  if (inputs.every((index) => context.anyContent(index) === undefined)) return;
  const parts = inputs.map((index) => anyOfInput(context, index)).filter((part) => part !== undefined);
  if (parts.length < inputs.length) return;
  const places = parts.flatMap((part) =>
    Array.from({ length: part.dims[axis] ?? 0 }, (_, position) => ({ part, position })),
  );
  const joined = buildContent(type.dtype, dims, (coordinate) => {
    const place = places[coordinate[axis]!];
    return place && elementOf(place.part, coordinate.with(axis, place.position));
  });
  context.setContent(0, joined);
}
