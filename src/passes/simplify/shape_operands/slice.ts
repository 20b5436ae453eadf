import { type Dim, type Expr, provablyAtLeast, sub } from '../../../ir/dim.js';
import type { Node } from '../../../ir/graph.js';
import { normalAxis } from '../../../ir/ops/inference/axes.js';
import { knownNumbers } from '../../../ir/ops/inference/content.js';
import type { PassContext } from '../../pass.js';
import type { OperandPlan, PlanOperand } from './operand_plan.js';

const pastTheEnd = { int32: 2 ** 31 - 1, int64: 2n ** 63n - 1n } as const;

/** An end at or past the size becomes INT_MAX, and a position k before the end −k where the axis is that long. */
export const planSlice: PlanOperand = (node, elements, context, index) => {
  const axes = cutAxes(node, elements.length, context);
  const operand = node.inputs[index]!;
  const type = context.inference.typeOf(operand);
  const dtype = type?.kind === 'tensor' ? type.dtype : undefined;
  if (axes === undefined || (dtype !== 'int32' && dtype !== 'int64')) return undefined;
  const plan = elements.map((element, position): OperandPlan[number] => {
    if (typeof element !== 'object') return element;
    const { size, step } = axes[position]!;
    if (size === undefined || step === undefined) return undefined;
    if (index === 2 && step > 0 && provablyAtLeast(element, size)) return pastTheEnd[dtype];
    return fromTheEnd(element, size);
  });
  return plan;
};

/** −k for size − k, where that is never negative, which would be counted from the end itself. */
function fromTheEnd(element: Expr, size: Dim): number | undefined {
  const back = sub(size, element);
  return typeof back === 'number' && back > 0 && provablyAtLeast(element, 0) ? -back : undefined;
}

/** Size and step of the axis that each position of starts and ends is about. */
function cutAxes(node: Node, count: number, { inference }: PassContext) {
  const input = node.inputs[0];
  const shape = input == null ? undefined : inference.shapeOf(input);
  const numbers = (index: number): number[] | undefined => {
    const operand = node.inputs[index];
    return operand == null ? undefined : knownNumbers(inference.contentOf(operand));
  };
  if (shape === undefined) return undefined;
  const axes = node.inputs[3] == null ? Array.from({ length: count }, (_, axis) => axis) : numbers(3);
  const steps = node.inputs[4] == null ? undefined : numbers(4);
  if (axes?.length !== count || (steps !== undefined && steps.length !== count)) return undefined;
  const normal = axes.map((axis) => normalAxis(axis, shape.length));
  if (normal.includes(undefined)) return undefined;
  return normal.map((axis, position) => ({
    size: shape[axis!],
    step: node.inputs[4] == null ? 1 : steps?.[position],
  }));
}
