import { getInt, getString } from '../../ir/attribute.js';
import { constantTensor } from '../../ir/constant.js';
import { type DataType, dataTypeOfCode, isDataType } from '../../ir/data_type.js';
import type { Model, Node, Use, Value } from '../../ir/graph.js';
import type { Inference } from '../../ir/ops/inference/inference.js';
import { schemaDomain } from '../../ir/ops/operator_schema.js';
import { nestedGraphs } from '../../ir/topological_order.js';
import { type HalfSlots, halfSlots } from './half_slots.js';
import type { PrecisionPlan } from './precision_plan.js';

/** What becomes of one float32 value. */
export type Retyping = {
  readonly value: Value;
  /**
   * - `constant`: each reader gets it in its type;
   * - `widened`: a Cast of the model made it from the half type, where readers of the half type can read instead;
   * - `float`, `half`: the type it is stored in from now on.
   */
  readonly kind: 'constant' | 'widened' | 'float' | 'half';
  readonly halfUses: readonly Use[];
  readonly floatUses: readonly Use[];
};

export type Survey = {
  /** Nodes that compute in the half type, with what changes. */
  readonly slots: ReadonlyMap<Node, HalfSlots>;
  /** Every float32 value of the model outside functions. */
  readonly values: readonly Retyping[];
};

/** Reads what the plan means for every value before anything is rewritten. */
export function surveyRetyping(model: Model, plan: PrecisionPlan, inference: Inference): Survey {
  const graphs = [...nestedGraphs(model.graph)];
  const slots = new Map<Node, HalfSlots>();
  for (const graph of graphs) {
    for (const node of graph.nodes) {
      if (plan.nodes.get(node)?.type !== 'half') continue;
      const changed = halfSlots(node, plan.half, inference);
      if (changed !== undefined) slots.set(node, changed);
    }
  }
  const values: Retyping[] = [];
  const survey = { plan, slots, inference };
  for (const graph of graphs) {
    for (const value of graph.values.values()) {
      if (inference.dtypeOf(value) === 'float') values.push(surveyValue(value, survey));
    }
  }
  return { slots, values };
}

type Context = {
  readonly plan: PrecisionPlan;
  readonly slots: ReadonlyMap<Node, HalfSlots>;
  readonly inference: Inference;
};

function surveyValue(value: Value, context: Context): Retyping {
  const kind = kindOf(value, context);
  const halfUses: Use[] = [];
  const floatUses: Use[] = [];
  for (const use of value.uses) (readsHalf(use, kind, context) ? halfUses : floatUses).push(use);
  return { value, kind, halfUses, floatUses };
}

function kindOf(value: Value, { plan, slots, inference }: Context): Retyping['kind'] {
  if (constantTensor(value) !== undefined) return 'constant';
  const { producer } = value;
  if (producer === null) return plan.inputs.has(value) ? 'half' : 'float';
  if (isCast(producer)) {
    const source = producer.inputs[0];
    if (source != null && inference.dtypeOf(source) === plan.half) return 'widened';
  }
  return slots.get(producer)?.outputs[value.index] ? 'half' : 'float';
}

function readsHalf(use: Use, kind: Retyping['kind'], { plan, slots }: Context): boolean {
  if (use.kind === 'output') return plan.outputs.has(use.user);
  // A Cast makes the same of a half as of the same number in float32, so that it needs no other before it; of a constant
  // it would make another number, were that rounded first.
  if (kind !== 'widened' && isCast(use.user) && castType(use.user) !== 'string') return kind === 'half';
  return slots.get(use.user)?.inputs[use.index] ?? false;
}

export const isCast = ({ domain, opType }: Node): boolean => opType === 'Cast' && schemaDomain(domain) === '';

/** What a Cast makes; before opset 6 it is spelled out, as `TensorProto.DataType` does in capitals. */
export function castType(node: Node): DataType | undefined {
  const spelled = getString(node, 'to', '').toLowerCase();
  return isDataType(spelled) ? spelled : dataTypeOfCode(getInt(node, 'to', 0));
}
