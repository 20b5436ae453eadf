import type { Node, Value } from '../../../ir/graph.js';
import { shapesEqual } from '../../../ir/value_type.js';
import type { PassContext } from '../../pass.js';

/** The value that a node's first output always equals, a reason why it only nearly does, or undefined. */
export type FindIdentity = (node: Node, context: PassContext) => Value | string | undefined;

export const sameDataType = (a: Value, b: Value, { inference }: PassContext): boolean => {
  const [one, other] = [inference.typeOf(a), inference.typeOf(b)];
  return one?.kind === 'tensor' && other?.kind === 'tensor' && one.dtype !== undefined && one.dtype === other.dtype;
};

/** Whether the input at `index` has the output's type and shape, so that nothing broadcasts it to another. */
export function hasTypeOfOutput(node: Node, index: number, context: PassContext): boolean {
  const input = node.inputs[index];
  const output = node.outputs[0];
  if (input == null || output == null || !sameDataType(input, output, context)) return false;
  return shapesEqual(context.inference.shapeOf(input), context.inference.shapeOf(output));
}
