import type { Graph, Node, OutputSlot, Value } from '../../src/ir/graph.js';

/**
 * The graph as plain arrays: no use lists, no order labels. What the editor keeps up to date is worked out here from
 * scratch, so that both can be compared.
 */
export type NaiveValue = {
  readonly real: Value;
  readonly graph: NaiveGraph;
  readonly producer: NaiveNode | null;
  name: string;
  pinned: boolean;
};

export type NaiveNode = {
  readonly real: Node;
  readonly graph: NaiveGraph;
  inputs: (NaiveValue | null)[];
  outputs: (NaiveValue | null)[];
  readonly bodies: Map<string, NaiveGraph>;
};

export type NaiveOutput = { readonly real: OutputSlot; readonly graph: NaiveGraph; value: NaiveValue };

export type NaiveGraph = {
  readonly real: Graph;
  readonly owner: NaiveNode | null;
  inputs: NaiveValue[];
  constants: NaiveValue[];
  nodes: NaiveNode[];
  outputs: NaiveOutput[];
};

export const emptyGraph = (real: Graph, owner: NaiveNode | null): NaiveGraph => ({
  real,
  owner,
  inputs: [],
  constants: [],
  nodes: [],
  outputs: [],
});

export const graphsBelow = (graph: NaiveGraph): NaiveGraph[] => [
  graph,
  ...graph.nodes.flatMap((node) => [...node.bodies.values()].flatMap(graphsBelow)),
];

const present = <T>(items: readonly (T | null)[]): T[] => items.filter((item) => item !== null);

export const valuesOf = (graph: NaiveGraph): NaiveValue[] => [
  ...graph.inputs,
  ...graph.constants,
  ...graph.nodes.flatMap(({ outputs }) => present(outputs)),
];

export function isVisible(value: NaiveValue, graph: NaiveGraph): boolean {
  if (value.graph === graph) return true;
  return graph.owner !== null && isVisible(value, graph.owner.graph);
}

export type Read = {
  readonly value: NaiveValue;
  readonly graph: NaiveGraph;
  /** The node that reads, or the owner of the graph whose output it is. */
  readonly reader: NaiveNode | null;
  readonly use: { readonly user: Node | OutputSlot; readonly index: number };
  redirect(value: NaiveValue): void;
};

/** Everything that reads in `graph` and below. */
export const readsIn = (graph: NaiveGraph): Read[] =>
  graphsBelow(graph).flatMap((each) => [
    ...each.nodes.flatMap((node) =>
      node.inputs.flatMap((value, index): Read[] => {
        if (value === null) return [];
        const redirect = (to: NaiveValue) => {
          node.inputs[index] = to;
        };
        return [{ value, graph: each, reader: node, use: { user: node.real, index }, redirect }];
      }),
    ),
    ...each.outputs.map((output): Read => {
      const redirect = (to: NaiveValue) => {
        output.value = to;
      };
      return { value: output.value, graph: each, reader: each.owner, use: { user: output.real, index: 0 }, redirect };
    }),
  ]);

/** What a node reads, from inside its bodies too. */
const readsOf = (node: NaiveNode): NaiveValue[] => [
  ...present(node.inputs),
  ...[...node.bodies.values()].flatMap((body) => readsIn(body).map(({ value }) => value)),
];

/** The node of `graph` that is or encloses `node`. */
function enclosing(graph: NaiveGraph, node: NaiveNode | null): NaiveNode | null {
  if (node === null || node.graph === graph) return node;
  return enclosing(graph, node.graph.owner);
}

/**
 * The order of the nodes of `value`'s graph in which `readers` come behind its producer: they and all that depends on
 * them move, nothing else. Or 'circle'.
 */
export function orderFor(value: NaiveValue, readers: readonly (NaiveNode | null)[]): readonly NaiveNode[] | 'circle' {
  const { graph, producer } = value;
  if (producer === null) return graph.nodes;
  const at = graph.nodes.indexOf(producer);
  const upTo = graph.nodes.slice(0, at + 1);
  const moved = new Set(readers.map((reader) => enclosing(graph, reader)).filter((node) => upTo.includes(node!)));
  for (const node of upTo) {
    if (readsOf(node).some((read) => read.producer !== null && moved.has(read.producer))) moved.add(node);
  }
  if (moved.has(producer)) return 'circle';
  const rest = graph.nodes.slice(at + 1);
  return [...upTo.filter((node) => !moved.has(node)), ...upTo.filter((node) => moved.has(node)), ...rest];
}
