import { getInt } from '../../../ir/attribute.js';
import { axesToInput, negativeAxes } from './axes.js';
import type { Step, StepTable } from './step.js';

const identityOfOne = new Set(['ReduceSum', 'ReduceMean', 'ReduceMax', 'ReduceMin', 'ReduceProd']);

/** `axes` became an input, and to reduce nothing became possible. */
const reductionAxes: Step = {
  up: axesToInput.up,
  down(node, context) {
    const hasAxes = node.inputs[1] != null;
    const axes = hasAxes ? context.integers(node.inputs[1]) : [];
    if (axes === undefined) return 'its axes are computed when it runs';
    if (axes.length === 0 && getInt(node, 'noop_with_empty_axes', 0) !== 0) {
      if (!identityOfOne.has(node.opType)) return 'it reduces no axis';
      return context.become(node, 'Identity', [node.inputs[0]!]);
    }
    context.removeAttribute(node, 'noop_with_empty_axes');
    if (axes.length > 0) return typeof axesToInput.down === 'function' ? axesToInput.down(node, context) : undefined;
    context.truncateInputs(node, 1);
    return undefined;
  },
};

const reduction = { 11: negativeAxes('axes'), 18: reductionAxes };

export const reduceSteps: StepTable = {
  ReduceL1: reduction,
  ReduceL2: reduction,
  ReduceLogSum: reduction,
  ReduceLogSumExp: reduction,
  ReduceMax: reduction,
  ReduceMean: reduction,
  ReduceMin: reduction,
  ReduceProd: reduction,
  ReduceSum: { 11: negativeAxes('axes'), 13: reductionAxes },
  ReduceSumSquare: reduction,
};
