// a node whose results nobody reads => gone
// Needs: no output is read or pinned, and we know the operator: an unknown one may do more than compute its outputs.
import type { Graph, Node } from '../../ir/graph.js';
import { containsOpaque } from '../../ir/ops/opaque.js';
import { definePass } from '../pass.js';

export const eliminateDeadNodes = definePass({
  name: 'eliminate-dead-nodes',
  summary: 'a node whose results nobody reads => gone',
  scope: 'graphs',
  run(graph: Graph, { editor, decline }) {
    for (const node of graph.nodes.reversed()) {
      if (!isUnread(node)) continue;
      if (containsOpaque(node)) decline({ rule: 'eliminate-dead-nodes', node, reason: 'unknown operator' });
      else editor.eraseNode(node);
    }
  },
});

const isUnread = (node: Node): boolean =>
  node.outputs.every((output) => output === null || (output.uses.size === 0 && !output.pinned));
