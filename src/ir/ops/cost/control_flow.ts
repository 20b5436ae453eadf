import { max, sum } from '../../dim.js';
import type { Graph } from '../../graph.js';
import type { Inference } from '../inference/inference.js';
import { countTrips } from '../inference/loop.js';
import { type CostContext, type CostMetric, type Count, type NodeCost, unknownCost } from './cost.js';
import { times } from './extent.js';

/** Prices all nodes of a graph together. */
export type PriceGraph = (graph: Graph, inference: Inference) => NodeCost;

type SubgraphRule = (context: CostContext, price: PriceGraph) => NodeCost;

export const eachMetric = (of: (metric: CostMetric) => Count): NodeCost => ({
  macs: of('macs'),
  elementOps: of('elementOps'),
  bytesRead: of('bytesRead'),
  bytesWritten: of('bytesWritten'),
});

/** The branch that a known condition takes, or of each metric the dearer one. */
function branches({ input, inference }: CostContext, price: PriceGraph): NodeCost {
  const known = input.content(0);
  const condition = known?.elements.length === 1 ? known.elements[0] : undefined;
  const [first, second] = ['then_branch', 'else_branch'].map((name) => {
    const graph = input.graph(name);
    return graph === undefined ? unknownCost : price(graph, inference);
  });
  if (typeof condition === 'number') return condition !== 0 ? first! : second!;
  return eachMetric((metric) => max(first![metric], second![metric]));
}

/** The body as often as the trip count says, where nothing ends the loop before that. */
function loop({ input, inference }: CostContext, price: PriceGraph): NodeCost {
  const body = input.graph('body');
  const condition = body?.outputs[0]?.value;
  if (body === undefined || condition === undefined) return unknownCost;
  const trips = countTrips(input, inference.contentOf(condition)).count;
  return repeated(price(body, inference), trips);
}

/** The body once for each element along the scanned axis; in opset 8 for each of the batch as well. */
function scan({ input, inference }: CostContext, price: PriceGraph): NodeCost {
  const body = input.graph('body');
  const scanned = input.int('num_scan_inputs', undefined);
  if (body === undefined || scanned === undefined || scanned < 1) return unknownCost;
  const first = input.shape(input.inputCount - scanned);
  const cost = price(body, inference);
  if (input.opset < 9) return repeated(cost, times(first?.[0], first?.[1]));
  return repeated(cost, first?.at(input.ints('scan_input_axes', undefined)?.[0] ?? 0));
}

const repeated = (cost: NodeCost, count: Count): NodeCost => eachMetric((metric) => times(cost[metric], count));

export const subgraphCosts: Readonly<Record<string, SubgraphRule>> = { If: branches, Loop: loop, Scan: scan };

/** The sum of costs; a metric that one of them does not know is unknown. */
export function sumCosts(costs: readonly NodeCost[]): NodeCost {
  return eachMetric((metric) => sum(costs.map((cost) => cost[metric])));
}
