// Reshape(x, [d0(x), d1(x), 12, …]) => Reshape(x, [0, 0, 12, −1]), and the like for Expand and Slice
// Needs: each element of the operand known as a number, as a size of x, or as the only one left over; nothing about the
// result may become unknown. Where only some elements are, those inputs of the Concat that builds the operand become
// constants.
import { getInt } from '../../ir/attribute.js';
import { constantTensor } from '../../ir/constant.js';
import { dimEquals } from '../../ir/dim.js';
import { type Graph, type Node, rootGraph, type Value } from '../../ir/graph.js';
import { type Content, maxContentElements } from '../../ir/ops/inference/content.js';
import { int64Tensor, type Tensor, tensorFromData } from '../../ir/tensor.js';
import type { Shape } from '../../ir/value_type.js';
import { definePass, type PassContext } from '../pass.js';
import { defaultOpset, plainOperator } from './plain_operator.js';
import { planExpand } from './shape_operands/expand.js';
import type { OperandPlan, PlanOperand } from './shape_operands/operand_plan.js';
import { planReshape } from './shape_operands/reshape.js';
import { planSlice } from './shape_operands/slice.js';

const name = 'simplify-shape-operands';

export const simplifyShapeOperands = definePass({
  name,
  summary: 'a shape computed from the sizes of its own operand => constants that say the same',
  scope: 'graphs',
  run(graph, context) {
    const constants = new Map<string, Value>();
    for (const node of graph.nodes) {
      const opType = plainOperator(node);
      const operands = opType === undefined ? undefined : plannedOperands[opType];
      if (operands === undefined || defaultOpset(node) < operands.since) continue;
      for (const index of operands.inputs) simplifyOperand({ node, index, plan: operands.plan, constants }, context);
    }
  },
});

type PlannedOperands = { readonly since: number; readonly inputs: readonly number[]; readonly plan: PlanOperand };

/** Says how Reshape reads a 0, which plans use in the one way that all opsets have. */
const readsZero = 'allowzero';

/** Operands that are shapes or positions, since the opset in which they are inputs. */
const plannedOperands: Readonly<Record<string, PlannedOperands>> = {
  Reshape: { since: 5, inputs: [1], plan: planReshape },
  Expand: { since: 8, inputs: [1], plan: planExpand },
  Slice: { since: 10, inputs: [1, 2], plan: planSlice },
};

type Operand = {
  readonly node: Node;
  readonly index: number;
  readonly plan: PlanOperand;
  /** Constants made in this graph, by dtype and elements. */
  readonly constants: Map<string, Value>;
};

function simplifyOperand({ node, index, plan: planOf, constants }: Operand, context: PassContext): void {
  const { editor } = context;
  const operand = node.inputs[index];
  if (operand == null || operand.producer === null || constantTensor(operand) !== undefined) return;
  const known = contentOf(operand, context);
  const plan = known && planOf(node, known.elements, context, index);
  if (known === undefined || plan === undefined) return;
  const tensor = constantOfPlan(plan, known.dtype);
  const replacement =
    tensor === undefined
      ? concatOfPlan(operand, node.graph, plan, known.dtype, context)
      : sharedConstant(node.graph, tensor, plan, constants, context);
  if (replacement === undefined) {
    context.decline({ rule: name, node, reason: 'no constant says the same as its operand' });
    return;
  }
  if (!keepsResult(node, index, replacement, context)) {
    if (replacement.producer !== null) editor.discard(replacement.producer);
    context.decline({ rule: name, node, reason: 'less would be known of the result' });
    return;
  }
  if (replacement.producer !== null && !replacement.producer.attached) editor.attach(replacement.producer, node);
  editor.setInput(node, index, replacement);
  editor.removeAttribute(node, readsZero);
  editor.addProvenance(node, name);
  eraseUnread(operand, context);
}

/** What is known of a one-dimensional operand, unknown elements included. */
function contentOf(operand: Value, { inference }: PassContext): Content | undefined {
  const known = inference.contentOf(operand);
  if (known !== undefined) return known.dims.length === 1 ? known : undefined;
  const type = inference.typeOf(operand);
  const size = type?.kind === 'tensor' && type.shape?.length === 1 ? type.shape[0] : undefined;
  if (type?.kind !== 'tensor' || type.dtype === undefined) return undefined;
  if (typeof size !== 'number' || size > maxContentElements) return undefined;
  return { dtype: type.dtype, dims: [size], elements: Array.from({ length: size }, () => undefined) };
}

