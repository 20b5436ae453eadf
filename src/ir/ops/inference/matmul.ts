import type { DataType } from '../../data_type.js';
import { provablyDifferent } from '../../dim.js';
import { formatShape, type Shape } from '../../value_type.js';
import { broadcastShapes } from './broadcast.js';
import type { InferenceContext, InferenceRules } from './context.js';

/** numpy's matmul: batches broadcast, a vector on either side loses its axis. */
function inferMatMul(context: InferenceContext, dtype: DataType | undefined, right = 1): void {
  const a = context.shape(0);
  const b = context.shape(right);
  context.setTensor(0, dtype);
  if (a === undefined || b === undefined || a.length === 0 || b.length === 0) return;
  const inner = a.at(-1);
  const other = b.length === 1 ? b[0] : b.at(-2);
  if (typeof inner === 'number' && typeof other === 'number' && provablyDifferent(inner, other)) {
    context.fail('infer/matmul', `${formatShape(a)} and ${formatShape(b)} do not multiply`);
    return;
  }
  const batch = broadcastShapes([a.slice(0, -2), b.slice(0, -2)]);
  if (batch === undefined) return;
  if (batch === 'conflict') {
    context.fail('infer/matmul', `${formatShape(a)} and ${formatShape(b)} do not broadcast`);
    return;
  }
  const shape: Shape = [...batch, ...(a.length > 1 ? [a.at(-2)] : []), ...(b.length > 1 ? [b.at(-1)] : [])];
  context.setTensor(0, dtype, shape);
}

function inferGemm(context: InferenceContext): void {
  const a = context.shape(0);
  const b = context.shape(1);
  const rows = a?.length === 2 ? a[context.int('transA', 0) === 0 ? 0 : 1] : undefined;
  const columns = b?.length === 2 ? b[context.int('transB', 0) === 0 ? 1 : 0] : undefined;
  context.setTensor(0, context.dtype(0), [rows, columns]);
}

export const matmulRules: InferenceRules = {
  MatMul: (context) => inferMatMul(context, context.dtype(0)),
  MatMulInteger: (context) => inferMatMul(context, 'int32'),
  QLinearMatMul: (context) => inferMatMul(context, context.dtype(7), 3),
  Gemm: inferGemm,
};
