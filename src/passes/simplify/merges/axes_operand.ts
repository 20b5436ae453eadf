import { type Attribute, getInts, intsAttribute } from '../../../ir/attribute.js';
import type { Node, Value } from '../../../ir/graph.js';
import { normalAxes } from '../../../ir/ops/inference/axes.js';
import { knownNumbers } from '../../../ir/ops/inference/content.js';
import type { Inference } from '../../../ir/ops/inference/inference.js';
import { int64Tensor } from '../../../ir/tensor.js';
import type { ReplacementBuilder } from '../../rewrite/rewrite.js';
import { defaultOpset } from '../plain_operator.js';

/** The opset since which Squeeze and Unsqueeze take their axes as input 1. */
const axesAreInput = 13;

/**
 * Axes that a Squeeze or Unsqueeze names, counted from the first and sorted; undefined where it names none or they are
 * not known. `rank`: of the tensor that has them.
 */
export function viewAxes(node: Node, rank: number | undefined, inference: Inference): number[] | undefined {
  const given = isInput(node)
    ? node.inputs[1] == null
      ? undefined
      : knownNumbers(inference.contentOf(node.inputs[1]))
    : getInts(node, 'axes', undefined);
  if (given === undefined || given.length === 0) return undefined;
  if (rank === undefined && given.some((axis) => axis < 0)) return undefined;
  const normal = normalAxes(given, rank ?? Math.max(...given) + 1);
  return normal?.sort((a, b) => a - b);
}

const isInput = (node: Node): boolean => defaultOpset(node) >= axesAreInput;

/** A Squeeze or Unsqueeze in the form of the opset that `like` is read with. */
export function buildView(
  opType: 'Squeeze' | 'Unsqueeze',
  x: Value,
  axes: readonly number[],
  like: Node,
  build: ReplacementBuilder,
): Value {
  if (isInput(like)) return build.op(opType, [x, build.constant(int64Tensor(axes), 'axes')]);
  const attributes: Attribute[] = [intsAttribute('axes', axes)];
  return build.op(opType, [x], { attributes });
}
