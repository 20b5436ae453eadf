import { constantTensor } from '../../../ir/constant.js';
import { dimEquals } from '../../../ir/dim.js';
import { opsetVersion, type Value } from '../../../ir/graph.js';
import type { Inference } from '../../../ir/ops/inference/inference.js';
import { elementCount, int64Tensor, reshapeTensor } from '../../../ir/tensor.js';
import { type Shape, shapesEqual, staticShape } from '../../../ir/value_type.js';
import { producerOf } from '../../rewrite/operator.js';
import type { ReplacementBuilder } from '../../rewrite/rewrite.js';
import { stretchedTensor } from '../../rewrite/stretched_tensor.js';

/** A scale or bias as an operator takes it: as it is, a constant in another shape, or reshaped. */
export type Fitted = (build: ReplacementBuilder) => Value;

/** Operators that keep all elements in their order. */
export const views = ['Reshape', 'Flatten', 'Squeeze', 'Unsqueeze'] as const;

/** The opset in which the shape of Reshape became an input. */
const shapeInputOpset = 5;

/** Constants are stretched up to this many elements. */
const mostStretched = 1 << 16;

/**
 * `value`, which broadcasts against a tensor of shape `x`, as a tensor with exactly the dimensions of x from `from` up to
 * `to`, all other axes being 1; or undefined where it does not lie along those axes alone, or is not known to.
 */
export function alongAxes(
  value: Value,
  x: Shape,
  { from, to = x.length }: { readonly from: number; readonly to?: number },
  inference: Inference,
): Fitted | undefined {
  const shape = inference.shapeOf(value);
  const wanted = x.slice(from, to);
  if (shape === undefined || shape.length > x.length) return undefined;
  const offset = x.length - shape.length;
  const isOutside = (axis: number) => axis < from || axis >= to;
  if (shape.some((size, at) => isOutside(at + offset) && size !== 1)) return undefined;
  const fits = wanted.every((size, at) => {
    const own = shape[from + at - offset];
    return size !== undefined && own !== undefined && dimEquals(size, own);
  });
  const tensor = constantTensor(value);
  if (fits && offset <= from && shape.length === wanted.length) return () => value;
  if (tensor === undefined) return fits && offset <= from ? reshaped(value, wanted, inference) : undefined;
  const dims = staticShape(wanted);
  if (dims === undefined) return undefined;
  if (fits && offset <= from) return (build) => build.constant(reshapeTensor(tensor, dims), value.name);
  const inner = Array.from({ length: wanted.length }, (_, at) => tensor.dims[from + at - offset] ?? 1);
  const stretches = inner.every((size, at) => size === 1 || size === dims[at]);
  if (!stretches || elementCount(dims) > mostStretched || elementCount(inner) !== elementCount(tensor.dims)) {
    return undefined;
  }
  return (build) => build.constant(stretchedTensor(reshapeTensor(tensor, inner), dims), value.name);
}

/** Without its axes of size 1 around: what it is a view of, where that has just the wanted ones, or reshaped. */
function reshaped(value: Value, wanted: Shape, inference: Inference): Fitted | undefined {
  let source: Value | null | undefined = value;
  while (source != null) {
    const found: Value = source;
    if (shapesEqual(inference.shapeOf(found), wanted)) return () => found;
    source = producerOf(source, ...views)?.inputs[0];
  }
  const dims = staticShape(wanted) ?? (wanted.length === 1 ? [-1] : undefined);
  if (dims === undefined || (opsetVersion(value.graph, '') ?? 1) < shapeInputOpset) return undefined;
  return (build) => build.op('Reshape', [value, build.constant(int64Tensor(dims), 'shape')]);
}
