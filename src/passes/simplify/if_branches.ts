import { getGraph } from '../../ir/attribute.js';
import { calledFunction, type Graph, type Node } from '../../ir/graph.js';

/** Whether a node is the If of the standard. */
export const isIf = (node: Node): boolean =>
  node.opType === 'If' && (node.domain === '' || node.domain === 'ai.onnx') && calledFunction(node) === undefined;

type Branches = { readonly taken: Graph; readonly other: Graph };

/** The branches of an If under a condition; undefined for a malformed one. */
export function branchesOf(node: Node, condition: boolean): Branches | undefined {
  const thenBranch = getGraph(node, 'then_branch');
  const elseBranch = getGraph(node, 'else_branch');
  if (thenBranch === undefined || elseBranch === undefined) return undefined;
  const count = node.outputs.length;
  if (thenBranch.inputs.length + elseBranch.inputs.length > 0) return undefined;
  if (thenBranch.outputs.length !== count || elseBranch.outputs.length !== count) return undefined;
  return condition ? { taken: thenBranch, other: elseBranch } : { taken: elseBranch, other: thenBranch };
}
