import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type FlowEdge, type FlowNetwork, minCut } from '../../../src/passes/precision/min_cut.js';

/** What leads from a side, given as bits, to the other. */
const cost = ({ edges }: FlowNetwork, side: number): number => {
  const has = (vertex: number) => (side >> vertex) & 1;
  return edges.reduce((sum, { from, to, capacity, back = 0 }) => {
    if (has(from) === has(to)) return sum;
    return sum + (has(from) ? capacity : back);
  }, 0);
};

/** All sides that hold the source and not the sink. */
function cheapest(network: FlowNetwork): { value: number; smallest: number } {
  let value = Number.POSITIVE_INFINITY;
  let smallest = 0;
  const size = (side: number) => side.toString(2).replaceAll('0', '').length;
  for (let side = 0; side < 2 ** network.vertices; side += 1) {
    if (!((side >> network.source) & 1) || (side >> network.sink) & 1) continue;
    const found = cost(network, side);
    if (found > value || (found === value && size(side) >= size(smallest))) continue;
    value = found;
    smallest = side;
  }
  return { value, smallest };
}

const bits = (side: Uint8Array): number => side.reduce((sum, each, vertex) => sum + each * 2 ** vertex, 0);

describe('minCut', () => {
  it('finds the cheapest cut with the smallest source side of random networks', () => {
    const networks = fc.integer({ min: 2, max: 8 }).chain((vertices) =>
      fc
        .array(
          fc.record({
            from: fc.nat(vertices - 1),
            to: fc.nat(vertices - 1),
            capacity: fc.nat(6),
            back: fc.nat(3),
          }),
          { maxLength: 20 },
        )
        .map((edges) => ({ vertices, source: 0, sink: vertices - 1, edges })),
    );
    fc.assert(
      fc.property(networks, (network) => {
        const cut = minCut(network);
        const expected = cheapest(network);
        expect(cut.value).toBe(expected.value);
        expect(bits(cut.sourceSide)).toBe(expected.smallest);
      }),
      { numRuns: 2000 },
    );
  });

  it('keeps edges of infinite capacity whole', () => {
    const edges = [
      { from: 0, to: 1, capacity: Number.POSITIVE_INFINITY },
      { from: 1, to: 2, capacity: 3 },
      { from: 2, to: 3, capacity: 5 },
    ];
    const cut = minCut({ vertices: 4, source: 0, sink: 3, edges });
    expect(cut.value).toBe(3);
    expect([...cut.sourceSide]).toEqual([1, 1, 0, 0]);
  });

  it('refuses a network that only an infinite edge parts', () => {
    const edges = [{ from: 0, to: 1, capacity: Number.POSITIVE_INFINITY }];
    expect(() => minCut({ vertices: 2, source: 0, sink: 1, edges })).toThrow('no finite cut');
  });

  it('takes a chain of 100,000 vertices that want to be on both sides in turn', () => {
    const count = 100_000;
    const edges: FlowEdge[] = [];
    for (let vertex = 0; vertex < count; vertex += 1) {
      const wish = vertex % 7 < 3 ? { from: count, to: vertex } : { from: vertex, to: count + 1 };
      edges.push({ ...wish, capacity: 1 + (vertex % 5) });
      if (vertex > 0) edges.push({ from: vertex - 1, to: vertex, capacity: 4, back: 4 });
    }
    const started = performance.now();
    const cut = minCut({ vertices: count + 2, source: count, sink: count + 1, edges });
    // Some tenths of a second; a quadratic search would take minutes.
    expect(performance.now() - started).toBeLessThan(10_000);
    expect(cut.value).toBeGreaterThan(0);
  });
});
