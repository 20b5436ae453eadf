import { getInt, getInts, intAttribute, intsAttribute } from '../../../ir/attribute.js';
import type { Node } from '../../../ir/graph.js';
import type { Adapter, Step, StepTable } from './step.js';
import type { StepContext } from './step_context.js';

type RankOf = (node: Node, context: StepContext) => number | undefined;

export const inputRank: RankOf = (node, context) => context.rank(node.inputs[0]);

/** Axes counted from the front; undefined where one is negative and the rank is not known. */
export function fromFront(axes: readonly number[], rank: number | undefined): number[] | undefined {
  if (axes.every((axis) => axis >= 0)) return [...axes];
  return rank === undefined ? undefined : axes.map((axis) => (axis < 0 ? axis + rank : axis));
}

/**
 * The step that allowed an attribute to count axes from the back: down, they are counted from the front. `kept` is a
 * negative axis that the older version knew as well.
 */
export const negativeAxes = (name: string, rankOf: RankOf = inputRank, kept?: number): Step => ({
  up: 'same',
  down: countFromFront(name, rankOf, kept),
});

const countFromFront =
  (name: string, rankOf: RankOf, kept: number | undefined): Adapter =>
  (node, context) => {
    const single = getInt(node, name, undefined);
    const axes = single === undefined ? getInts(node, name, undefined) : [single];
    if (axes === undefined || axes.every((axis) => axis >= 0 || axis === kept)) return undefined;
    const counted = fromFront(axes, rankOf(node, context));
    if (counted === undefined) return 'an axis counts from the back, and the rank is not known';
    context.setAttribute(node, single === undefined ? intsAttribute(name, counted) : intAttribute(name, counted[0]!));
    return undefined;
  };

/** The step that made an attribute `axes` the second input. */
export const axesToInput: Step = {
  up(node, context) {
    const axes = getInts(node, 'axes', undefined);
    if (axes === undefined) return undefined;
    // Not "squeeze_axes": ONNX Runtime puts an initializer of that name into graphs and fails where there is one.
    context.setInput(node, 1, context.int64(node, axes, `axes_of_${node.opType.toLowerCase()}`));
    context.removeAttribute(node, 'axes');
    return undefined;
  },
  down(node, context) {
    if (node.inputs[1] == null) return undefined;
    const axes = context.integers(node.inputs[1]);
    if (axes === undefined) return 'its axes are computed when it runs';
    context.truncateInputs(node, 1);
    context.setAttribute(node, intsAttribute('axes', axes));
    return undefined;
  },
};

const unsqueezedRank: RankOf = (node, context) => {
  const rank = inputRank(node, context);
  return rank === undefined ? undefined : rank + getInts(node, 'axes', []).length;
};

const oneHotRank: RankOf = (node, context) => {
  const rank = inputRank(node, context);
  return rank === undefined ? undefined : rank + 1;
};

const nonNegativeIndices: Adapter = (node, context) => {
  const indices = context.integers(node.inputs[0]);
  if (indices === undefined || indices.some((index) => index < 0)) {
    return 'indices below 0 count from the back here, and are out of range there';
  }
  return negativeAxesOfOneHot(node, context);
};

const negativeAxesOfOneHot = countFromFront('axis', oneHotRank, -1);

/** Down, indices that are not known to count from the front only. */
const gatherIndices: Adapter = (node, context) => {
  const indices = context.integers(node.inputs[1]);
  return indices?.every((index) => index >= 0) ? undefined : 'indices may count from the back here, and not there';
};

export const axisSteps: StepTable = {
  ArgMax: { 11: negativeAxes('axis') },
  ArgMin: { 11: negativeAxes('axis') },
  Compress: { 11: negativeAxes('axis') },
  Concat: { 11: negativeAxes('axis') },
  Flatten: { 11: negativeAxes('axis') },
  Gather: { 11: { up: 'same', down: gatherIndices } },
  OneHot: { 11: { up: 'same', down: nonNegativeIndices } },
  Squeeze: { 11: negativeAxes('axes'), 13: axesToInput },
  Unsqueeze: { 11: negativeAxes('axes', unsqueezedRank), 13: axesToInput },
};
