// Constant => an initializer of the same name
// Needs: a dense value, and a graph that can hold initializers (functions cannot).
import { constantNodeTensor } from '../../ir/constant.js';
import { rootGraph } from '../../ir/graph.js';
import { definePass } from '../pass.js';

export const constantsToInitializers = definePass({
  name: 'constants-to-initializers',
  summary: 'Constant => an initializer of the same name',
  scope: 'graphs',
  run(graph, { editor }) {
    if (rootGraph(graph).ownerFunction !== null) return;
    for (const node of graph.nodes) {
      const tensor = constantNodeTensor(node);
      const output = node.outputs[0];
      if (tensor === undefined || output == null || output.pinned) continue;
      const isOutput = [...output.uses].some((use) => use.kind === 'output');
      // A subgraph's output must be produced inside it, which an initializer is not for every runtime.
      if (isOutput && graph.owner !== null) continue;
      const { name } = output;
      const initializer = editor.addInitializer(graph, tensor, `${name}_constant`);
      editor.replaceAllUses(output, initializer);
      editor.eraseNode(node);
      editor.renameValue(initializer, name);
    }
  },
});
