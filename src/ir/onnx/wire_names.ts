import { InvariantError } from '../diagnostic.js';
import { type Graph, type Model, type OutputSlot, useGraph, type Value } from '../graph.js';
import { modelGraphs } from '../traversal.js';

/** The names a model is written under. */
export type WireNames = {
  nameOf(value: Value): string;
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
  for (const graph of modelGraphs(model)) nameOutputs(graph, names, identities);
  if (names.size > 0) freeOutputNames(model, names);
  return { nameOf: (value) => names.get(value) ?? value.name, identities };
}

function nameOutputs(graph: Graph, names: Map<Value, string>, identities: Set<OutputSlot>): void {
  const settled = new Set<Value>();
  const open: OutputSlot[] = [];
  for (const slot of graph.outputs) {
    if (slot.value.name === slot.name) settled.add(slot.value);
    else open.push(slot);
  }
  for (const slot of open) {
    const { value } = slot;
    const free = value.graph === graph && isRenamable(value) && !settled.has(value);
    if (free && !isShadowed(value, slot.name)) {
      settled.add(value);
      names.set(value, slot.name);
    } else identities.add(slot);
    const holder = graph.values.get(slot.name);
    if (holder !== undefined && !names.has(holder)) names.set(holder, '');
  }
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

/** Values that must give their name up to an output ('' so far) get one that nothing else has. */
function freeOutputNames(model: Model, names: Map<Value, string>): void {
  const taken = new Set<string>();
  for (const graph of modelGraphs(model)) {
    for (const name of graph.values.keys()) taken.add(name);
    for (const slot of graph.outputs) taken.add(slot.name);
  }
  for (const [value, name] of names) {
    if (name !== '') continue;
    if (value.isInput || value.pinned) throw new InvariantError(`"${value.name}" cannot give its name to an output`);
    let suffix = 1;
    while (taken.has(`${value.name}_${suffix}`)) suffix += 1;
    names.set(value, `${value.name}_${suffix}`);
    taken.add(`${value.name}_${suffix}`);
  }
}
