import { constantTensor } from '../../../ir/constant.js';
import type { Value } from '../../../ir/graph.js';
import { nodeTraits } from '../../../ir/ops/traits.js';
import { reshapeTensor } from '../../../ir/tensor.js';
import type { PassContext } from '../../pass.js';
import { defaultOpset } from '../plain_operator.js';
import { inverse, type Permutation, permuteTensor } from './permutation.js';
import { same, type TransposedOperand, type TransposeNode } from './transposed_node.js';

/** Operands broadcast by themselves since this opset. */
const broadcasts = 7;

/** Operators that treat each position alone: all operands take part, broadcast ones included. */
export const transposeElementwise: TransposeNode = (node, index, perm, context) => {
  const kind = nodeTraits(node)?.elementwise;
  if (kind === undefined || node.outputs.length !== 1) return undefined;
  const attributes = [...node.attributes.values()];
  if (kind === 'unary') {
    if (index !== 0) return undefined;
    const operands = node.inputs.map((_, input): TransposedOperand => (input === 0 ? { kind: 'data', perm } : same));
    return { results: [perm], operands, attributes };
  }
  if (defaultOpset(node) < broadcasts) return undefined;
  if (context.inference.shapeOf(node.outputs[0]!)?.length !== perm.length) return undefined;
  const operands: TransposedOperand[] = [];
  for (const input of node.inputs) {
    const operand = broadcastOperand(input, perm, context);
    if (operand === undefined) return undefined;
    operands.push(operand);
  }
  return { results: [perm], operands, attributes };
};

/** An operand that is aligned at the last axis of a result of the rank of `perm`. */
export function broadcastOperand(
  input: Value | null,
  perm: Permutation,
  context: PassContext,
): TransposedOperand | undefined {
  if (input === null) return same;
  const shape = context.inference.shapeOf(input);
  if (shape === undefined || shape.length > perm.length) return undefined;
  if (shape.length < perm.length && shape.every((dim) => dim === 1)) return same;
  const tensor = constantTensor(input);
  if (tensor !== undefined) {
    const aligned = reshapeTensor(tensor, [...perm.slice(tensor.dims.length).map(() => 1), ...tensor.dims]);
    const moved = permuteTensor(aligned, inverse(perm), context.maxGrowthBytes);
    return moved && { kind: 'constant', tensor: moved };
  }
  return shape.length === perm.length ? { kind: 'data', perm } : undefined;
}
