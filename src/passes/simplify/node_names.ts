import type { Editor } from '../../ir/editor.js';
import type { Graph, Node } from '../../ir/graph.js';

/** Names for nodes that come into a graph: a runtime takes each once a graph. For one pass: it reads a graph once. */
export class NodeNames {
  private readonly taken = new Map<Graph, Set<string>>();

  /** `base`, or `base` with a number, that no node of `graph` has; from now on it has. Nameless stays nameless. */
  claim(graph: Graph, base: string): string {
    if (base === '') return base;
    const taken = this.taken.get(graph) ?? new Set(Array.from(graph.nodes, ({ name }) => name));
    this.taken.set(graph, taken);
    let name = base;
    for (let suffix = 1; taken.has(name); suffix += 1) name = `${base}_${suffix}`;
    taken.add(name);
    return name;
  }

  /** Names nodes that were put in under the names of others; `nodeName` says what they shall be called. */
  nameCopies(nodes: readonly Node[], editor: Editor, nodeName: (name: string) => string): void {
    const wanted = nodes.map(({ name }) => nodeName(name));
    for (const node of nodes) editor.setNodeName(node, '');
    for (const [index, node] of nodes.entries()) editor.setNodeName(node, this.claim(node.graph, wanted[index]!));
  }
}
