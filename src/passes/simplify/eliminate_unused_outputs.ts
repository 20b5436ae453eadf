// an optional output that nobody reads => left out
// Needs: an operator of the standard whose schema calls the output optional, whose meaning does not depend on which
// outputs are given, and another output that stays.
import { type Node, opsetVersion } from '../../ir/graph.js';
import { operatorSchema } from '../../ir/ops/operator_schema.js';
import { isOpaque, outputsAreFree } from '../../ir/ops/traits.js';
import { definePass } from '../pass.js';

const name = 'eliminate-unused-outputs';

export const eliminateUnusedOutputs = definePass({
  name,
  summary: 'an optional output that nobody reads => left out',
  scope: 'graphs',
  run(graph, { editor, decline, fired }) {
    for (const node of graph.nodes) {
      const unused = unusedOutputs(node);
      if (unused.length === 0) continue;
      if (outputsAreFree(node)) {
        fired(name, node);
        for (const output of unused) editor.omitOutput(output);
      } else {
        const reason = 'which outputs are given decides what it computes';
        decline({ rule: name, node, reason });
      }
    }
  },
});

function unusedOutputs(node: Node) {
  if ((node.domain !== '' && node.domain !== 'ai.onnx') || isOpaque(node)) return [];
  const given = node.outputs.filter((output) => output !== null);
  if (given.length < 2) return [];
  const schema = operatorSchema('', node.opType, opsetVersion(node.graph, '') ?? 1);
  const unused = given.filter(
    (output) => output.uses.size === 0 && !output.pinned && schema?.outputs[output.index]?.option === 'optional',
  );
  // A node without any reader is dead, and none of its outputs more so than another.
  return unused.length === given.length ? [] : unused;
}
