import { InvariantError } from '../diagnostic.js';
import { type Graph, type Model, type OutputSlot, useGraph, type Value } from '../graph.js';
import { nestedGraphs } from '../topological_order.js';
import { modelGraphs } from '../traversal.js';

/** The names a model is written under. */
export type WireNames = {
  nameOf(value: Value): string;
  /** A subgraph's outputs count by position: one whose name would hide an outer value that is read there gets another. */
  slotNameOf(slot: OutputSlot): string;
  /** Outputs whose value cannot take the output's name: an Identity gives it to them. */
  readonly identities: ReadonlySet<OutputSlot>;
};

/**
 * Gives each output's producer the output's name. Where that cannot be (two outputs share a value; the value is an
 * input, an initializer or an outer value of another name) the output is listed in `identities`. A value that holds
 * an output's name without feeding it is written under a fresh one.
 */
export function assignWireNames(model: Model): WireNames {
  const names = new Map<Value, string>();
  const identities = new Set<OutputSlot>();
  const slotNames = new Map<OutputSlot, string>();
  for (const graph of modelGraphs(model)) nameOutputs(graph, names, identities, slotNames);
  if (names.size + slotNames.size > 0) freeOutputNames(model, names, slotNames);
  return {
    nameOf: (value) => names.get(value) ?? value.name,
    slotNameOf: (slot) => slotNames.get(slot) ?? slot.name,
    identities,
  };
}

function nameOutputs(
  graph: Graph,
  names: Map<Value, string>,
  identities: Set<OutputSlot>,
  slotNames: Map<OutputSlot, string>,
): void {
  const settled = new Set<Value>();
  const open: OutputSlot[] = [];
  for (const slot of graph.outputs) {
    if (slot.value.name === slot.name) settled.add(slot.value);
    else open.push(slot);
  }
  const outer = open.length > 0 && graph.owner !== null ? outerNames(graph) : new Set<string>();
  for (const slot of open) {
    const { value } = slot;
    if (outer.has(slot.name)) slotNames.set(slot, '');
    const free = value.graph === graph && isRenamable(value) && !settled.has(value) && !outer.has(slot.name);
    if (free && !isShadowed(value, slot.name)) {
      settled.add(value);
      names.set(value, slot.name);
    } else identities.add(slot);
    const holder = graph.values.get(slot.name);
    if (holder !== undefined && !names.has(holder)) names.set(holder, '');
  }
}

/** Names of values from around a subgraph that are read in it or below. */
function outerNames(graph: Graph): Set<string> {
  const inside = new Set(nestedGraphs(graph));
  const found = new Set<string>();
  const note = (value: Value | null) => {
    if (value !== null && !inside.has(value.graph)) found.add(value.name);
  };
  for (const each of inside) {
    for (const slot of each.outputs) note(slot.value);
    for (const node of each.nodes) for (const input of node.inputs) note(input);
  }
  return found;
}

/** Node results, and constants of the main graph: a subgraph's output must be produced inside it. */
function isRenamable({ producer, initializer, isInput, pinned, graph }: Value): boolean {
  const isConstant = initializer !== null && !isInput && graph.owner === null && graph.ownerFunction === null;
  return !pinned && (producer !== null || isConstant);
}

/** Whether a reader inside a subgraph would find another value under `name`. */
function isShadowed(value: Value, name: string): boolean {
  for (const use of value.uses) {
    for (let scope = useGraph(use); scope !== value.graph; scope = scope.owner!.graph) {
      if (scope.values.has(name) || scope.outputs.some((slot) => slot.name === name)) return true;
    }
  }
  return false;
}

/** Values and outputs that must give their name up ('' so far) get one that nothing else has. */
function freeOutputNames(model: Model, names: Map<Value, string>, slotNames: Map<OutputSlot, string>): void {
  const taken = new Set<string>();
  for (const graph of modelGraphs(model)) {
    for (const name of graph.values.keys()) taken.add(name);
    for (const slot of graph.outputs) taken.add(slot.name);
  }
  const fresh = (base: string): string => {
    let suffix = 1;
    while (taken.has(`${base}_${suffix}`)) suffix += 1;
    taken.add(`${base}_${suffix}`);
    return `${base}_${suffix}`;
  };
  for (const [value, name] of names) {
    if (name !== '') continue;
    if (value.isInput || value.pinned) throw new InvariantError(`"${value.name}" cannot give its name to an output`);
    names.set(value, fresh(value.name));
  }
  for (const slot of slotNames.keys()) slotNames.set(slot, fresh(slot.name));
}
