import { dimEquals } from '../../../ir/dim.js';
import type { Value } from '../../../ir/graph.js';
import type { Inference } from '../../../ir/ops/inference/inference.js';

/** Whether a value is one number, or one for each of the last axis' elements of `product`, and adds no axis to it. */
export function isColumnBias(bias: Value, product: Value, inference: Inference): boolean {
  const shape = inference.shapeOf(bias);
  const columns = inference.shapeOf(product)?.at(-1);
  const rank = inference.shapeOf(product)?.length;
  if (shape === undefined || rank === undefined || shape.length > Math.min(rank, 2)) return false;
  return shape.every((dim, axis) => dim === 1 || (axis === shape.length - 1 && dimEquals(dim, columns)));
}
