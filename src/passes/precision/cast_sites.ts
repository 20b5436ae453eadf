import { constantTensor } from '../../ir/constant.js';
import type { Model, Node, OutputSlot, Use, Value } from '../../ir/graph.js';
import type { Inference } from '../../ir/ops/inference/inference.js';
import { isOverridable } from '../../ir/overridable.js';
import { nestedGraphs } from '../../ir/topological_order.js';
import type { HalfSlots } from './half_slots.js';
import type { PrecisionPlan } from './precision_plan.js';

/** What gets one of the two types as a whole: a node, or an input or output of the main graph. */
export type Party = Node | Value | OutputSlot;

/** A float32 value: who stores it and who reads it. null: somebody who keeps float32 whatever is decided. */
export type CastSite = {
  readonly value: Value;
  readonly stored: Party | null;
  readonly readers: ReadonlySet<Party | null>;
};

/**
 * Where casts may be needed: every float32 value that is no constant, of the main graph and the graphs in it. Functions
 * keep their types.
 */
export function castSites(
  model: Model,
  inference: Inference,
  slotsOf: (node: Node) => HalfSlots | undefined,
  /** Inputs and outputs of the main graph that may change. */
  isOpen: (port: Value | OutputSlot) => boolean,
): CastSite[] {
  const sites: CastSite[] = [];
  const storedBy = (value: Value): Party | null => {
    if (value.producer !== null) return slotsOf(value.producer)?.outputs[value.index] ? value.producer : null;
    return isMainInput(value, model) && isOpen(value) ? value : null;
  };
  const readBy = (use: Use): Party | null => {
    if (use.kind === 'node') return slotsOf(use.user)?.inputs[use.index] ? use.user : null;
    return use.user.graph === model.graph && isOpen(use.user) ? use.user : null;
  };
  for (const graph of nestedGraphs(model.graph)) {
    for (const value of graph.values.values()) {
      if (constantTensor(value) !== undefined || inference.dtypeOf(value) !== 'float') continue;
      sites.push({ value, stored: storedBy(value), readers: new Set(Array.from(value.uses, readBy)) });
    }
  }
  return sites;
}

/** A float32 input of the main graph without a default, which would have to change with it. */
export const isMainInput = (value: Value, { graph }: Model): boolean =>
  value.graph === graph && value.isInput && !isOverridable(value);

/** Casts behind a value: one to half where somebody reads that and it is stored in float, and one the other way. */
export function castsAt({ stored, readers }: CastSite, isHalf: (party: Party) => boolean): number {
  const isStoredHalf = stored !== null && isHalf(stored);
  for (const reader of readers) if ((reader !== null && isHalf(reader)) !== isStoredHalf) return 1;
  return 0;
}

/** Whether a party is half in a plan. */
export const isHalfIn =
  ({ nodes, inputs, outputs }: PrecisionPlan) =>
  (party: Party): boolean => {
    switch (party.kind) {
      case 'node':
        return nodes.get(party)?.type === 'half';
      case 'value':
        return inputs.has(party);
      case 'output':
        return outputs.has(party);
    }
  };
