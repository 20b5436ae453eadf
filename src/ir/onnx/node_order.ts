import { DiagnosticError } from '../diagnostic.js';
import { sortTopologically } from '../topological_order.js';
import type { AttributeProto, GraphProto, NodeProto } from './messages.js';

/**
 * The nodes of a graph so that each comes after what it reads. Files should be written that way; those that are not
 * are sorted, keeping the order otherwise.
 * @throws DiagnosticError `load/cyclic-graph`.
 */
export function sortNodes(nodes: readonly NodeProto[], where: string): readonly NodeProto[] {
  const producers = new Map<string, NodeProto>();
  for (const node of nodes) for (const name of node.output ?? []) if (name !== '') producers.set(name, node);
  const read = new Map(nodes.map((node) => [node, readNames(node)]));
  const seen = new Set<NodeProto>();
  const inOrder = nodes.every((node) => {
    const ready = read.get(node)!.every((name) => {
      const producer = producers.get(name);
      return producer === undefined || seen.has(producer);
    });
    seen.add(node);
    return ready;
  });
  if (inOrder) return nodes;
  const result = sortTopologically(nodes, (node) =>
    read.get(node)!.flatMap((name) => {
      const producer = producers.get(name);
      return producer === undefined ? [] : [producer];
    }),
  );
  if ('sorted' in result) return result.sorted;
  const names = result.cycle.slice(0, 4).map((node) => `${node.op_type} "${node.name || (node.output?.[0] ?? '')}"`);
  throw new DiagnosticError({
    code: 'load/cyclic-graph',
    message: `${result.cycle.length} nodes depend on each other in a circle: ${names.join(', ')}`,
    where,
  });
}

/** Names a node reads from its own graph or around it: its inputs and what its subgraphs do not define themselves. */
function readNames(node: NodeProto): readonly string[] {
  const inputs = (node.input ?? []).filter((name) => name !== '');
  const graphs = (node.attribute ?? []).flatMap(graphsOfAttribute);
  return graphs.length === 0 ? inputs : [...new Set([...inputs, ...graphs.flatMap((graph) => [...freeNames(graph)])])];
}

const graphsOfAttribute = (attribute: AttributeProto): readonly GraphProto[] => [
  ...(attribute.g ? [attribute.g] : []),
  ...(attribute.graphs ?? []),
];

function freeNames(graph: GraphProto): Set<string> {
  const defined = new Set<string>();
  for (const { name } of graph.input ?? []) defined.add(name ?? '');
  for (const { name } of graph.initializer ?? []) defined.add(name ?? '');
  for (const { values } of graph.sparse_initializer ?? []) defined.add(values?.name ?? '');
  for (const node of graph.node ?? []) for (const name of node.output ?? []) defined.add(name);
  const free = new Set<string>();
  for (const node of graph.node ?? []) for (const name of readNames(node)) if (!defined.has(name)) free.add(name);
  for (const { name } of graph.output ?? []) if (!defined.has(name ?? '')) free.add(name ?? '');
  return free;
}
