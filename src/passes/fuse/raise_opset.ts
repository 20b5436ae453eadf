// a model too old for an operator that a rule would fuse into => the same model in the opset that has it
// Needs: the target loads that opset, and every node has an exact equivalent in it.
import { describeNode, opsetVersion } from '../../ir/graph.js';
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
        const reason = obstacleTo(opset, context);
        if (reason === undefined) {
          void convertOpset(opset).run(graph, context);
          return;
        }
        const [first] = graph.nodes;
        if (first !== undefined) context.decline({ rule: name, node: first, reason: `opset ${opset}: ${reason}` });
      }
    },
  });
}

/** A node without an equivalent there, or one that the target runs as it is and would not run any more. */
function obstacleTo(opset: number, { model, target, inference }: PassContext): string | undefined {
  const [obstacle] = opsetObstacles(model, opset);
  if (obstacle !== undefined) return `${describeNode(obstacle.node)}: ${obstacle.reason}`;
  const asked = new Set<string>();
  for (const node of [...modelGraphs(model)].flatMap((graph) => [...graph.nodes])) {
    const dtype = node.inputs[0] == null ? undefined : inference.dtypeOf(node.inputs[0]);
    const key = `${node.opType} ${dtype}`;
    if ((node.domain !== '' && node.domain !== 'ai.onnx') || asked.has(key)) continue;
    asked.add(key);
    const current = opsetVersion(node.graph, '') ?? opset;
    if (target.runs('', node.opType, current, dtype) === true && target.runs('', node.opType, opset, dtype) === false) {
      return `${target.name} has no ${node.opType} of that opset`;
    }
  }
  return undefined;
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
