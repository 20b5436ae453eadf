import { getInt } from '../../ir/attribute.js';
import type { Node } from '../../ir/graph.js';
import { elementCount } from '../../ir/tensor.js';
import { layerSize } from './compute_node.js';

/**
 * The weights of a layer as one row of products for each output: output = Σ row · patch. Products are ordered by input
 * channel and then by place in the kernel. Outputs of one group read the same patch.
 */
export type LayerRows = {
  readonly outputs: number;
  readonly products: number;
  readonly groups: number;
  /** Elements of the kernel; 1 for a matrix. */
  readonly taps: number;
  /** Where the weight of an output and a product lies in the tensor. */
  at(output: number, product: number): number;
};

/** Of a Conv, Gemm or MatMul, or a ConvTranspose without groups; `dims` are those of its weights. */
export function layerRows(node: Node, dims: readonly number[]): LayerRows {
  const { outputs, products } = layerSize(node, dims);
  switch (node.opType) {
    case 'Conv': {
      const taps = elementCount(dims.slice(2));
      const at = (output: number, product: number) => output * products + product;
      return { outputs, products, groups: getInt(node, 'group', 1), taps, at };
    }
    case 'ConvTranspose': {
      const taps = elementCount(dims.slice(2));
      const at = (output: number, product: number) => {
        const tap = product % taps;
        return (((product - tap) / taps) * outputs + output) * taps + tap;
      };
      return { outputs, products, groups: 1, taps, at };
    }
    default: {
      const transposed = node.opType === 'Gemm' && getInt(node, 'transB', 0) !== 0;
      const at = (output: number, product: number) =>
        transposed ? output * products + product : product * outputs + output;
      return { outputs, products, groups: 1, taps: 1, at };
    }
  }
}
