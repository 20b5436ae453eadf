import { dataTypeOfCode } from '../../data_type.js';
import { asDim, mul, provablyDifferent } from '../../dim.js';
import { formatShape, type Shape } from '../../value_type.js';
import type { InferenceContext, InferenceRule, InferenceRules } from './context.js';
import { inferGemm, setProduct } from './matmul.js';
import { attributeSize } from './sizes.js';

/**
 * ONNX Runtime's products of matrices, in com.microsoft: transposed, with quantized weights, or with more computed at
 * once.
 */
export const fusedMatmulRules: InferenceRules = {
  'com.microsoft:FusedMatMul': fusedMatMul,
  'com.microsoft:FusedMatMulActivation': fusedMatMul,
  'com.microsoft:TransposeMatMul': fusedMatMul,
  'com.microsoft:FusedGemm': (context) => inferGemm(context, context.dtype(0)),
  'com.microsoft:GemmFloat8': gemmFloat8,
  'com.microsoft:GemmFastGelu': product((context) => context.dtype(0)),
  'com.microsoft:QGemm': quantizedGemm,
  'com.microsoft:DynamicQuantizeMatMul': product((context) => context.dtype(0)),
  'com.microsoft:MatMulIntegerToFloat': product((context) => context.dtype(2)),
  'com.microsoft:MatMulInteger16': product((context) => (context.dtype(0) === 'int16' ? 'int32' : undefined)),
  'com.microsoft:MatMulNBits': packedWeights,
  'com.microsoft:MatMulBnb4': packedWeights,
  'com.microsoft:MatMulNBitsMlp': (context) => setProjections(context, ['N'], 'K', 1),
  'com.microsoft:MatMulNBitsQkv': (context) => setProjections(context, ['Nq', 'Nkv', 'Nkv'], 'K', 3),
  'com.microsoft:MatMulBlockQuantizedFp4Weight': (context) => blockScaled(context, 2),
  'com.microsoft:MatMulBlockQuantizedFp8Weight': (context) => blockScaled(context, 1),
  'com.microsoft:MatMulFpQ4': sizedWeights,
  'com.microsoft:SparseToDenseMatMul': (context) =>
    setProduct(
      context,
      context.dtype(1),
      stored(context.shape(0), 0, context.int('transA', 0)),
      stored(context.shape(1), 0, context.int('transB', 0)),
    ),
  'com.microsoft:QOrderedMatMul': (context) =>
    setProduct(context, context.dtype(0), context.shape(0), context.shape(2)),
};

function product(dtypeOf: (context: InferenceContext) => ReturnType<InferenceContext['dtype']>): InferenceRule {
  return (context) => setProduct(context, dtypeOf(context), context.shape(0), context.shape(1));
}

function fusedMatMul(context: InferenceContext): void {
  const a = stored(context.shape(0), context.int('transBatchA', 0), context.int('transA', 0));
  const b = stored(context.shape(1), context.int('transBatchB', 0), context.int('transB', 0));
  setProduct(context, context.dtype(0), a, b);
}

/** [rows, …batch, columns] as [...batch, rows, columns], then the last two axes turned; a vector stays. */
function stored(shape: Shape | undefined, isBatchBetween: number, isTurned: number): Shape | undefined {
  if (shape === undefined || shape.length < 2) return shape;
  const plain = isBatchBetween === 0 ? shape : [...shape.slice(1, -1), shape[0], shape.at(-1)];
  return isTurned === 0 ? plain : [...plain.slice(0, -2), plain.at(-1), plain.at(-2)];
}

function gemmFloat8(context: InferenceContext): void {
  inferGemm(context, dataTypeOfCode(context.int('dtype', 1)));
}

/** Without a scale for the result, it is not quantized. */
function quantizedGemm(context: InferenceContext): void {
  inferGemm(context, context.has(8) ? context.dtype(8) : context.has(7) ? undefined : context.dtype(1), 3, 6);
}

/** [..., K] with packed weights [N, K], whose sizes are attributes => [..., N] */
function packedWeights(context: InferenceContext): void {
  if (context.int('transB', 1) !== 0) setProjections(context, ['N'], 'K', 0);
  else context.setTensor(0, context.dtype(0));
}

/** [..., K] with weights [N, K / count], `count` in an element => [..., N] */
function blockScaled(context: InferenceContext, count: number): void {
  const weights = context.shape(1);
  const isMatrix = weights === undefined || weights.length === 2;
  const rows = isMatrix ? weights && [asDim(mul(weights[1], count)), weights[0]] : [];
  setProduct(context, context.dtype(0), context.shape(0), rows ?? [undefined, undefined]);
}

/** [..., K] with a blob of weights whose sizes [K, N] are input 2. */
function sizedWeights(context: InferenceContext): void {
  const sizes = context.content(2)?.elements.map(asDim);
  const count = sizes?.length ?? context.shape(2)?.[0];
  const isMatrix = count === undefined || count === 2;
  setProduct(context, context.dtype(0), context.shape(0), isMatrix ? (sizes ?? [undefined, undefined]) : undefined);
}

/** As many products of the same rows as there are sizes by name; a sum that is also given has the shape of those. */
function setProjections(context: InferenceContext, columns: readonly string[], inner: string, sumOutput: number): void {
  const a = context.shape(0);
  const dtype = context.dtype(0);
  for (const [index] of columns.entries()) context.setTensor(index, dtype);
  if (sumOutput > 0) context.setTensor(sumOutput, dtype);
  const rows = context.int(inner, undefined);
  if (a?.length === 0 || provablyDifferent(a?.at(-1), rows)) {
    context.fail('infer/matmul', `${formatShape(a)} does not multiply weights of ${rows ?? '?'} rows`);
    return;
  }
  for (const [index, name] of columns.entries()) {
    const size = context.int(name, undefined);
    context.setTensor(index, dtype, a && [...a.slice(0, -1), size === undefined ? undefined : attributeSize(size)]);
  }
  if (sumOutput > 0) context.setTensor(sumOutput, dtype, a);
}
