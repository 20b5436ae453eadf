import { InvariantError } from '../../ir/diagnostic.js';
import { type CastSite, castsAt, type Party } from './cast_sites.js';
import { type FlowEdge, minCut } from './min_cut.js';

/**
 * What a cast costs. A node that had rather be half pays `light` in float, less than half a cast: between two casts,
 * thirteen of them join their float neighbours and fourteen do not. A heavy node is worth more casts than it can have.
 */
const costs = { cast: 20, light: 3, heavy: 20 * 1000 } as const;

/** What a party is to be: must, or at which cost not. */
export type Preference = 'float' | 'half' | 'heavy' | 'light' | 'cast' | 'free';

/**
 * Who is half so that casts and preferences cost least. A value costs one cast where it is stored in one type and read
 * in the other, however many read it. Of several cheapest assignments, the one with the most in half.
 *
 * A vertex a party; on the sink's side it is half. Where several read a value, a vertex in between makes them share the
 * cast: infinite edges pull it to the side of any of them.
 */
export function cheapestAssignment(
  sites: readonly CastSite[],
  preferences: ReadonlyMap<Party, Preference>,
): ReadonlySet<Party> {
  const numbers = new Map<Party, number>();
  const source = 0;
  const sink = 1;
  let vertices = 2;
  const edges: FlowEdge[] = [];
  for (const [party, preference] of preferences) {
    const vertex = vertices++;
    numbers.set(party, vertex);
    if (preference === 'float') edges.push({ from: source, to: vertex, capacity: Number.POSITIVE_INFINITY });
    else if (preference === 'half') edges.push({ from: vertex, to: sink, capacity: Number.POSITIVE_INFINITY });
    else if (preference !== 'free') edges.push({ from: vertex, to: sink, capacity: costs[preference] });
  }
  const vertexOf = (party: Party | null): number => {
    if (party === null) return source;
    const vertex = numbers.get(party);
    if (vertex === undefined) throw new InvariantError('a party without a preference');
    return vertex;
  };
  for (const { stored, readers } of sites) {
    const from = vertexOf(stored);
    const to = Array.from(readers, vertexOf).filter((vertex) => vertex !== from);
    if (to.length === 0) continue;
    if (to.length === 1) {
      edges.push({ from, to: to[0]!, capacity: costs.cast, back: costs.cast });
      continue;
    }
    const toHalf = vertices++;
    const toFloat = vertices++;
    edges.push({ from, to: toHalf, capacity: costs.cast }, { from: toFloat, to: from, capacity: costs.cast });
    for (const reader of to) {
      edges.push({ from: toHalf, to: reader, capacity: Number.POSITIVE_INFINITY });
      edges.push({ from: reader, to: toFloat, capacity: Number.POSITIVE_INFINITY });
    }
  }
  const { sourceSide } = minCut({ vertices, source, sink, edges });
  return new Set([...numbers].flatMap(([party, vertex]) => (sourceSide[vertex] === 0 ? [party] : [])));
}

/**
 * Of each party that is in float and need not be, how many casts that saves: as a group, joined by the values between
 * them, they would cost as many more in half.
 */
export function savedCasts(
  sites: readonly CastSite[],
  half: ReadonlySet<Party>,
  isJoining: (party: Party) => boolean,
): ReadonlyMap<Party, number> {
  const sitesOf = new Map<Party, CastSite[]>();
  for (const site of sites) {
    for (const party of new Set([site.stored, ...site.readers])) {
      if (party === null || half.has(party) || !isJoining(party)) continue;
      const list = sitesOf.get(party);
      if (list === undefined) sitesOf.set(party, [site]);
      else list.push(site);
    }
  }
  const saved = new Map<Party, number>();
  for (const start of sitesOf.keys()) {
    if (saved.has(start)) continue;
    const group = new Set([start]);
    const touched = new Set<CastSite>();
    for (const party of group) {
      for (const site of sitesOf.get(party) ?? []) {
        touched.add(site);
        for (const other of [site.stored, ...site.readers]) if (other !== null && sitesOf.has(other)) group.add(other);
      }
    }
    let more = 0;
    for (const site of touched) {
      more += castsAt(site, (party) => half.has(party) || group.has(party)) - castsAt(site, (party) => half.has(party));
    }
    for (const party of group) saved.set(party, more);
  }
  return saved;
}
