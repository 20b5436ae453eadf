// Squeeze(Reduce(x, keepdims=1), axes) => Reduce(x, keepdims=0); Unsqueeze(Reduce(x, keepdims=0), axes) => keepdims=1
// Needs: the axes of both are the same ones, and nothing else reads what is between.
import { getInt, intAttribute } from '../../../ir/attribute.js';
import type { Node } from '../../../ir/graph.js';
import { reducedAxes } from '../../../ir/ops/reduced_axes.js';
import { op } from '../../rewrite/pattern.js';
import { defineRewrite } from '../../rewrite/rewrite.js';
import { plainOperator } from '../plain_operator.js';
import { viewAxes } from './axes_operand.js';

type Match = { root: Node; reduce: Node };

const selections = ['ArgMax', 'ArgMin'];

const reductions = [
  'ReduceL1',
  'ReduceL2',
  'ReduceLogSum',
  'ReduceLogSumExp',
  'ReduceMax',
  'ReduceMean',
  'ReduceMin',
  'ReduceProd',
  'ReduceSum',
  'ReduceSumSquare',
] as const;

export const mergeReduceViews = defineRewrite<Match>({
  name: 'merge-reduce-views',
  summary: 'Squeeze or Unsqueeze of what a reduction leaves => its keepdims',
  licence: 'exact',
  pattern: op(
    'root',
    ['Squeeze', 'Unsqueeze'],
    [op('reduce', [...reductions, ...selections], [], { moreInputs: true })],
    { moreInputs: true },
  ),
  check({ root, reduce }, { inference }) {
    const isKept = getInt(reduce, 'keepdims', 1) !== 0;
    if (plainOperator(root) === undefined || plainOperator(reduce) === undefined)
      return 'attributes are up to the caller';
    if (isKept !== (root.opType === 'Squeeze')) return 'the axes are not those of the reduction';
    if (reduce.outputs[0]!.uses.size > 1) return 'the reduced value is read by others';
    const rank = reduce.inputs[0] == null ? undefined : inference.shapeOf(reduce.inputs[0])?.length;
    const axes = rank === undefined ? undefined : reducedAxes(reduce, rank);
    return axes !== undefined && axes.length > 0 && axes.join() === viewAxes(root, rank, inference)?.join()
      ? undefined
      : 'the axes are not those of the reduction';
  },
  rewrite: ({ root, reduce }, build) => [
    build.op(reduce.opType, reduce.inputs, {
      attributes: [
        ...[...reduce.attributes.values()].filter(({ name }) => name !== 'keepdims'),
        intAttribute('keepdims', root.opType === 'Squeeze' ? 0 : 1),
      ],
    }),
  ],
});
