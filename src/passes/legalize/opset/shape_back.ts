import { type Attribute, intAttribute } from '../../../ir/attribute.js';
import type { Node, Value } from '../../../ir/graph.js';
import type { StepContext } from './step_context.js';

/** Reshape can mean a 0 as it says it from this opset on. */
const allowZeroSince = 14;

/**
 * What gives a Reshape in front of `node` the shape of `input`, whatever that is when it runs; or why nothing does.
 * The attribute may be ahead of the step that brings it: a conversion that leads past that step goes on to take it.
 */
export function shapeBack(
  node: Node,
  input: Value,
  context: StepContext,
): { readonly shape: Value; readonly attributes: readonly Attribute[] } | string {
  const shape = context.shape(input);
  const open = shape?.filter((dim) => typeof dim !== 'number').length;
  if (shape !== undefined && open !== undefined && open <= 1 && !shape.includes(0)) {
    const dims = shape.map((dim) => (typeof dim === 'number' ? dim : -1));
    return { shape: context.int64(node, dims, `${node.opType.toLowerCase()}_shape`), attributes: [] };
  }
  if (context.target < allowZeroSince) {
    return `sizes of its input are not known, and opset ${context.target} cannot give an empty tensor its shape back`;
  }
  return { shape: context.insert(node, 'Shape', [input]), attributes: [intAttribute('allowzero', 1)] };
}
