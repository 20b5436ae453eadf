import { type Expr, substitute, sum } from '../../dim.js';
import type { Model, Node } from '../../graph.js';
import type { Inference } from '../inference/inference.js';
import { eachMetric } from './control_flow.js';
import type { CostMetric, NodeCost } from './cost.js';
import { nodeCost } from './node_cost.js';

/** The cost of one run of a model. */
export type ModelCost = {
  /** Of the main graph, in order; subgraphs and functions count to the node that runs them. */
  readonly nodes: readonly { readonly node: Node; readonly cost: NodeCost }[];
  /** The sum of what is known; undefined only where the expression grows past all limits. */
  readonly total: NodeCost;
  /** By metric, the nodes that the total leaves out. */
  readonly unknown: Readonly<Record<CostMetric, readonly Node[]>>;
};

export const modelCost = (model: Model, inference: Inference): ModelCost =>
  total([...model.graph.nodes].map((node) => ({ node, cost: nodeCost(node, inference) })));

/** A cost with symbols replaced by sizes; symbols without one stay, and a bound cost that does not exist is undefined. */
export function bindCost(cost: NodeCost, sizes: ReadonlyMap<string, Expr>): NodeCost {
  return eachMetric((metric) => {
    const count = cost[metric];
    return count === undefined ? undefined : substitute(count, sizes);
  });
}

/** As `bindCost` for every node and the total. */
export const bindModelCost = (cost: ModelCost, sizes: ReadonlyMap<string, Expr>): ModelCost =>
  total(cost.nodes.map(({ node, cost: each }) => ({ node, cost: bindCost(each, sizes) })));

function total(nodes: ModelCost['nodes']): ModelCost {
  const sumOf = (metric: CostMetric): Expr | undefined => sum(nodes.flatMap(({ cost }) => cost[metric] ?? []));
  const unknownOf = (metric: CostMetric): Node[] =>
    nodes.flatMap(({ node, cost }) => (cost[metric] === undefined ? [node] : []));
  return {
    nodes,
    total: eachMetric(sumOf),
    unknown: {
      macs: unknownOf('macs'),
      elementOps: unknownOf('elementOps'),
      bytesRead: unknownOf('bytesRead'),
      bytesWritten: unknownOf('bytesWritten'),
    },
  };
}
