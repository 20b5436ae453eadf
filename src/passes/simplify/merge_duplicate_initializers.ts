// initializers of the same type, shape and bytes => one
// Needs: no caller can override them and no kept part of the file names them. Across graphs only from
// `minSharedBytes` on: a constant of its own is worth more to a branch than a few bytes. Data in files of their own
// are compared up to a size (see `tensorSignature`), and a graph output keeps its own.
import type { Graph, Value } from '../../ir/graph.js';
import { isVisible } from '../../ir/graph.js';
import { nestedGraphs } from '../../ir/topological_order.js';
import { definePass, type PassContext } from '../pass.js';
import { tensorSignature, tensorsEqual } from './equal_tensors.js';

const minSharedBytes = 1024;

export const mergeDuplicateInitializers = definePass({
  name: 'merge-duplicate-initializers',
  summary: 'initializers of the same type, shape and bytes => one',
  scope: 'model',
  run(main, context) {
    const { editor } = context;
    const kept = new Map<string, Value[]>();
    // Parents come first: what stands around a subgraph serves it as well.
    for (const graph of nestedGraphs(main)) {
      for (const value of [...graph.initializers]) {
        const { initializer } = value;
        const isOutput = [...value.uses].some((use) => use.kind === 'output');
        if (initializer?.kind !== 'dense' || value.isInput || value.pinned || isOutput) continue;
        const signature = tensorSignature(initializer);
        if (signature === undefined) continue;
        const others = kept.get(signature) ?? [];
        kept.set(signature, others);
        const index = others.findIndex((other) => canShare(value, other));
        if (index < 0) {
          others.push(value);
          continue;
        }
        const shared = isVisible(others[index]!, graph) ? others[index]! : moveOut(others[index]!, graph, context);
        editor.replaceAllUses(value, shared);
        editor.eraseInitializer(value);
        others[index] = shared;
      }
    }
  },
});

function canShare(value: Value, other: Value): boolean {
  if (value.initializer?.kind !== 'dense' || other.initializer?.kind !== 'dense') return false;
  if (value.graph !== other.graph && value.initializer.byteLength < minSharedBytes) return false;
  return tensorsEqual(value.initializer, other.initializer);
}

/** The same constant in the innermost graph around `value` that `graph` sees as well. */
function moveOut(value: Value, graph: Graph, { editor }: PassContext): Value {
  let target = value.graph;
  const around = new Set<Graph>();
  for (let scope: Graph | undefined = graph; scope !== undefined; scope = scope.owner?.graph) around.add(scope);
  while (!around.has(target)) target = target.owner!.graph;
  const { name } = value;
  const moved = editor.addInitializer(target, value.initializer!, name);
  editor.replaceAllUses(value, moved);
  editor.eraseInitializer(value);
  editor.renameValue(moved, name);
  return moved;
}
