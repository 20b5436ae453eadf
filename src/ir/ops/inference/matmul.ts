import type { DataType } from '../../data_type.js';
import { broadcastDims, type Dim, provablyDifferent } from '../../dim.js';
import { formatShape, type Shape } from '../../value_type.js';
import { broadcastShapes } from './broadcast.js';
import type { InferenceContext, InferenceRules } from './context.js';

/**
 * numpy's matmul, which ONNX `MatMul` follows: batches broadcast, a vector on either side loses its axis. undefined
 * where a rank is not known, 'conflict' where the shapes do not multiply.
 */
export function matmulShape(a: Shape | undefined, b: Shape | undefined): Shape | undefined | 'conflict' {
  if (a?.length === 0 || b?.length === 0) return 'conflict';
  if (a === undefined || b === undefined) return undefined;
  if (provablyDifferent(a.at(-1), b.length === 1 ? b[0] : b.at(-2))) return 'conflict';
  const batch = broadcastShapes([a.slice(0, -2), b.slice(0, -2)]);
  if (batch === undefined || batch === 'conflict') return batch;
  return [...batch, ...(a.length > 1 ? [a.at(-2)] : []), ...(b.length > 1 ? [b.at(-1)] : [])];
}

/** Output 0 is the product of two shapes. */
export function setProduct(
  context: InferenceContext,
  dtype: DataType | undefined,
  a: Shape | undefined,
  b: Shape | undefined,
): void {
  const shape = matmulShape(a, b);
  context.setTensor(0, dtype, shape === 'conflict' ? undefined : shape);
  if (shape === 'conflict') context.fail('infer/matmul', `${formatShape(a)} and ${formatShape(b)} do not multiply`);
}

/** [M, K] and [K, N], each stored the other way round where its attribute says so, and a C that stretches => [M, N] */
export function inferGemm(context: InferenceContext, dtype: DataType | undefined, b = 1, c = 2): void {
  const left = context.shape(0);
  const right = context.shape(b);
  const added = context.shape(c);
  context.setTensor(0, dtype);
  const isMatrix = (shape: Shape | undefined) => shape === undefined || shape.length === 2;
  const [rows, inner] = turned(left, context.int('transA', 0));
  const [other, columns] = turned(right, context.int('transB', 0));
  if (!isMatrix(left) || !isMatrix(right) || provablyDifferent(inner, other) || (added?.length ?? 0) > 2) {
    const shapes = `${formatShape(left)}, ${formatShape(right)} and ${formatShape(added)}`;
    context.fail('infer/matmul', `${shapes} do not fit a Gemm`);
    return;
  }
  const sized = [reach(rows, added?.at(-2)), reach(columns, added?.at(-1))];
  if (sized.includes('conflict')) {
    context.fail('infer/matmul', `C ${formatShape(added)} does not stretch to ${formatShape([rows, columns])}`);
    return;
  }
  context.setTensor(
    0,
    dtype,
    sized.map((size) => (size === 'conflict' ? undefined : size)),
  );
}

const turned = (shape: Shape | undefined, isTurned: number): Shape =>
  isTurned === 0 ? (shape ?? []) : (shape?.toReversed() ?? []);

/** A size to which another must stretch; where it is not known itself, the other if that is not 1. */
function reach(size: Dim | undefined, added: Dim | undefined): Dim | undefined | 'conflict' {
  const both = broadcastDims(size, added);
  if (both === 'conflict' || (added !== 1 && provablyDifferent(added, 1) && provablyDifferent(size, added))) {
    return 'conflict';
  }
  return size ?? both.dim;
}

export const matmulRules: InferenceRules = {
  MatMul: (context) => setProduct(context, context.dtype(0) ?? context.dtype(1), context.shape(0), context.shape(1)),
  MatMulInteger: (context) => setProduct(context, 'int32', context.shape(0), context.shape(1)),
  QLinearMatMul: (context) => setProduct(context, context.dtype(7), context.shape(0), context.shape(3)),
  Gemm: (context) => inferGemm(context, context.dtype(0)),
};
