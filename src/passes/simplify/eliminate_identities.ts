// a node that gives back what it was given => that value
// Needs: the same type and shape for every input, and a graph output it feeds can still be named (`standInObstacle`).
import { definePass } from '../pass.js';
import { arithmeticIdentities } from './identities/arithmetic.js';
import type { FindIdentity } from './identities/identity.js';
import { movementIdentities } from './identities/movement.js';
import { plainOperator } from './plain_operator.js';
import { standInObstacle } from './stand_in.js';

const name = 'eliminate-identities';

const identities: Readonly<Record<string, FindIdentity>> = { ...movementIdentities, ...arithmeticIdentities };

export const eliminateIdentities = definePass({
  name,
  summary: 'a node that gives back what it was given => that value',
  scope: 'graphs',
  run(graph, context) {
    for (const node of graph.nodes) {
      const findIdentity = identities[plainOperator(node) ?? ''];
      const output = node.outputs[0];
      if (findIdentity === undefined || output == null || output.pinned) continue;
      const found = findIdentity(node, context);
      if (found === undefined) continue;
      const reason =
        typeof found === 'string' ? found : (obstacle(node.outputs.slice(1)) ?? standInObstacle(found, output));
      if (reason !== undefined || typeof found === 'string') {
        context.decline({ rule: name, node, reason: reason ?? '' });
        continue;
      }
      context.editor.replaceAllUses(output, found);
      context.editor.eraseNode(node);
    }
  },
});

const obstacle = (others: readonly ({ readonly uses: ReadonlySet<unknown> } | null)[]): string | undefined =>
  others.some((other) => other !== null && other.uses.size > 0) ? 'another output is read' : undefined;
