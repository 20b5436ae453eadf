import { reductions } from '../merges/merge_reduce_views.js';
import { plainOperator } from '../plain_operator.js';
import {
  dropsAxis,
  transposeAlongAxis,
  transposeConcat,
  transposeGather,
  transposeNormalization,
  transposePad,
  transposeReduce,
  transposeSlice,
  transposeSqueeze,
  transposeUnsqueeze,
} from './along_axes.js';
import { transposeElementwise, transposeQuantization } from './elementwise.js';
import type { TransposeNode } from './transposed_node.js';

/** Before opset 13, Softmax and its kin flatten their input at the axis. */
const alongOneAxis = 13;

/** Operators that name their axes; elementwise ones, which have none, are told by their traits. */
const alongAxes: Readonly<Record<string, TransposeNode>> = {
  ...Object.fromEntries(reductions.map((opType) => [opType, transposeReduce])),
  ArgMax: transposeAlongAxis(0, 1, dropsAxis),
  ArgMin: transposeAlongAxis(0, 1, dropsAxis),
  Concat: transposeConcat,
  DequantizeLinear: transposeQuantization,
  Gather: transposeGather,
  Hardmax: transposeNormalization(alongOneAxis),
  LogSoftmax: transposeNormalization(alongOneAxis),
  Pad: transposePad,
  QuantizeLinear: transposeQuantization,
  Slice: transposeSlice,
  Softmax: transposeNormalization(alongOneAxis),
  Split: transposeAlongAxis(0, 2),
  Squeeze: transposeSqueeze,
  Unsqueeze: transposeUnsqueeze,
};

/** How a node computes on an operand before it was transposed. */
export const transposeNode: TransposeNode = (node, index, perm, context) => {
  const opType = plainOperator(node);
  if (opType === undefined) return undefined;
  return (alongAxes[opType] ?? transposeElementwise)(node, index, perm, context);
};