function constantOfPlan(plan: OperandPlan, dtype: string): Tensor | undefined {
  const elements = plan.filter((element) => element !== undefined);
  if (elements.length < plan.length) return undefined;
  if (dtype === 'int64') return int64Tensor(elements);
  return dtype === 'int32' ? tensorFromData('int32', [plan.length], Int32Array.from(elements, Number)) : undefined;
}

/** Functions have no initializers that nodes could share; their constants become nodes on the wire all the same. */
function sharedConstant(
  graph: Graph,
  tensor: Tensor,
  plan: OperandPlan,
  constants: Map<string, Value>,
  { editor }: PassContext,
): Value {
  const key = `${tensor.dtype}:${plan.join()}`;
  const known = constants.get(key);
  if (known !== undefined) return known;
  const label = rootGraph(graph).ownerFunction === null ? `shape_${plan.join('_').replaceAll('-', 'm')}` : 'shape';
  const made = editor.draftConstant(graph, tensor, label);
  constants.set(key, made);
  return made;
}

/** A Concat as the one behind `operand`, constants in the place of inputs that the plan covers; undefined where none is. */
function concatOfPlan(
  operand: Value,
  graph: Graph,
  plan: OperandPlan,
  dtype: string,
  context: PassContext,
): Value | undefined {
  const concat = operand.producer!;
  if (plainOperator(concat) !== 'Concat' || getInt(concat, 'axis', 1) > 0) return undefined;
  if (concat.graph !== graph || operand.uses.size > 1) return undefined;
  const { editor, inference } = context;
  type Part = { readonly value: Value; readonly plan: OperandPlan | undefined };
  const parts: Part[] = [];
  let position = 0;
  let gained = false;
  for (const input of concat.inputs) {
    const shape = input === null ? undefined : inference.shapeOf(input);
    const size = shape?.length === 1 ? shape[0] : undefined;
    if (input === null || typeof size !== 'number') return undefined;
    const covered = plan.slice(position, position + size);
    position += size;
    const isCovered = covered.every((element) => element !== undefined);
    gained ||= isCovered && constantTensor(input) === undefined;
    const last = parts.at(-1);
    if (isCovered && last?.plan !== undefined) parts[parts.length - 1] = { ...last, plan: [...last.plan, ...covered] };
    else parts.push({ value: input, plan: isCovered ? covered : undefined });
  }
  if (!gained || position !== plan.length) return undefined;
  const inputs = parts.map((part) => {
    const tensor = part.plan && constantOfPlan(part.plan, dtype);
    return tensor === undefined ? part.value : editor.draftConstant(concat.graph, tensor, 'shape');
  });
  const draft = editor.draft({
    graph: concat.graph,
    opType: 'Concat',
    inputs,
    outputs: [{ name: operand.name }],
    attributes: [...concat.attributes.values()],
    provenance: [...concat.provenance, name],
  });
  return draft.outputs[0]!;
}

/** Whether all that is known of the node's result is known with the new operand as well. */
function keepsResult(node: Node, index: number, replacement: Value, { editor, inference }: PassContext): boolean {
  const draft = editor.draft({
    graph: node.graph,
    domain: node.domain,
    opType: node.opType,
    inputs: node.inputs.with(index, replacement),
    outputs: 1,
    attributes: [...node.attributes.values()].filter((attribute) => attribute.name !== readsZero),
  });
  const before = inference.shapeOf(node.outputs[0]!);
  return before === undefined || isAsKnown(before, inference.shapeOf(draft.outputs[0]!));
}

const isAsKnown = (before: Shape, after: Shape | undefined): boolean =>
  before.length === after?.length && before.every((dim, axis) => dim === undefined || dimEquals(dim, after[axis]));

/** What nobody reads any more, and what only it read; this way its readers are free for other passes at once. */
function eraseUnread(operand: Value, { editor }: PassContext): void {
  const { producer } = operand;
  const isUnread = producer?.outputs.every((output) => output === null || (output.uses.size === 0 && !output.pinned));
  if (producer != null && isUnread && plainOperator(producer) === 'Concat') editor.eraseNode(producer);
}
