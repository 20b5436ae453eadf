// a function nobody calls, an opset import of a domain without nodes => gone
// Needs: no kept part of the file that could use them; the default domain's import always stays.
import { calledFunction, type Graph, type Model, type ModelFunction, type Node } from '../../ir/graph.js';
import { nestedGraphs } from '../../ir/topological_order.js';
import { definePass } from '../pass.js';

export const eliminateUnusedImports = definePass({
  name: 'eliminate-unused-imports',
  summary: 'a function nobody calls, an opset import of a domain without nodes => gone',
  scope: 'model',
  run(graph, { editor, model }) {
    // Training information has graphs of its own, and names values of this one.
    if ([...graph.values.values()].some(({ pinned }) => pinned)) return;
    const called = reachableFunctions(model);
    for (const fn of [...model.functions.values()]) if (!called.has(fn)) editor.removeFunction(fn);
    removeImports(graph, model.opsetImports, (domain) => editor.removeOpsetImport(domain), functionDomains(model));
    for (const fn of model.functions.values()) {
      removeImports(fn.graph, fn.opsetImports, (domain) => editor.removeOpsetImport(domain, fn), new Set());
    }
  },
});

function reachableFunctions(model: Model): ReadonlySet<ModelFunction> {
  const reached = new Set<ModelFunction>();
  const pending: Graph[] = [model.graph];
  for (let graph = pending.pop(); graph !== undefined; graph = pending.pop()) {
    for (const node of nodesOf(graph)) {
      const fn = calledFunction(node);
      if (fn === undefined || reached.has(fn)) continue;
      reached.add(fn);
      pending.push(fn.graph);
    }
  }
  return reached;
}

function* nodesOf(graph: Graph): Generator<Node> {
  for (const each of nestedGraphs(graph)) yield* each.nodes;
}

/** A runtime may want the domains of functions, and of what they call, among the model's own imports. */
function functionDomains(model: Model): ReadonlySet<string> {
  const domains = new Set<string>();
  for (const fn of model.functions.values()) {
    domains.add(fn.domain);
    for (const node of nodesOf(fn.graph)) domains.add(node.domain);
  }
  return domains;
}

function removeImports(
  graph: Graph,
  imports: ReadonlyMap<string, number>,
  remove: (domain: string) => void,
  kept: ReadonlySet<string>,
): void {
  const used = new Set(kept);
  for (const { domain } of nodesOf(graph)) used.add(domain);
  for (const domain of [...imports.keys()]) {
    if (domain !== '' && domain !== 'ai.onnx' && !used.has(domain)) remove(domain);
  }
}
