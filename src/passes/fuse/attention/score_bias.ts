import { intAttribute, intsAttribute } from '../../../ir/attribute.js';
import { dimEquals } from '../../../ir/dim.js';
import { type Node, opsetVersion, type Value } from '../../../ir/graph.js';
import { int64Tensor } from '../../../ir/tensor.js';
import type { Shape } from '../../../ir/value_type.js';
import type { CheckContext, ReplacementBuilder } from '../../rewrite/rewrite.js';

/**
 * Why a mask that is added to scores of [batch, heads, queries, keys] cannot be given as one that is broadcast along
 * batch and heads alone, or undefined.
 */
export function biasObstacle(mask: Value, scores: Shape, { inference }: CheckContext): string | undefined {
  const shape = inference.shapeOf(mask);
  if (shape === undefined || shape.length < 2 || shape.length > 4)
    return 'the rank of the mask is not known to be 2 to 4';
  const [batch = 1, heads = 1, queries, keys] = aligned(shape);
  if (!dimEquals(keys, scores[3])) return 'the mask is not known to cover all keys';
  if (queries !== 1 && !dimEquals(queries, scores[2])) return 'the mask is not known to cover all queries';
  if (heads !== 1 && !dimEquals(heads, scores[1])) return 'the mask is not known to fit the heads';
  return batch === 1 || dimEquals(batch, scores[0]) ? undefined : 'the mask is not known to fit the batch';
}

/** The mask with four axes, repeated along the queries where it holds one row for all. */
export function buildBias(
  mask: Value,
  query: Value,
  root: Node,
  build: ReplacementBuilder,
  context: CheckContext,
): Value {
  const shape = context.inference.shapeOf(mask)!;
  const opset = opsetVersion(root.graph, '') ?? 13;
  const missing = Array.from({ length: 4 - shape.length }, (_, axis) => axis);
  let bias = mask;
  if (missing.length > 0) {
    bias =
      opset < 13
        ? build.op('Unsqueeze', [bias], { attributes: [intsAttribute('axes', missing)] })
        : build.op('Unsqueeze', [bias, build.constant(int64Tensor(missing), 'axes')]);
  }
  if (aligned(shape)[2] !== 1) return bias;
  const length = context.inference.shapeOf(query)?.[1];
  if (length === 1) return bias;
  if (typeof length === 'number') return build.op('Expand', [bias, build.constant(int64Tensor([length, 1]), 'rows')]);
  // Read from the mask where that tells it: every layer then repeats the mask in the same way.
  const rank = shape.length;
  const isSquare = dimEquals(shape[rank - 1], length);
  const size = isSquare ? sizeOf(mask, rank - 1, opset, build) : sizeOf(query, 1, opset, build);
  const one = build.constant(int64Tensor([1]), 'one');
  return build.op('Expand', [bias, build.op('Concat', [size, one], { attributes: [concatAxis] })]);
}

/** Shape takes bounds since this opset. */
const boundedShape = 15;

function sizeOf(value: Value, axis: number, opset: number, build: ReplacementBuilder): Value {
  if (opset < boundedShape) {
    return build.op('Gather', [build.op('Shape', [value]), build.constant(int64Tensor([axis]), 'axis')]);
  }
  return build.op('Shape', [value], { attributes: [intAttribute('start', axis), intAttribute('end', axis + 1)] });
}

const concatAxis = { name: 'axis', kind: 'int', value: 0n } as const;

const aligned = (shape: Shape): Shape => [...Array.from({ length: 4 - shape.length }, () => 1), ...shape];
