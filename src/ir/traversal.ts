import { constantNodeTensor } from './constant.js';
import type { Graph, Model } from './graph.js';
import { nestedGraphs } from './topological_order.js';

/** Every graph of a model: the main graph, function bodies, and the subgraphs below them, parents first. */
export function* modelGraphs(model: Model): Generator<Graph> {
  yield* nestedGraphs(model.graph);
  for (const fn of model.functions.values()) yield* nestedGraphs(fn.graph);
}

/** Nodes of all graphs, function bodies included. */
export function countNodes(model: Model): number {
  let count = 0;
  for (const graph of modelGraphs(model)) count += graph.nodes.size;
  return count;
}

/** Bytes of all constants, initializers and Constant nodes alike, without reading them. */
export function constantBytes(model: Model): number {
  let bytes = 0;
  for (const graph of modelGraphs(model)) {
    for (const { initializer } of graph.initializers) bytes += initializer?.byteLength ?? 0;
    for (const node of graph.nodes) bytes += constantNodeTensor(node)?.byteLength ?? 0;
  }
  return bytes;
}
