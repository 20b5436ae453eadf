import { type Attribute, getInt, intAttribute, intsAttribute } from '../../../ir/attribute.js';
import type { Node, Value } from '../../../ir/graph.js';
import type { Shape } from '../../../ir/value_type.js';
import { negativeAxes } from './axes.js';
import type { Adapter, StepTable } from './step.js';
import type { StepContext } from './step_context.js';

/** Reshape means a 0 as it says it from this opset on. */
const allowZeroSince = 14;

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
  const target = shapeBack(node, input, shape, context);
  if (typeof target === 'string') return target;
  const rows = context.insert(node, 'Flatten', [input], [intAttribute('axis', from)]);
  const result = context.insert(node, node.opType, [rows], [intAttribute('axis', -1)]);
  return context.become(node, 'Reshape', [result, target.shape], target.attributes);
};

/** Axes from `from` on that may be longer than 1. */
const longAxes = (shape: Shape, from: number): number[] =>
  shape.flatMap((dim, axis) => (axis >= from && dim !== 1 ? [axis] : []));

type ShapeBack = { readonly shape: Value; readonly attributes: readonly Attribute[] };

function shapeBack(node: Node, input: Value, shape: Shape | undefined, context: StepContext): ShapeBack | string {
  const name = `${node.opType.toLowerCase()}_shape`;
  const open = shape?.filter((dim) => typeof dim !== 'number').length;
  if (shape !== undefined && open !== undefined && open <= 1 && !shape.includes(0)) {
    const dims = shape.map((dim) => (typeof dim === 'number' ? dim : -1));
    return { shape: context.int64(node, dims, name), attributes: [] };
  }
  if (context.target < allowZeroSince) {
    return `sizes of its input are not known, and opset ${context.target} cannot give an empty tensor its shape back`;
  }
  // The attribute is ahead of the step that brings it, which the conversion goes on to take.
  return { shape: context.insert(node, 'Shape', [input]), attributes: [intAttribute('allowzero', 1)] };
}

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
