import { subgraphs } from './attribute.js';
import { DiagnosticError } from './diagnostic.js';
import { ancestorIn, describeNode, type Graph, type Node, useGraph, type Value } from './graph.js';

/** Nodes of `graph` that read a value `node` produces, directly or from inside their subgraphs. */
export function* consumersIn(graph: Graph, node: Node): Generator<Node> {
  for (const output of node.outputs) {
    if (output === null) continue;
    for (const use of output.uses) {
      const owner = use.kind === 'node' ? use.user : useGraph(use).owner;
      const consumer = owner === null ? null : ancestorIn(graph, owner);
      if (consumer !== null) yield consumer;
    }
  }
}

/**
 * The nodes that must move behind `producer` so that it comes before `users`, nodes of its graph, in their present
 * order: those users, and what depends on them among the nodes before `producer`. Only that stretch is visited.
 * @throws DiagnosticError `graph/cycle` where `producer` is one of them, or depends on one.
 */
export function nodesToMoveBehind(producer: Node, users: Iterable<Node>): Node[] {
  const moved = new Set<Node>();
  const visit = (node: Node) => {
    if (node === producer) {
      throw new DiagnosticError({
        code: 'graph/cycle',
        message: 'a node depends on its own result',
        where: describeNode(producer),
      });
    }
    // A draft whose subgraphs read has no place yet.
    if (node.attached && node.order < producer.order) moved.add(node);
  };
  for (const user of users) visit(user);
  for (const node of moved) for (const consumer of consumersIn(producer.graph, node)) visit(consumer);
  return [...moved].sort((a, b) => a.order - b.order);
}

/**
 * Orders items so that each comes after what it depends on, keeping the given order wherever it allows that.
 * Returns the members of a cycle instead where there is one. Linear; no recursion.
 */
export function sortTopologically<T>(
  items: readonly T[],
  dependencies: (item: T) => Iterable<T>,
): { sorted: T[] } | { cycle: T[] } {
  const state = new Map<T, 'open' | 'done'>();
  const sorted: T[] = [];
  for (const root of items) {
    if (state.has(root)) continue;
    const stack = [{ item: root, rest: dependencies(root)[Symbol.iterator]() }];
    state.set(root, 'open');
    while (stack.length > 0) {
      const top = stack[stack.length - 1]!;
      const next = top.rest.next();
      if (next.done) {
        state.set(top.item, 'done');
        sorted.push(top.item);
        stack.pop();
      } else if (!state.has(next.value)) {
        state.set(next.value, 'open');
        stack.push({ item: next.value, rest: dependencies(next.value)[Symbol.iterator]() });
      } else if (state.get(next.value) === 'open') {
        return { cycle: stack.map(({ item }) => item).slice(stack.findIndex(({ item }) => item === next.value)) };
      }
    }
  }
  return { sorted };
}

/** Values of the node's own graph, or of one around it, that its subgraphs read; each once. */
export function captures(node: Node): Set<Value> {
  const captured = new Set<Value>();
  for (const body of subgraphs(node)) {
    const inside = new Set(nestedGraphs(body));
    const note = (value: Value | null) => {
      if (value !== null && !inside.has(value.graph)) captured.add(value);
    };
    for (const graph of inside) {
      for (const slot of graph.outputs) note(slot.value);
      for (const inner of graph.nodes) for (const input of inner.inputs) note(input);
    }
  }
  return captured;
}

/** Every graph below `graph`, itself first; a parent before its children. No recursion. */
export function* nestedGraphs(graph: Graph): Generator<Graph> {
  const pending: Graph[] = [graph];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    yield next;
    for (const node of next.nodes) {
      if (node.attributes.size > 0) pending.push(...subgraphs(node).reverse());
    }
  }
}
