import { InvariantError } from '../../ir/diagnostic.js';

/** An edge of a flow network; `back` is its capacity in the other direction, 0 unless told. May be Infinity. */
export type FlowEdge = {
  readonly from: number;
  readonly to: number;
  readonly capacity: number;
  readonly back?: number;
};

export type FlowNetwork = {
  /** Vertices are numbered from 0. */
  readonly vertices: number;
  readonly source: number;
  readonly sink: number;
  readonly edges: readonly FlowEdge[];
};

/** The cheapest way to part source and sink. */
export type Cut = {
  /** Sum of the capacities that lead from the source's side to the sink's. */
  readonly value: number;
  /** 1 for the vertices on the source's side: of all cheapest cuts, the one with the fewest there. */
  readonly sourceSide: Uint8Array;
};

/**
 * Cuts a network by finding its largest flow (Dinic, "Algorithm for solution of a problem of maximum flow in networks
 * with power estimation", 1970): shortest paths are filled level by level, without recursion. Capacities are to be whole
 * numbers, so that sums are exact.
 * @throws InvariantError where no finite cut parts source and sink.
 */
export function minCut(network: FlowNetwork): Cut {
  const residual = residualOf(network);
  const { vertices, source, sink } = network;
  const level = new Int32Array(vertices);
  const queue = new Int32Array(vertices);
  const next = new Int32Array(vertices);
  let value = 0;
  while (findLevels(residual, source, sink, level, queue)) {
    next.set(residual.start.subarray(0, vertices));
    value += fillLevels(residual, source, sink, level, next);
    if (value === Number.POSITIVE_INFINITY) throw new InvariantError('no finite cut parts the network');
  }
  return { value, sourceSide: Uint8Array.from(level, (each) => (each >= 0 ? 1 : 0)) };
}

/** Arc 2e runs along edge e and arc 2e + 1 against it. `arcs` lists those that leave a vertex, from `start` on. */
type Residual = {
  readonly head: Int32Array;
  readonly capacity: Float64Array;
  readonly start: Int32Array;
  readonly arcs: Int32Array;
};

function residualOf({ vertices, edges }: FlowNetwork): Residual {
  const head = new Int32Array(2 * edges.length);
  const capacity = new Float64Array(2 * edges.length);
  const start = new Int32Array(vertices + 1);
  for (const { from, to } of edges) {
    start[from + 1]! += 1;
    start[to + 1]! += 1;
  }
  for (let vertex = 0; vertex < vertices; vertex += 1) start[vertex + 1]! += start[vertex]!;
  const place = start.slice(0, vertices);
  const arcs = new Int32Array(2 * edges.length);
  for (const [index, { from, to, capacity: along, back = 0 }] of edges.entries()) {
    head[2 * index] = to;
    head[2 * index + 1] = from;
    capacity[2 * index] = along;
    capacity[2 * index + 1] = back;
    arcs[place[from]!++] = 2 * index;
    arcs[place[to]!++] = 2 * index + 1;
  }
  return { head, capacity, start, arcs };
}

/** Distances from the source along arcs with room left, −1 where none leads; whether the sink is reached. */
function findLevels(
  { head, capacity, start, arcs }: Residual,
  source: number,
  sink: number,
  level: Int32Array,
  queue: Int32Array,
): boolean {
  level.fill(-1);
  level[source] = 0;
  queue[0] = source;
  let length = 1;
  for (let at = 0; at < length; at += 1) {
    const vertex = queue[at]!;
    for (let slot = start[vertex]!; slot < start[vertex + 1]!; slot += 1) {
      const arc = arcs[slot]!;
      const reached = head[arc]!;
      if (capacity[arc]! <= 0 || level[reached]! >= 0) continue;
      level[reached] = level[vertex]! + 1;
      queue[length++] = reached;
    }
  }
  return level[sink]! >= 0;
}

/** Fills paths of ascending level until none is left. `next`: the first slot of each vertex that is not used up. */
function fillLevels(residual: Residual, source: number, sink: number, level: Int32Array, next: Int32Array): number {
  const { head, capacity, start, arcs } = residual;
  const path = new Int32Array(level.length);
  let length = 0;
  let vertex = source;
  let total = 0;
  for (;;) {
    if (vertex === sink) {
      const { room, tight } = tightest(residual, path, length);
      for (let at = 0; at < length; at += 1) {
        const arc = path[at]!;
        capacity[arc]! -= room;
        capacity[arc ^ 1]! += room;
      }
      total += room;
      if (total === Number.POSITIVE_INFINITY) return total;
      length = tight;
      vertex = head[path[tight]! ^ 1]!;
      continue;
    }
    let found = -1;
    for (let slot = next[vertex]!; slot < start[vertex + 1]!; slot += 1) {
      const arc = arcs[slot]!;
      if (capacity[arc]! > 0 && level[head[arc]!] === level[vertex]! + 1) {
        found = arc;
        next[vertex] = slot;
        break;
      }
    }
    if (found >= 0) {
      path[length++] = found;
      vertex = head[found]!;
    } else if (length === 0) {
      return total;
    } else {
      // Nothing leads on from here.
      next[vertex] = start[vertex + 1]!;
      length -= 1;
      vertex = head[path[length]! ^ 1]!;
      next[vertex]! += 1;
    }
  }
}

/** The least room along a path, and where the first arc with no more than that stands. */
function tightest({ capacity }: Residual, path: Int32Array, length: number): { room: number; tight: number } {
  let room = Number.POSITIVE_INFINITY;
  let tight = 0;
  for (let at = 0; at < length; at += 1) {
    const free = capacity[path[at]!]!;
    if (free < room) {
      room = free;
      tight = at;
    }
  }
  return { room, tight };
}
