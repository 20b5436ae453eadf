import type { Value } from '../../ir/graph.js';
import type { QuantizedType } from '../target_profile.js';
import { type ExistingPair, isDequantize } from './existing_pairs.js';
import type { ActivationParameters, Range } from './ranges.js';
import type { Selection } from './selection.js';

/** Values that have one scale, as sets that grow together. */
export class ScaleGroups {
  private readonly parents = new Map<Value, Value>();

  /** The value that stands for the group of `value`. */
  root(value: Value): Value {
    let root = value;
    for (let parent = this.parents.get(root); parent !== undefined; parent = this.parents.get(root)) root = parent;
    return root;
  }

  /** Puts two values into one group, for which the root of `first` stands. */
  unite(first: Value, second: Value): void {
    const [a, b] = [this.root(first), this.root(second)];
    if (a !== b) this.parents.set(b, a);
  }
}

/** Which values get a Q/DQ pair, and where its scale comes from. */
export type SharedScales = {
  /** Values that get a Q/DQ pair, in topological order, each with the value whose scale it shares (itself, mostly). */
  readonly values: ReadonlyMap<Value, Value>;
  /** Whose ranges together make the scale of such a shared value, where that is not its own range alone. */
  readonly covers: ReadonlyMap<Value, readonly Value[]>;
  /** Ranges that were given, by the value whose scale others share. */
  readonly given: ReadonlyMap<Value, Range>;
  /** Types that were asked for, by the value whose scale others share. */
  readonly types: ReadonlyMap<Value, QuantizedType>;
  /** Scales that the model brought along, the widest of each group. */
  readonly fixed: ReadonlyMap<Value, ActivationParameters>;
};

/** `derived`: values whose range lies within that of the others of their group. */
export function sharedScales(
  quantized: ReadonlySet<Value>,
  groups: ScaleGroups,
  derived: ReadonlySet<Value>,
  existing: ReadonlyMap<Value, ExistingPair>,
  { ranges, types }: Pick<Selection, 'ranges' | 'types'>,
): SharedScales {
  // What comes out of a DequantizeLinear without a pair of its own is rounded already.
  const missing = [...quantized].filter(({ producer }) => !isDequantize(producer));
  const ordered = missing.sort((a, b) => (a.producer?.order ?? -1) - (b.producer?.order ?? -1));
  const members = new Map<Value, Value[]>();
  for (const value of ordered) {
    const group = members.get(groups.root(value));
    if (group === undefined) members.set(groups.root(value), [value]);
    else group.push(value);
  }
  const sources = new Map<Value, Value>();
  const covers = new Map<Value, readonly Value[]>();
  const given = new Map<Value, Range>();
  const asked = new Map<Value, QuantizedType>();
  const fixed = new Map<Value, ActivationParameters>();
  for (const group of members.values()) {
    const covering = group.filter((value) => !derived.has(value));
    const source = covering[0] ?? group[0]!;
    for (const value of group) sources.set(value, source);
    if (covering.length > 1) covers.set(source, covering);
    const range = group.map((value) => ranges.get(value)).find((each) => each !== undefined);
    if (range !== undefined) given.set(source, range);
    const type = group.map((value) => types.get(value)).find((each) => each !== undefined);
    if (type !== undefined) asked.set(source, type);
    const kept = group.filter((value) => !ranges.has(value));
    const [widest] = kept.flatMap((value) => existing.get(value)?.parameters ?? []).sort((a, b) => b.scale - a.scale);
    if (widest !== undefined) fixed.set(source, widest);
  }
  return { values: new Map(ordered.map((value) => [value, sources.get(value)!])), covers, given, types: asked, fixed };
}
