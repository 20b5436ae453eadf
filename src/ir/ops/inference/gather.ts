import type { Dim, Expr } from '../../dim.js';
import { formatShape, type Shape, staticShape } from '../../value_type.js';
import { agreedShape } from './agreed_shape.js';
import { normalAxis } from './axes.js';
import type { Content } from './content.js';
import { buildContent, elementOf } from './content_view.js';
import type { InferenceContext, InferenceRules } from './context.js';

/** Operators that take elements from where indices say. */
export const gatherRules: InferenceRules = {
  Gather: inferGather,
  GatherElements: inferGatherElements,
  GatherND: inferGatherNd,
  'com.microsoft:GatherND': inferGatherNd,
  'com.microsoft:TorchEmbedding': inferEmbedding,
};

/** The axis is replaced by the axes of the indices. */
function inferGather(context: InferenceContext): void {
  const dtype = context.dtype(0);
  const data = context.shape(0);
  const indices = context.shape(1);
  context.setTensor(0, dtype);
  if (data === undefined) return;
  const given = context.int('axis', 0);
  const axis = normalAxis(given, data.length);
  if (axis === undefined) {
    context.fail('infer/axis', `axis ${given} of a tensor of rank ${data.length}`);
    return;
  }
  if (indices === undefined) return;
  const shape = [...data.slice(0, axis), ...indices, ...data.slice(axis + 1)];
  context.setTensor(0, dtype, shape);
  setGathered(context, shape, (coordinate, chosen) => {
    const behind = axis + chosen.dims.length;
    const index = elementOf(chosen, coordinate.slice(axis, behind));
    return { index, axis, position: [...coordinate.slice(0, axis), 0, ...coordinate.slice(behind)] };
  });
}

/** Rows of a table [rows, size] by indices of any shape => [...indices, size] */
function inferEmbedding(context: InferenceContext): void {
  const table = context.shape(0);
  const indices = context.shape(1);
  context.setTensor(0, context.dtype(0));
  if (table !== undefined && table.length !== 2) {
    context.fail('infer/rank', `a table of rows has two axes, not ${formatShape(table)}`);
  } else if (indices !== undefined) context.setTensor(0, context.dtype(0), [...indices, table?.[1]]);
}

/** As many elements as indices, each from the place of its index, moved along the axis. */
function inferGatherElements(context: InferenceContext): void {
  const dtype = context.dtype(0);
  const data = context.shape(0);
  const indices = context.shape(1);
  const given = context.int('axis', 0);
  const rank = data?.length ?? indices?.length;
  const axis = rank === undefined ? undefined : normalAxis(given, rank);
  context.setTensor(0, dtype);
  if (rank !== undefined && (axis === undefined || (indices !== undefined && indices.length !== rank))) {
    context.fail('infer/axis', `axis ${given} of ${formatShape(data)} by indices ${formatShape(indices)}`);
    return;
  }
  const shape = indices ?? data?.map(() => undefined);
  context.setTensor(0, dtype, shape);
  if (axis === undefined || shape === undefined) return;
  setGathered(context, shape, (coordinate, chosen) => ({
    index: elementOf(chosen, coordinate),
    axis,
    position: coordinate,
  }));
}

/** Where an element comes from: `position`, at `index` along the axis. */
type Source = {
  readonly index: Expr | undefined;
  readonly axis: number;
  readonly position: readonly number[];
};

function setGathered(
  context: InferenceContext,
  shape: Shape,
  sourceOf: (coordinate: readonly number[], chosen: Content) => Source,
): void {
  const known = context.anyContent(0);
  const chosen = context.content(1);
  const dims = staticShape(shape);
  if (known === undefined || chosen === undefined || dims === undefined) return;
  const gathered = buildContent(known.dtype, dims, (coordinate) => {
    const { index, axis, position } = sourceOf(coordinate, chosen);
    if (typeof index !== 'number') return undefined;
    return elementOf(known, position.with(axis, index < 0 ? index + known.dims[axis]! : index));
  });
  context.setContent(0, gathered);
}

/** Indices [b…, i…, depth] into data [b…, d…, r…], with `depth` axes d => [b…, i…, r…] */
function inferGatherNd(context: InferenceContext): void {
  const dtype = context.dtype(0);
  const data = context.shape(0);
  const indices = context.shape(1);
  const depth = indices?.at(-1);
  const hasBatch = context.node.domain !== 'com.microsoft' && context.opset >= 12;
  const batch = hasBatch ? context.int('batch_dims', 0) : 0;
  context.setTensor(0, dtype);
  if (data === undefined || indices === undefined) return;
  if (batch < 0 || batch >= Math.max(1, indices.length) || batch > data.length || indices.length === 0) {
    context.fail('infer/axis', `${batch} batch axes of ${formatShape(data)} and ${formatShape(indices)}`);
    return;
  }
  if (typeof depth !== 'number') return;
  const batches = agreedShape([data.slice(0, batch), indices.slice(0, batch)]);
  if (depth < 1 || batch + depth > data.length || batches === 'conflict') {
    context.fail('infer/axis', `indices ${formatShape(indices)} into ${formatShape(data)}`);
    return;
  }
  const shape: readonly (Dim | undefined)[] = [
    // Nobody checks that the data have as many.
    ...indices.slice(0, batch).map((dim, axis) => dim ?? batches?.[axis]),
    ...indices.slice(batch, -1),
    ...data.slice(batch + depth),
  ];
  context.setTensor(0, dtype, shape);
  setGatheredNd(context, shape, batch, depth);
}

function setGatheredNd(context: InferenceContext, shape: Shape, batch: number, depth: number): void {
  const known = context.anyContent(0);
  const chosen = context.content(1);
  const dims = staticShape(shape);
  if (known === undefined || chosen === undefined || dims === undefined) return;
  const lead = chosen.dims.length - 1;
  const gathered = buildContent(known.dtype, dims, (coordinate) => {
    const position = coordinate.slice(0, batch);
    for (let axis = 0; axis < depth; axis += 1) {
      const index = elementOf(chosen, [...coordinate.slice(0, lead), axis]);
      if (typeof index !== 'number') return undefined;
      position.push(index < 0 ? index + known.dims[batch + axis]! : index);
    }
    return elementOf(known, [...position, ...coordinate.slice(lead)]);
  });
  context.setContent(0, gathered);
}
