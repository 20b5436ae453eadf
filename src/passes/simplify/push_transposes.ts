// Transpose(f(Transpose(x, p), …), p⁻¹) => f(x, …), f in the order of axes that x has
// Needs: f among the operators that `push/transposable.ts` knows, and fewer Transposes in all. Nodes that could compute on
// what a Transpose is given are turned first, all of them; each is turned back, from the results up, where that takes no
// more Transposes; what is left of a connected region is rewritten only if it takes fewer than there were.
import type { Value } from '../../ir/graph.js';
import { definePass, type PassContext } from '../pass.js';
import { AxisOrder } from './push/axis_order.js';
import { rewriteTurned } from './push/rewrite_turned.js';

const name = 'push-transposes';

/** Sweeps over the candidates; what would take more to settle keeps more Transposes than it might. */
const maxSweeps = 4;

export const pushTransposes = definePass({
  name,
  summary: 'Transpose(f(Transpose(x, p)), p⁻¹) => f(x) in the order of axes that x has',
  scope: 'graphs',
  run(graph, context) {
    const order = new AxisOrder(graph, context);
    if (order.candidates.size === 0) return;
    settle(order);
    dropLosses(order, context);
    if (order.turned.size > 0) rewriteTurned(graph, order, name, context);
  },
});

function settle(order: AxisOrder): void {
  const upward = [...order.candidates.keys()].reverse();
  for (let sweep = 0; sweep < maxSweeps; sweep += 1) {
    const before = order.turned.size;
    for (const node of upward) {
      if (order.turned.has(node) && order.turnBack(node) > 0) order.turn(node);
    }
    if (order.turned.size === before) return;
  }
}

/** Turns connected regions back that take as many Transposes as before, or more. */
function dropLosses(order: AxisOrder, { decline }: PassContext): void {
  const regions = new Regions();
  for (const node of order.turned) {
    const [first, ...others] = order.rootsAround(node);
    for (const other of others) regions.join(first!, other);
  }
  const gains = new Map<Value, number>();
  for (const root of order.readings.keys()) {
    const region = regions.find(root);
    gains.set(region, (gains.get(region) ?? 0) + order.costBefore(root) - order.cost(root));
  }
  const declined = new Set<Value>();
  for (const node of [...order.turned]) {
    const region = regions.find(node.outputs.find((output) => output !== null)!);
    if ((gains.get(region) ?? 0) > 0) continue;
    order.turnBack(node);
    if (!declined.has(region)) decline({ rule: name, node, reason: 'as many Transposes would be left' });
    declined.add(region);
  }
}

/** Sets of values that are joined one by one. */
class Regions {
  private readonly parents = new Map<Value, Value>();

  find(value: Value): Value {
    let root = value;
    for (let up = this.parents.get(root); up !== undefined; up = this.parents.get(root)) root = up;
    for (let at = value; at !== root; ) {
      const up = this.parents.get(at)!;
      this.parents.set(at, root);
      at = up;
    }
    return root;
  }

  join(a: Value, b: Value): void {
    const [one, other] = [this.find(a), this.find(b)];
    if (one !== other) this.parents.set(one, other);
  }
}
