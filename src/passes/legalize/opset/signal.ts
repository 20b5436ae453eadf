import { getInt, intAttribute } from '../../../ir/attribute.js';
import { int64Tensor } from '../../../ir/tensor.js';
import type { Adapter, StepTable } from './step.js';

const axisToInput: Adapter = (node, context) => {
  const axis = getInt(node, 'axis', 1);
  context.editor.setInput(node, 2, context.addConstant(node, int64Tensor([axis], []), 'dft_axis'));
  context.removeAttribute(node, 'axis');
  return undefined;
};

const axisToAttribute: Adapter = (node, context) => {
  const [axis] = node.inputs[2] == null ? [-2] : (context.integers(node.inputs[2]) ?? []);
  if (axis === undefined) return 'its axis is computed when it runs';
  context.truncateInputs(node, 2);
  context.setAttribute(node, intAttribute('axis', axis));
  return undefined;
};

export const signalSteps: StepTable = { DFT: { 20: { up: axisToInput, down: axisToAttribute } } };
