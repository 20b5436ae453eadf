import { intsAttribute } from '../../../ir/attribute.js';
import { fromFront } from './axes.js';
import type { Adapter, StepTable } from './step.js';

/** `starts`, `ends` and `axes` became inputs; `steps` came with them. */
const boundsToInputs: Adapter = (node, context) => {
  for (const [at, name] of ['starts', 'ends', 'axes'].entries()) {
    const attribute = node.attributes.get(name);
    if (attribute?.kind !== 'ints') {
      if (name === 'axes') continue;
      return `attribute "${name}" is missing`;
    }
    context.setInput(node, at + 1, context.int64(node, attribute.value, `slice_${name}`));
    context.removeAttribute(node, name);
  }
  return undefined;
};

const boundsToAttributes: Adapter = (node, context) => {
  const [, , , axesInput, stepsInput] = node.inputs;
  const [starts, ends, axes, steps] = [1, 2, 3, 4].map((index) => context.integers(node.inputs[index]));
  if (starts === undefined || ends === undefined) return 'its bounds are computed when it runs';
  if (axesInput != null && axes === undefined) return 'its axes are computed when it runs';
  if (stepsInput != null && !steps?.every((step) => step === 1)) return 'it takes steps other than 1';
  context.truncateInputs(node, 1);
  context.setAttribute(node, intsAttribute('starts', starts));
  context.setAttribute(node, intsAttribute('ends', ends));
  if (axes !== undefined) context.setAttribute(node, intsAttribute('axes', axes));
  return undefined;
};

const axesFromFront: Adapter = (node, context) => {
  if (node.inputs[3] == null) return undefined;
  const axes = context.integers(node.inputs[3]);
  if (axes === undefined) return 'its axes are computed when it runs, and may count from the back';
  if (axes.every((axis) => axis >= 0)) return undefined;
  const counted = fromFront(axes, context.rank(node.inputs[0]));
  if (counted === undefined) return 'an axis counts from the back, and the rank is not known';
  const dtype = context.dtype(node.inputs[3]);
  if (dtype !== 'int64') return `an axis counts from the back, in ${dtype ?? 'a type that is not known'}`;
  context.setInput(node, 3, context.int64(node, counted, 'slice_axes'));
  return undefined;
};

export const sliceSteps: StepTable = {
  Slice: {
    10: { up: boundsToInputs, down: boundsToAttributes },
    11: { up: 'same', down: axesFromFront },
  },
};
