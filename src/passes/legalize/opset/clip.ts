import { floatAttribute, getFloat } from '../../../ir/attribute.js';
import type { DataType } from '../../../ir/data_type.js';
import type { Node } from '../../../ir/graph.js';
import { floatElement, floatScalar } from './scalar_tensor.js';
import { type Adapter, type StepTable, same } from './step.js';
import type { StepContext } from './step_context.js';

const bounds = [
  { name: 'min', index: 1, sign: -1 },
  { name: 'max', index: 2, sign: 1 },
] as const;

/** The largest finite value that a float attribute holds, which was the default of both bounds. */
const largestFloat = Math.fround(3.4028234663852886e38);
const largestFloat16 = 65504;

/** Before opset 6 a bound left out did not even stop infinities. */
const spellOutInfinities: Adapter = (node, context) => {
  for (const { name, sign } of bounds) {
    if (!node.attributes.has(name)) context.setAttribute(node, floatAttribute(name, sign * Number.POSITIVE_INFINITY));
  }
  context.removeAttribute(node, 'consumed_inputs');
  return undefined;
};

/** A bound left out is the largest float before, the largest of the tensor's own type after. */
const boundsToInputs: Adapter = (node, context) => {
  const dtype = context.dtype(node.inputs[0]);
  if (dtype === undefined) return 'the type of its input is not known';
  for (const { name, index, sign } of bounds) {
    const bound = getFloat(node, name, undefined);
    if (bound === undefined && dtype === 'float') continue;
    const tensor = floatScalar(dtype, bound ?? sign * largestFloat);
    if (tensor === undefined) return `a bound of ${dtype} does not exist here`;
    context.setInput(node, index, context.addConstant(node, tensor, `clip_${name}`));
    context.removeAttribute(node, name);
  }
  return undefined;
};

const minOverMax = 'its minimum is over its maximum, which only opset 13 gives a meaning';

/** Bounds that are computed when it runs are taken to be in order, as older opsets take them. */
const boundsInOrder: Adapter = (node, context) => {
  const [min, max] = [1, 2].map((index) => {
    const tensor = context.constant(node.inputs[index]);
    return tensor && (floatElement(tensor) ?? context.integers(node.inputs[index])?.[0]);
  });
  return min !== undefined && max !== undefined && min > max ? minOverMax : undefined;
};

const boundsToAttributes: Adapter = (node, context) => {
  const dtype = context.dtype(node.inputs[0]);
  if (dtype === undefined) return 'the type of its input is not known';
  const [min, max] = bounds.map(({ index, sign }) => boundAt(node, index, sign, dtype, context));
  if (typeof min === 'string') return min;
  if (typeof max === 'string') return max;
  if (min === undefined || max === undefined || min > max) return minOverMax;
  context.setAttribute(node, floatAttribute('min', min));
  context.setAttribute(node, floatAttribute('max', max));
  context.truncateInputs(node, 1);
  return undefined;
};

function boundAt(node: Node, index: number, sign: number, dtype: DataType, context: StepContext): number | string {
  if (node.inputs[index] == null) {
    if (dtype === 'float') return sign * largestFloat;
    return dtype === 'float16' ? sign * largestFloat16 : `a bound left out is the largest ${dtype} here`;
  }
  const tensor = context.constant(node.inputs[index]);
  if (tensor === undefined) return 'its bounds are computed when it runs';
  const bound = floatElement(tensor);
  return bound !== undefined && (Object.is(Math.fround(bound), bound) || Number.isNaN(bound))
    ? bound
    : 'a bound is no float';
}

export const clipSteps: StepTable = {
  Clip: {
    6: { up: spellOutInfinities, down: 'same' },
    11: { up: boundsToInputs, down: boundsToAttributes },
    12: same,
    13: { up: 'same', down: boundsInOrder },
  },
};
