import { constantTensor } from '../../ir/constant.js';
import type { Node } from '../../ir/graph.js';
import { elementCount, type Tensor, tensorData } from '../../ir/tensor.js';
import type { ComputeNode } from './compute_node.js';

/** The sum behind a product that adds one constant a column: the bias of an operator that has none of its own. */
export type BiasSum = { readonly node: Node; readonly index: 0 | 1; readonly tensor: Tensor };

/** The Add that alone reads a MatMul, where its other operand is a constant of one float a column. */
export function biasSum({ node, weightDims }: ComputeNode): BiasSum | undefined {
  const output = node.outputs[0]!;
  const [use] = output.uses;
  if (node.opType !== 'MatMul' || output.uses.size !== 1 || use?.kind !== 'node' || output.pinned) return undefined;
  const sum = use.user;
  if (sum.opType !== 'Add' || sum.domain !== node.domain || sum.graph !== node.graph) return undefined;
  const index = use.index === 0 ? 1 : 0;
  const tensor = constantTensor(sum.inputs[index]);
  const columns = weightDims.at(-1);
  if (tensor?.dtype !== 'float' || tensor.dims.at(-1) !== columns || elementCount(tensor.dims) !== columns) {
    return undefined;
  }
  return { node: sum, index, tensor };
}

/** The numbers of a layer's float bias, in the layer or in the sum behind it. */
export function biasOf(layer: ComputeNode): Float32Array | undefined {
  const tensor = constantTensor(layer.bias) ?? biasSum(layer)?.tensor;
  return tensor === undefined ? undefined : (tensorData(tensor) as Float32Array);
}
