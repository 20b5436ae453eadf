import { getInt, intAttribute } from '../../../ir/attribute.js';
import { inputRank } from './axes.js';
import type { Adapter, StepTable } from './step.js';

const countToInput: Adapter = (node, context) => {
  const count = getInt(node, 'k', undefined);
  if (count === undefined) return 'attribute "k" is missing';
  context.setInput(node, 1, context.int64(node, [count], 'topk_k'));
  context.removeAttribute(node, 'k');
  return undefined;
};

const countToAttribute: Adapter = (node, context) => {
  const [count, ...more] = context.integers(node.inputs[1]) ?? [];
  if (count === undefined || more.length > 0) return 'its k is computed when it runs';
  context.truncateInputs(node, 1);
  context.setAttribute(node, intAttribute('k', count));
  return undefined;
};

const largestSorted: Adapter = (node, context) => {
  if (getInt(node, 'largest', 1) === 0) return 'it takes the smallest';
  if (getInt(node, 'sorted', 1) === 0) return 'its results are in no order';
  const axis = getInt(node, 'axis', -1);
  if (axis >= -1) return undefined;
  const rank = inputRank(node, context);
  if (rank === undefined) return 'an axis counts from the back, and the rank is not known';
  context.setAttribute(node, intAttribute('axis', axis + rank));
  return undefined;
};

export const topKSteps: StepTable = {
  TopK: {
    10: { up: countToInput, down: countToAttribute },
    11: { up: 'same', down: largestSorted },
  },
};
