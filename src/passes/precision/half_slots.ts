import { subgraphs } from '../../ir/attribute.js';
import { constantTensor } from '../../ir/constant.js';
import { calledFunction, type Node, opsetVersion, rootGraph, type Value } from '../../ir/graph.js';
import type { HalfType } from '../../ir/half_float.js';
import { exactInputs } from '../../ir/ops/exact_inputs.js';
import type { Inference } from '../../ir/ops/inference/inference.js';
import { newestOpset } from '../../ir/ops/inference/signature.js';
import { formalParameter, type OperatorSchema, operatorSchema } from '../../ir/ops/operator_schema.js';
import { type OutputTypeAttribute, outputTypeAttribute } from '../../ir/ops/output_type.js';

/** Of each input and output of a node, whether it is float32 now and has the half type in the node's half form. */
export type HalfSlots = { readonly inputs: readonly boolean[]; readonly outputs: readonly boolean[] };

type Slot = { readonly direction: 'input' | 'output'; readonly index: number; readonly value: Value };

/**
 * What becomes half when a node computes in the half type, by the operator's schema at the model's opset. A type
 * parameter is one type for all its slots; it stays where one of them may not change.
 *
 * undefined: the node has no half form. So have nodes with subgraphs, calls of functions and everything inside
 * functions, which keep the types at their boundary; Constant nodes, since a constant has the type its reader reads;
 * what no schema describes; and what reads or makes a sequence, an optional or a value of unknown type that may be one.
 */
export function halfSlots(node: Node, half: HalfType, inference: Inference): HalfSlots | undefined {
  const schema = describedBy(node, half);
  if (schema === undefined) return undefined;
  const slots: Slot[] = [];
  for (const [index, value] of node.inputs.entries())
    if (value !== null) slots.push({ direction: 'input', index, value });
  for (const [index, value] of node.outputs.entries()) {
    if (value !== null) slots.push({ direction: 'output', index, value });
  }
  const changed = changedSlots(node, slots, { schema, half, inference });
  if (changed === undefined || changed.size === 0) return undefined;
  const marks = (direction: Slot['direction'], count: number): boolean[] => {
    const list = Array.from({ length: count }, () => false);
    for (const slot of changed) if (slot.direction === direction) list[slot.index] = true;
    return list;
  };
  return { inputs: marks('input', node.inputs.length), outputs: marks('output', node.outputs.length) };
}

type Facts = { readonly schema: OperatorSchema; readonly half: HalfType; readonly inference: Inference };

/** The schema, where a node is one that may change. */
function describedBy(node: Node, half: HalfType): OperatorSchema | undefined {
  if (node.attributes.size > 0 && subgraphs(node).length > 0) return undefined;
  if (calledFunction(node) !== undefined || rootGraph(node.graph).ownerFunction !== null) return undefined;
  if (node.outputs.length === 1 && node.opType === 'Constant' && constantTensor(node.outputs[0]) !== undefined) {
    return undefined;
  }
  const opset = opsetVersion(node.graph, node.domain);
  if (opset === undefined || opset > newestOpset(node.domain)) return undefined;
  const schema = operatorSchema(node.domain, node.opType, opset);
  return schema === undefined || schema.deprecated || !castMakes(node, half) ? undefined : schema;
}

/** Whether values can get from float32 to the half type and back in this model. */
function castMakes({ graph }: Node, half: HalfType): boolean {
  const opset = opsetVersion(graph, '');
  const cast = opset === undefined ? undefined : operatorSchema('', 'Cast', opset);
  return cast?.typeConstraints['T1']?.includes(`tensor(${half})`) ?? false;
}

/** The slots that change; undefined where what they have to do with one another is not known. */
function changedSlots(node: Node, slots: readonly Slot[], facts: Facts): Set<Slot> | undefined {
  const { schema, half, inference } = facts;
  const stated = statedOutputs(node, schema);
  const exact = exactInputs(node);
  const bound = new Map<string, Slot[]>();
  const changed = new Set<Slot>();
  for (const slot of slots) {
    const { direction, index, value } = slot;
    const formal = formalParameter(schema, direction, index);
    if (formal === undefined || mayBeComposite(slot, facts)) return undefined;
    if (schema.typeConstraints[formal.type] === undefined) continue;
    if (direction === 'output' && stated?.outputs.includes(index)) continue;
    // The values of such a parameter have types of their own, which nothing ties to those of the outputs.
    if (formal.option === 'variadic' && !formal.homogeneous) return undefined;
    const members = bound.get(formal.type);
    if (members === undefined) bound.set(formal.type, [slot]);
    else members.push(slot);
    if (direction === 'input' || inference.dtypeOf(value) !== 'float') continue;
    const isTied = slots.some(
      (other) => other.direction === 'input' && formalParameter(schema, 'input', other.index)?.type === formal.type,
    );
    if (!isTied) return undefined;
  }
  for (const [parameter, members] of bound) {
    const allowed = schema.typeConstraints[parameter]?.includes(`tensor(${half})`);
    const isFree = ({ direction, index, value }: Slot): boolean =>
      inference.dtypeOf(value) === 'float' && !(direction === 'input' && exact.includes(index));
    if (allowed && members.every(isFree)) for (const slot of members) changed.add(slot);
  }
  for (const slot of slots) if (isRestated(slot, changed, stated, facts)) changed.add(slot);
  return changed;
}

/** The attribute that names the type of outputs, where this version of the operator has it. */
function statedOutputs(node: Node, schema: OperatorSchema): OutputTypeAttribute | undefined {
  const attribute = outputTypeAttribute(node);
  return attribute !== undefined && schema.attributes.has(attribute.name) ? attribute : undefined;
}

/** An output whose type an attribute names can be had by naming another. */
function isRestated(
  { direction, index, value }: Slot,
  changed: ReadonlySet<Slot>,
  stated: OutputTypeAttribute | undefined,
  { schema, half, inference }: Facts,
): boolean {
  if (direction !== 'output' || stated === undefined || !stated.outputs.includes(index) || stated.isPrecision)
    return false;
  const formal = formalParameter(schema, 'output', index);
  const allowed = formal && schema.typeConstraints[formal.type]?.includes(`tensor(${half})`);
  if (!allowed || inference.dtypeOf(value) !== 'float') return false;
  if (!stated.together) return true;
  return Array.from(changed).some((slot) => slot.direction === 'input' && slot.index === stated.follows);
}

/** Whether a value is something else than a tensor, or may be as far as anybody knows. */
function mayBeComposite({ direction, index, value }: Slot, { schema, inference }: Facts): boolean {
  const type = inference.typeOf(value);
  if (type !== undefined) return type.kind !== 'tensor';
  const formal = formalParameter(schema, direction, index)!;
  const allowed = schema.typeConstraints[formal.type] ?? [formal.type];
  return allowed.some((each) => each.includes('(') && !each.startsWith('tensor('));
}
