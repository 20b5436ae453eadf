import { getInt, intAttribute, intsAttribute } from '../../../ir/attribute.js';
import type { Shape } from '../../../ir/value_type.js';
import { negativeAxes } from './axes.js';
import { shapeBack } from './shape_back.js';
import type { Adapter, StepTable } from './step.js';

/**
 * Before, the operator worked on rows of everything from `axis` on; after, along `axis` alone. That is one thing
 * where `axis` is the last, or the others from it on have size 1.
 */
const alongAxis: Adapter = (node, context) => {
  const axis = getInt(node, 'axis', 1);
  if (axis === -1) return undefined;
  const [input] = node.inputs;
  const shape = context.shape(input);
  const from = axis < 0 ? axis + (shape?.length ?? Number.NaN) : axis;
  if (input == null || Number.isNaN(from)) return 'the rank of its input is not known';
  const long = shape && longAxes(shape, from);
  if (shape !== undefined && from < shape.length && long !== undefined && long.length <= 1) {
    context.setAttribute(node, intAttribute('axis', long[0] ?? from));
    return undefined;
  }
  const target = shapeBack(node, input, context);
  if (typeof target === 'string') return target;
  const rows = context.insert(node, 'Flatten', [input], [intAttribute('axis', from)]);
  const result = context.insert(node, node.opType, [rows], [intAttribute('axis', -1)]);
  return context.become(node, 'Reshape', [result, target.shape], target.attributes);
};

/** Axes from `from` on that may be longer than 1. */
const longAxes = (shape: Shape, from: number): number[] =>
  shape.flatMap((dim, axis) => (axis >= from && dim !== 1 ? [axis] : []));

/** Down, the axis is brought to the end, where rows are what it runs along. */
const alongRows: Adapter = (node, context) => {
  const axis = getInt(node, 'axis', -1);
  const [input] = node.inputs;
  const shape = context.shape(input);
  if (axis === -1 || input == null || shape === undefined) {
    if (axis !== -1) return 'the rank of its input is not known';
    context.setAttribute(node, intAttribute('axis', -1));
    return undefined;
  }
  const along = axis < 0 ? axis + shape.length : axis;
  const last = shape.length - 1;
  if (longAxes(shape, along).every((long) => long === along)) {
    context.setAttribute(node, intAttribute('axis', along));
    return undefined;
  }
  const perm = Array.from({ length: shape.length }, (_, index) => index);
  perm[along] = last;
  perm[last] = along;
  const swap = intsAttribute('perm', perm);
  const swapped = context.insert(node, 'Transpose', [input], [swap]);
  const result = context.insert(node, node.opType, [swapped], [intAttribute('axis', last)]);
  return context.become(node, 'Transpose', [result], [swap]);
};

const softmax = { 11: negativeAxes('axis'), 13: { up: alongAxis, down: alongRows } };

export const softmaxSteps: StepTable = { Softmax: softmax, LogSoftmax: softmax, Hardmax: softmax };
