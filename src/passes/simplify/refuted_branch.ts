import type { Node, Value } from '../../ir/graph.js';
import { content } from '../../ir/ops/inference/content.js';
import { nodeTraits } from '../../ir/ops/traits.js';
import { staticShape } from '../../ir/value_type.js';
import type { PassContext } from '../pass.js';
import { branchesOf, isIf } from './if_branches.js';

/** How many nodes behind an If are looked at. */
const maxFollowed = 1000;

/**
 * The condition that an If has in every run that succeeds, where the other one makes a node behind it fail: exporters
 * write both a squeezed and an unsqueezed form, and only one of them has the rank that a later recurrent layer or
 * convolution takes. undefined where neither or both can be.
 *
 * Only for an If that runs at most once a run, and by nodes of its own graph, which run whenever it does.
 */
export function conditionThatSucceeds(node: Node, context: PassContext): boolean | undefined {
  const condition = node.inputs[0];
  if (condition == null || !runsOnce(node) || !ranksDiffer(node, context)) return undefined;
  const followers = nodesBehind(node);
  if (!followers.some((each) => nodeTraits(each)?.fixedRank)) return undefined;
  const [fails, succeeds] = [true, false].map((assumed) => failsUnder(assumed, condition, followers, context));
  return fails === succeeds ? undefined : succeeds;
}

function runsOnce(node: Node): boolean {
  let graph = node.graph;
  for (; graph.owner !== null; graph = graph.owner.graph) if (!isIf(graph.owner)) return false;
  return graph.ownerFunction === null;
}

/** Whether some result has a known rank in either branch, and not the same. */
function ranksDiffer(node: Node, { inference }: PassContext): boolean {
  const branches = branchesOf(node, true);
  if (branches === undefined) return false;
  const rank = (value: Value) => inference.shapeOf(value)?.length;
  return branches.taken.outputs.some(({ value }, index) => {
    const one = rank(value);
    const other = rank(branches.other.outputs[index]!.value);
    return one !== undefined && other !== undefined && one !== other;
  });
}

/** Nodes of the same graph that depend on the If, directly or not. */
function nodesBehind(root: Node): Node[] {
  const found = new Set<Node>([root]);
  for (const node of found) {
    if (found.size > maxFollowed) break;
    for (const output of node.outputs) {
      for (const use of output?.uses ?? []) {
        if (use.kind === 'node' && use.user.graph === root.graph) found.add(use.user);
      }
    }
  }
  found.delete(root);
  return [...found];
}

function failsUnder(
  assumed: boolean,
  condition: Value,
  followers: readonly Node[],
  { inference }: PassContext,
): boolean {
  const dims = staticShape(inference.shapeOf(condition)) ?? [];
  const hypothesis = inference.assuming(condition, content('bool', dims, [assumed ? 1 : 0]));
  for (const node of followers) for (const output of node.outputs) if (output !== null) hypothesis.typeOf(output);
  return followers.some((node) => nodeTraits(node)?.fixedRank === true && hypothesis.misfits.has(node));
}
