import { calledFunction, type Node, opsetVersion } from '../../ir/graph.js';

/**
 * The operator type of a node whose meaning is all there to read: of the default domain, not defined by the model
 * itself, no attribute left to the caller of a function. undefined for every other.
 */
export function plainOperator(node: Node): string | undefined {
  if (node.domain !== '' && node.domain !== 'ai.onnx') return undefined;
  for (const { kind } of node.attributes.values()) if (kind === 'reference') return undefined;
  return calledFunction(node) === undefined ? node.opType : undefined;
}

/** The opset that a node of the default domain is read with. */
export const defaultOpset = (node: Node): number => opsetVersion(node.graph, '') ?? 1;
