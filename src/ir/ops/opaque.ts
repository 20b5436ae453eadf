import { subgraphs } from '../attribute.js';
import { calledFunction, type Node } from '../graph.js';
import { nestedGraphs } from '../topological_order.js';
import { isOpaque } from './traits.js';

/** Whether a node, a node of its subgraphs, or of a function it calls is an operator we do not know. */
export function containsOpaque(node: Node): boolean {
  const seen = new Set<unknown>();
  const pending: Node[] = [node];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const fn = calledFunction(next);
    if (fn === undefined && isOpaque(next)) return true;
    const bodies = [...subgraphs(next), ...(fn === undefined ? [] : [fn.graph])];
    for (const body of bodies) {
      if (seen.has(body)) continue;
      seen.add(body);
      for (const graph of nestedGraphs(body)) for (const inner of graph.nodes) pending.push(inner);
    }
  }
  return false;
}
