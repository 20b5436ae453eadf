// Squeeze(Slice(x)[k : k + 1], axis) => Gather(x, k, axis)
// Needs: one constant cut of one element, along the one axis that is taken out.
import { intAttribute } from '../../../ir/attribute.js';
import type { Node, Value } from '../../../ir/graph.js';
import type { Inference } from '../../../ir/ops/inference/inference.js';
import { int64Tensor } from '../../../ir/tensor.js';
import { any, op } from '../../rewrite/pattern.js';
import { defineRewrite } from '../../rewrite/rewrite.js';
import { plainOperator } from '../plain_operator.js';
import { viewAxes } from './axes_operand.js';
import { cutsOf } from './cuts.js';

type Match = { root: Node; slice: Node; x: Value };

export const mergeSliceSqueezes = defineRewrite<Match>({
  name: 'merge-slice-squeezes',
  summary: 'Squeeze(Slice(x)[k : k + 1], axis) => Gather(x, k, axis)',
  licence: 'exact',
  pattern: op('root', 'Squeeze', [op('slice', 'Slice', [any('x')], { moreInputs: true })], { moreInputs: true }),
  check: (match, { inference }) =>
    pickedBy(match, inference) === undefined ? 'it is not one element of the axis that is taken out' : undefined,
  rewrite(match, build, { inference }) {
    const { index, axis } = pickedBy(match, inference)!;
    const indices = build.constant(int64Tensor([index], []), 'index');
    return [build.op('Gather', [match.x, indices], { attributes: [intAttribute('axis', axis)] })];
  },
});

function pickedBy({ root, slice }: Match, inference: Inference): { index: bigint; axis: number } | undefined {
  const cuts = cutsOf(slice, inference);
  const [cut] = cuts ?? [];
  const axes = viewAxes(root, inference.shapeOf(slice.outputs[0]!)?.length, inference);
  if (plainOperator(root) === undefined || cut === undefined || cuts?.length !== 1) return undefined;
  if (axes?.length !== 1 || axes[0] !== cut.axis || cut.step !== 1n) return undefined;
  // Of negative positions the last one ends where nothing more can be said: any end past it.
  const isOne = cut.start === -1n ? cut.end >= 2n ** 31n - 1n : cut.end === cut.start + 1n;
  return isOne ? { index: cut.start, axis: cut.axis } : undefined;
}
