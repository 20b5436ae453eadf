import { getInt, getInts, intAttribute, intsAttribute } from '../../../ir/attribute.js';
import { negativeAxes } from './axes.js';
import type { Adapter, StepTable } from './step.js';

const sizesToInput: Adapter = (node, context) => {
  const sizes = getInts(node, 'split', undefined);
  if (sizes === undefined) return undefined;
  context.setInput(node, 1, context.int64(node, sizes, 'split_sizes'));
  context.removeAttribute(node, 'split');
  return undefined;
};

const sizesToAttribute: Adapter = (node, context) => {
  if (node.inputs[1] == null) return undefined;
  const sizes = context.integers(node.inputs[1]);
  if (sizes === undefined) return 'its sizes are computed when it runs';
  context.truncateInputs(node, 1);
  context.setAttribute(node, intsAttribute('split', sizes));
  return undefined;
};

/** Without sizes, the number of parts must be said; a last part may be smaller from here on. */
const sayCount: Adapter = (node, context) => {
  if (node.inputs[1] == null) context.setAttribute(node, intAttribute('num_outputs', node.outputs.length));
  return undefined;
};

const sayNoCount: Adapter = (node, context) => {
  const count = getInt(node, 'num_outputs', undefined);
  if (count === undefined) return undefined;
  if (count !== node.outputs.length) return `it is split into ${count} parts and has ${node.outputs.length} outputs`;
  const shape = context.shape(node.inputs[0]);
  const axis = getInt(node, 'axis', 0);
  const size = shape?.[axis < 0 ? axis + shape.length : axis];
  if (typeof size !== 'number') return 'the parts may differ in size, as the length of the axis is not known';
  context.removeAttribute(node, 'num_outputs');
  if (size % count === 0) return undefined;
  const part = Math.ceil(size / count);
  const sizes = Array.from({ length: count }, (_, index) => Math.max(0, Math.min(part, size - index * part)));
  context.setInput(node, 1, context.int64(node, sizes, 'split_sizes'));
  return undefined;
};

const sizesFromAttributeOnly: Adapter = (node) => {
  if (node.inputs[1] != null) return 'its sizes are an input';
  return node.attributes.has('axis') ? undefined : 'it does not say its axis';
};

export const splitSteps: StepTable = {
  Split: {
    2: { up: sizesFromAttributeOnly, down: 'same' },
    11: negativeAxes('axis'),
    13: { up: sizesToInput, down: sizesToAttribute },
    18: { up: sayCount, down: sayNoCount },
  },
};
