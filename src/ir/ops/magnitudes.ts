import { getFloat } from '../attribute.js';
import type { Node } from '../graph.js';

/**
 * How large the elements of an operator's result can get, where all inputs hold numbers. Rounding aside:
 * - `unit`: at most 1;
 * - `kept`: at most as large as those of its first input;
 * - `sum`: at most as large as those of all inputs together;
 * - `product`: at most as large as the product of all inputs' largest ones;
 * - `contraction`: sums of products of the first two inputs, plus the third.
 */
export type Magnitude = 'unit' | 'kept' | 'sum' | 'product' | 'contraction';

const magnitudes: Readonly<Record<string, Magnitude>> = {
  HardSigmoid: 'unit',
  Sigmoid: 'unit',
  Softmax: 'unit',
  Tanh: 'unit',

  Abs: 'kept',
  DepthToSpace: 'kept',
  Expand: 'kept',
  Flatten: 'kept',
  Gather: 'kept',
  GlobalAveragePool: 'kept',
  GlobalMaxPool: 'kept',
  HardSwish: 'kept',
  Identity: 'kept',
  MaxPool: 'kept',
  Neg: 'kept',
  Relu: 'kept',
  Reshape: 'kept',
  Slice: 'kept',
  SpaceToDepth: 'kept',
  Split: 'kept',
  Squeeze: 'kept',
  Tile: 'kept',
  Transpose: 'kept',
  Unsqueeze: 'kept',

  Add: 'sum',
  Concat: 'sum',
  Max: 'sum',
  Min: 'sum',
  Sub: 'sum',

  Mul: 'product',

  Conv: 'contraction',
  ConvTranspose: 'contraction',
  Gemm: 'contraction',
  MatMul: 'contraction',
};

/** Undefined where an operator may make NaN, infinity or something much larger of numbers, and where nobody wrote it down. */
export function magnitudeOf(node: Node): Magnitude | undefined {
  if (node.domain !== '' && node.domain !== 'ai.onnx') return undefined;
  const factors = node.opType === 'Gemm' ? [getFloat(node, 'alpha', 1), getFloat(node, 'beta', 1)] : [];
  if (!factors.every((factor) => Math.abs(factor) <= 1)) return undefined;
  return Object.hasOwn(magnitudes, node.opType) ? magnitudes[node.opType] : undefined;
}
