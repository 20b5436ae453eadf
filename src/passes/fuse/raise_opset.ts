// a model too old for an operator that a rule would fuse into => the same model in the opset that has it
// Needs: the target loads that opset, and every node has an exact equivalent in it.
import { opsetVersion } from '../../ir/graph.js';
import { modelGraphs } from '../../ir/traversal.js';
import { convertOpset, leastIrVersion, opsetObstacles } from '../legalize/convert_opset.js';
import { definePass, type Pass, type PassContext } from '../pass.js';
import { type AnyRewrite, findAt, rulesByOperator } from '../rewrite/driver.js';

const name = 'raise-opset';

/** Only as far as the rules that fire ask for. */
export function raiseOpset(rewrites: readonly AnyRewrite[]): Pass {
  const rules = rulesByOperator(rewrites.filter(({ opset }) => opset !== undefined));
  return definePass({
    name,
    summary: 'an opset without the operator that nodes can be fused into => the first that has it',
    scope: 'model',
    run(graph, context) {
      const current = opsetVersion(graph, '');
      if (current === undefined) return;
      for (const opset of wantedOpsets(current, rules, context)) {
        const [obstacle] = opsetObstacles(context.model, opset);
        if (obstacle === undefined) {
          void convertOpset(opset).run(graph, context);
          return;
        }
        context.decline({ rule: name, node: obstacle.node, reason: `opset ${opset}: ${obstacle.reason}` });
      }
    },
  });
}

/** The newest first. */
function wantedOpsets(current: number, rules: ReturnType<typeof rulesByOperator>, context: PassContext): number[] {
  const { target, model } = context;
  const wanted = new Set<number>();
  for (const graph of modelGraphs(model)) {
    for (const node of graph.nodes) {
      for (const rule of rules(node)) {
        const { opset = current } = rule;
        const isNewer = opset > current && opset <= target.opset.max && leastIrVersion(opset) <= target.irVersion;
        if (isNewer && !wanted.has(opset) && findAt(rule, node, context) !== undefined) wanted.add(opset);
      }
    }
  }
  return [...wanted].sort((a, b) => b - a);
}
