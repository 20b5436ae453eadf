import { describe, expect, it } from 'vitest';
import type { Model, Node, Value } from '../../../src/ir/graph.js';
import { Inference } from '../../../src/ir/ops/inference/inference.js';
import { castSites, castsAt, type Party } from '../../../src/passes/precision/cast_sites.js';
import { cheapestAssignment, type Preference } from '../../../src/passes/precision/cheapest_assignment.js';
import { halfSlots } from '../../../src/passes/precision/half_slots.js';
import { ModelBuilder } from '../../build_model.js';
import { Random } from '../random_graph/scope.js';
import { addIf } from '../simplify/build_subgraphs.js';

/** A graph of up to ten nodes, each of which reads one to three values that were there before. */
function randomGraph(random: Random): Model {
  const b = new ModelBuilder(17);
  const values: Value[] = [b.input('x0', [2, 2]), b.input('x1', [2, 2])];
  const count = 2 + random.below(9);
  for (let index = 0; index < count; index += 1) {
    const some = Array.from({ length: 1 + random.below(3) }, () => random.from(values));
    if (random.chance(0.1)) {
      const condition = b.constant(`c${index}`, { ...boolean });
      const fill = (branch: ModelBuilder) => branch.output(branch.op('Max', some), `o${index}${branch.graph.name}`);
      values.push(...addIf(b, condition, fill, fill, [`v${index}`]));
    } else {
      values.push(b.op('Sum', some));
    }
  }
  for (const value of values.slice(-2)) b.output(b.op('Identity', [value]), `y${value.name}`);
  return b.editor.model;
}

const boolean = {
  kind: 'dense',
  dtype: 'bool',
  dims: [],
  byteLength: 1,
  storage: { kind: 'memory', bytes: () => Uint8Array.of(1), range: () => Uint8Array.of(1) },
} as const;

const penalties: Readonly<Record<Preference, number>> = {
  float: 0,
  half: 0,
  free: 0,
  light: 3,
  cast: 20,
  heavy: 20000,
};

describe('the fewest casts', () => {
  it('are found in 400 random graphs, among all assignments, with as much in half as they allow', () => {
    for (let seed = 1; seed <= 400; seed += 1) {
      const random = new Random(seed);
      const model = randomGraph(random);
      const inference = new Inference(model);
      const slots = new Map<Node, ReturnType<typeof halfSlots>>();
      for (const node of model.graph.nodes) slots.set(node, halfSlots(node, 'float16', inference));
      const isOpen = random.chance(0.5);
      const sites = castSites(
        model,
        inference,
        (node) => slots.get(node),
        () => isOpen,
      );
      const preferences = new Map<Party, Preference>();
      const parties = new Set(sites.flatMap(({ stored, readers }) => [stored, ...readers]));
      for (const party of parties) {
        if (party !== null)
          preferences.set(party, random.from(['float', 'half', 'heavy', 'light', 'light', 'free'] as const));
      }
      const all = [...preferences.keys()];
      const cost = (half: ReadonlySet<Party>): number => {
        let sum = 0;
        for (const [party, preference] of preferences) {
          if (half.has(party) ? preference === 'float' : preference === 'half') return Number.POSITIVE_INFINITY;
          if (!half.has(party)) sum += penalties[preference];
        }
        return sum + 20 * sites.reduce((casts, site) => casts + castsAt(site, (party) => half.has(party)), 0);
      };
      let best = Number.POSITIVE_INFINITY;
      let most = 0;
      for (let bits = 0; bits < 2 ** all.length; bits += 1) {
        const half = new Set(all.filter((_, at) => (bits >> at) & 1));
        const found = cost(half);
        if (found < best) most = 0;
        if (found <= best) most = Math.max(most, half.size);
        best = Math.min(best, found);
      }
      const chosen = cheapestAssignment(sites, preferences);
      expect({ seed, cost: cost(chosen), half: chosen.size }).toEqual({ seed, cost: best, half: most });
    }
  });
});
