// an operator that the target does not run => the operators that spell it
// Needs: an exact spelling (`unfuse/`) in operators of the opset that the model has.
import { type Graph, type Node, opsetVersion } from '../../ir/graph.js';
import { schemaDomain } from '../../ir/ops/operator_schema.js';
import { definePass, type PassContext } from '../pass.js';
import { rewriteGraph, rulesByOperator } from '../rewrite/driver.js';
import { op } from '../rewrite/pattern.js';
import { defineRewrite, type Rewrite } from '../rewrite/rewrite.js';
import { unfitReason } from './unfit.js';
import { oldestSpelling, Spelling } from './unfuse/spelling.js';
import type { Unfusing } from './unfuse/unfusing.js';
import { unfusings } from './unfuse/unfusings.js';

const ruleOf = ({ domain, opType, since = oldestSpelling, plan }: Unfusing): Rewrite<unknown> =>
  defineRewrite<unknown>({
    name: `unfuse-${domain === '' ? '' : `${domain.replaceAll('.', '-')}-`}${kebab(opType)}`,
    summary: `${domain === '' ? '' : `${domain}.`}${opType} => the operators that spell it`,
    // What an operator is defined to compute; a target that does not run it leaves no other choice.
    licence: 'exact',
    pattern: op('node', opType, [], { domain, moreInputs: true }),
    check(_match, context, root) {
      const reference = [...root.attributes.values()].find(({ kind }) => kind === 'reference');
      if (reference !== undefined) return `attribute "${reference.name}" is only known where the function is called`;
      if ((opsetVersion(root.graph, '') ?? 0) < since) return needsOpset(since);
      const found = plan(root, context);
      return typeof found === 'string' ? found : undefined;
    },
    rewrite(_match, build, context, root) {
      const found = plan(root, context);
      return typeof found === 'string' ? [] : found(new Spelling(build, root, context));
    },
  });

const needsOpset = (since: number): string => `what spells it needs opset ${since}`;

const kebab = (opType: string): string =>
  opType
    .replace(/([a-z0-9])([A-Z])/g, '$1-$2')
    .replace(/([A-Z])([A-Z][a-z])/g, '$1-$2')
    .toLowerCase();

const rules = unfusings.map(ruleOf);
const index = rulesByOperator(rules);

/** Un-fuses what the target does not run, where it can. */
export function unfuseGraph(graph: Graph, context: PassContext): void {
  const unfit = (node: Node) => (unfitReason(node, context.target) === undefined ? [] : index(node));
  rewriteGraph(graph, unfit, context);
}

export const unfuseOperators = definePass({
  name: 'unfuse-operators',
  summary: 'an operator that the target does not run => the operators that spell it',
  scope: 'graphs',
  rewrites: rules,
  run: unfuseGraph,
});

/** Why a node is not spelled by others; undefined where nobody has told how. */
export function unfusingObstacle(node: Node, context: PassContext): string | undefined {
  const unfusing = unfusingOf(node);
  if (unfusing === undefined) return undefined;
  const { since = oldestSpelling } = unfusing;
  if ((opsetVersion(node.graph, '') ?? 0) < since) return needsOpset(since);
  const found = unfusing.plan(node, context);
  return typeof found === 'string' ? found : undefined;
}

/** The opset that a node the target does not run is spelled in, where the model is older and nothing else is missing. */
export function opsetForUnfusing(node: Node, context: PassContext): number | undefined {
  const unfusing = unfitReason(node, context.target) === undefined ? undefined : unfusingOf(node);
  if (unfusing?.since === undefined || (opsetVersion(node.graph, '') ?? 0) >= unfusing.since) return undefined;
  return typeof unfusing.plan(node, context) === 'string' ? undefined : unfusing.since;
}

const unfusingOf = (node: Node): Unfusing | undefined =>
  unfusings.find(({ domain, opType }) => domain === schemaDomain(node.domain) && opType === node.opType);
