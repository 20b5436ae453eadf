import { floatAttribute, getFloat, getInt } from '../../../ir/attribute.js';
import type { Node } from '../../../ir/graph.js';
import { floatElement, floatScalar } from './scalar_tensor.js';
import type { Adapter, StepTable } from './step.js';
import type { StepContext } from './step_context.js';

/** What the mask holds outside training is told from opset 12 on only. */
function dropMask(node: Node, context: StepContext): string | undefined {
  const mask = node.outputs[1];
  if (mask == null) return undefined;
  if (mask.uses.size > 0 || mask.pinned) return 'its mask is read, which older opsets leave open';
  context.editor.omitOutput(mask);
  return undefined;
}

const noTestFlag: Adapter = (node, context) => {
  if (getInt(node, 'is_test', 0) === 0) return 'it is in training mode';
  context.removeAttribute(node, 'is_test');
  return dropMask(node, context);
};

const ratioToInput: Adapter = (node, context) => {
  const dtype = context.dtype(node.inputs[0]);
  const ratio = getFloat(node, 'ratio', undefined);
  context.removeAttribute(node, 'ratio');
  const scalar = dtype && ratio !== undefined ? floatScalar(dtype, ratio) : undefined;
  // Outside training the ratio changes nothing; it is kept where its type is clear.
  if (scalar !== undefined) context.setInput(node, 1, context.addConstant(node, scalar, 'dropout_ratio'));
  return dropMask(node, context);
};

const ratioToAttribute: Adapter = (node, context) => {
  const training = node.inputs[2];
  if (training != null && context.integers(training)?.[0] !== 0) return 'it may be in training mode';
  const tensor = context.constant(node.inputs[1]);
  const ratio = tensor && floatElement(tensor);
  context.truncateInputs(node, 1);
  context.removeAttribute(node, 'seed');
  if (ratio !== undefined) context.setAttribute(node, floatAttribute('ratio', ratio));
  return dropMask(node, context);
};

export const dropoutSteps: StepTable = {
  Dropout: {
    7: { up: noTestFlag, down: 'same' },
    10: { up: dropMask, down: dropMask },
    12: { up: ratioToInput, down: ratioToAttribute },
  },
};
