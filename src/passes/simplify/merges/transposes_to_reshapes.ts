// Transpose(x) that moves only axes of size 1 => Reshape(x), which moves no data
// Needs: the other axes in their order, and a constant target shape. Last of the merges: a Reshape does not cancel a
// Transpose any more.
import type { Node, Value } from '../../../ir/graph.js';
import type { Inference } from '../../../ir/ops/inference/inference.js';
import { int64Tensor } from '../../../ir/tensor.js';
import { any, op } from '../../rewrite/pattern.js';
import { defineRewrite } from '../../rewrite/rewrite.js';
import { defaultOpset } from '../plain_operator.js';
import { targetOfShape } from '../reshape_target.js';
import { permutationOf } from './merge_transposes.js';

type Match = { root: Node; x: Value };

export const transposesToReshapes = defineRewrite<Match>({
  name: 'transposes-to-reshapes',
  summary: 'Transpose(x) that moves only axes of size 1 => Reshape(x)',
  licence: 'exact',
  pattern: op('root', 'Transpose', [any('x')]),
  check(match, { inference }) {
    if (defaultOpset(match.root) < 5) return 'a target shape is an attribute in this opset';
    return targetOf(match, inference) === undefined ? 'it moves more than axes of size 1' : undefined;
  },
  rewrite: (match, build, { inference }) => [
    build.op('Reshape', [match.x, build.constant(int64Tensor(targetOf(match, inference)!), 'shape')]),
  ],
});

function targetOf({ root, x }: Match, inference: Inference): number[] | undefined {
  const shape = inference.shapeOf(x);
  const perm = permutationOf(root, inference);
  if (shape === undefined || perm?.length !== shape.length) return undefined;
  const long = perm.filter((axis) => shape[axis] !== 1);
  if (long.some((axis, index) => index > 0 && axis < long[index - 1]!)) return undefined;
  const target = targetOfShape(
    shape,
    perm.map((axis) => shape[axis]),
  );
  const known = target.filter((element) => element !== undefined);
  return known.length === target.length ? known : undefined;
}
