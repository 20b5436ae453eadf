import type { Node, Value } from '../../ir/graph.js';

/** Whether a node is this operator of the default domain. */
export const isOperator = (node: Node, opType: string): boolean =>
  node.opType === opType && (node.domain === '' || node.domain === 'ai.onnx');

/** The node in the graph that gives a value as its first output and is one of these operators of the default domain. */
export function producerOf(value: Value | null | undefined, ...opTypes: readonly string[]): Node | undefined {
  const node = value?.producer;
  if (node == null || !node.attached || value?.index !== 0) return undefined;
  return opTypes.some((opType) => isOperator(node, opType)) ? node : undefined;
}
