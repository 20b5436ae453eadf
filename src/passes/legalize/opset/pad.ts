import { floatAttribute, getFloat, getInts, getString, intsAttribute } from '../../../ir/attribute.js';
import { fromFront } from './axes.js';
import { floatElement, floatScalar } from './scalar_tensor.js';
import type { Adapter, StepTable } from './step.js';

const padsToInput: Adapter = (node, context) => {
  const pads = getInts(node, 'pads', undefined);
  if (pads === undefined) return 'attribute "pads" is missing';
  const value = getFloat(node, 'value', 0);
  if (value !== 0 && getString(node, 'mode', 'constant') === 'constant') {
    const dtype = context.dtype(node.inputs[0]);
    const scalar = dtype && floatScalar(dtype, value);
    if (scalar === undefined) return 'the type of its input is not known';
    context.setInput(node, 2, context.addConstant(node, scalar, 'pad_value'));
  }
  context.setInput(node, 1, context.int64(node, pads, 'pad_pads'));
  context.removeAttribute(node, 'pads', 'value');
  return undefined;
};

const padsToAttribute: Adapter = (node, context) => {
  const pads = context.integers(node.inputs[1]);
  if (pads === undefined) return 'its pads are computed when it runs';
  let value = 0;
  if (node.inputs[2] != null && getString(node, 'mode', 'constant') === 'constant') {
    const tensor = context.constant(node.inputs[2]);
    const element = tensor && floatElement(tensor);
    if (element === undefined) return 'its value is no constant float';
    if (Math.fround(element) !== element && !Number.isNaN(element)) return 'its value is more precise than a float';
    value = element;
  }
  context.truncateInputs(node, 1);
  context.setAttribute(node, intsAttribute('pads', pads));
  if (value !== 0) context.setAttribute(node, floatAttribute('value', value));
  return undefined;
};

/** Down, pads of some axes become pads of all. */
const axesToAll: Adapter = (node, context) => {
  if (node.inputs[3] == null) return undefined;
  const rank = context.rank(node.inputs[0]);
  const pads = context.integers(node.inputs[1]);
  const given = context.integers(node.inputs[3]);
  if (rank === undefined) return 'it pads some axes, and the rank is not known';
  const axes = given && fromFront(given, rank);
  if (pads === undefined || axes === undefined) return 'its pads or axes are computed when it runs';
  if (new Set(axes).size < axes.length) return 'it pads an axis twice';
  const all = Array.from({ length: 2 * rank }, () => 0);
  for (const [index, axis] of axes.entries()) {
    all[axis] = pads[index] ?? 0;
    all[rank + axis] = pads[axes.length + index] ?? 0;
  }
  context.truncateInputs(node, 3);
  context.setInput(node, 1, context.int64(node, all, 'pad_pads'));
  return undefined;
};

const noWrap: Adapter = (node) =>
  getString(node, 'mode', 'constant') === 'wrap' ? 'mode "wrap" does not exist there' : undefined;

export const padSteps: StepTable = {
  Pad: {
    2: { up: { refuse: 'opset 1 contradicts itself on the order of the paddings' }, down: 'same' },
    11: { up: padsToInput, down: padsToAttribute },
    18: { up: 'same', down: axesToAll },
    19: { up: 'same', down: noWrap },
  },
};
