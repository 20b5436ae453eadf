import { getInt } from '../../../ir/attribute.js';
import type { Node } from '../../../ir/graph.js';
import { normalAxis } from '../../../ir/ops/inference/axes.js';
import { reducedAxes } from '../../../ir/ops/reduced_axes.js';
import { nodeTraits } from '../../../ir/ops/traits.js';
import { transposeCommutes } from '../../../ir/ops/transpose_commutes.js';
import type { PassContext } from '../../pass.js';
import { plainOperator } from '../plain_operator.js';
import { transposeAlongAxes, transposeAsItIs, transposeFirstAxes, transposePerAxis } from './along_axes.js';
import { transposeElementwise } from './elementwise.js';
import type { Permutation } from './permutation.js';
import type { TransposedNode, TransposeNode } from './transposed_node.js';

/** How a node computes on an operand before it was transposed. */
export const transposeNode: TransposeNode = (node, index, perm, context) => {
  const opType = plainOperator(node);
  if (opType === undefined) return undefined;
  if (nodeTraits(node)?.elementwise !== undefined) return transposeElementwise(node, index, perm, context);
  if (opType === 'Slice' && node.inputs[3] == null && !node.attributes.has('axes')) {
    return index === 0 ? transposeFirstAxes(node, perm, context) : undefined;
  }
  if (opType === 'Gather') return pickedAxis(node, index, perm, context);
  const commutation = transposeCommutes(node);
  if (commutation === undefined) return reducedToScalar(node, index, perm);
  if (commutation.kind === 'elementwise') return transposeAsItIs(node, index, perm);
  if (commutation.data !== 'all' && !commutation.data.includes(index)) return undefined;
  if (commutation.kind === 'per-axis') return transposePerAxis(node, perm, commutation, context);
  return movesLastAxis(node, perm) ? undefined : transposeAlongAxes(node, perm, commutation, context);
};

/** A scalar index takes its axis out; indices with axes of their own put these in its place. */
function pickedAxis(node: Node, index: number, perm: Permutation, context: PassContext): TransposedNode | undefined {
  const indices = node.inputs[1] == null ? undefined : context.inference.shapeOf(node.inputs[1]);
  if (index !== 0 || indices?.length !== 0) return undefined;
  const place = { kind: 'attribute', name: 'axis', fallback: 0 } as const;
  return transposeAlongAxes(node, perm, { kind: 'axes', data: [0], place, keepsRank: false }, context);
}

/** A reduction that leaves no axis does not care for their order. */
function reducedToScalar(node: Node, index: number, perm: Permutation): TransposedNode | undefined {
  const isWhole = node.opType.startsWith('Reduce') && reducedAxes(node, perm.length)?.length === perm.length;
  return isWhole && getInt(node, 'keepdims', 1) === 0 ? transposeAsItIs(node, index, perm, []) : undefined;
}

const normalizations = ['Softmax', 'LogSoftmax', 'Hardmax', 'LpNormalization'];

/** Kernels that normalize along another axis than the last transpose to and fro themselves. */
function movesLastAxis(node: Node, perm: Permutation): boolean {
  const last = perm.length - 1;
  if (!normalizations.includes(node.opType)) return false;
  return normalAxis(getInt(node, 'axis', -1), perm.length) === last && perm[last] !== last;
}
