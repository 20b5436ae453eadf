import { type CloneGraphOptions, cloneGraphInto } from '../../ir/clone.js';
import type { Editor } from '../../ir/editor.js';
import type { Graph, Node, OutputSlot, Value } from '../../ir/graph.js';
import { nestedGraphs } from '../../ir/topological_order.js';
import { GraphWriter } from './graph_writer.js';
import type { NodeNames } from './node_names.js';

export type InlineOptions = Omit<CloneGraphOptions, 'before'> & {
  /** The node the copies stand before. */
  readonly before: Node;
  readonly rule: string;
  readonly names: NodeNames;
  /** What the copied nodes shall be called, those of subgraphs excepted. */
  readonly nodeName?: (name: string) => string;
};

export type InlinedGraph = {
  /** What an output of the source reads in its new place. */
  valueOf(slot: OutputSlot): Value;
  /** The copies in the target graph itself, in order. */
  readonly nodes: readonly Node[];
  /** Gives the copies the names of what they were copied from, as far as those are free by now. */
  takeNames(): void;
};

/**
 * Copies a subgraph or function body into the graph of `before`. `mapping` says what stands for the inputs.
 * Initializers that `mapping` does not hold come along: as Constant nodes into a function, which has none.
 */
export function inlineGraph(
  editor: Editor,
  source: Graph,
  mapping: ReadonlyMap<Value, Value>,
  { before, names, nodeName = (name) => name, ...options }: InlineOptions,
): InlinedGraph {
  const target = before.graph;
  const known = new Map(mapping);
  if (target.ownerFunction !== null) copyConstants(editor, source, known, before, options.rule);
  const copies = cloneGraphInto(editor, source, target, known, { before, ...options });
  const nodes = [...source.nodes].flatMap((node) => {
    const output = node.outputs.find((value) => value !== null);
    const copy = output == null ? null : copies.get(output)?.producer;
    return copy == null ? [] : [copy];
  });
  names.nameCopies(nodes, editor, nodeName);
  return {
    valueOf: ({ value }) => copies.get(value) ?? value,
    nodes,
    takeNames() {
      for (const [from, to] of copies) {
        if (known.has(from) || to.pinned || to.name === from.name) continue;
        if (to.graph.values.get(to.name) === to && editor.freshName(from.name) === from.name) {
          editor.renameValue(to, from.name);
        }
      }
    },
  };
}

function copyConstants(editor: Editor, source: Graph, known: Map<Value, Value>, before: Node, rule: string): void {
  const writer = new GraphWriter(editor, before, rule);
  for (const value of source.initializers) {
    if (value.initializer !== null && !known.has(value))
      known.set(value, writer.constant(value.initializer, value.name));
  }
}

/** Whether a kept part of the file names a value in `graph` or below, which a copy would not be. */
export function holdsPinned(graph: Graph): boolean {
  for (const each of nestedGraphs(graph)) {
    for (const value of each.values.values()) if (value.pinned) return true;
  }
  return false;
}
