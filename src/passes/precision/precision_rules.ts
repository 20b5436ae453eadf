import type { Node } from '../../ir/graph.js';
import { schemaDomain } from '../../ir/ops/operator_schema.js';
import { elementSource, movesData, nodeTraits } from '../../ir/ops/traits.js';

/**
 * What an operator is to be computed in.
 * - `heavy`: half, since that is what half is for. `addends`: inputs that are only added to the result.
 * - `light`: half, but it is not worth two casts.
 * - `free`: it moves or compares numbers, which comes out the same in either type: whatever saves casts.
 * - `normalization`: float, unless normalizations were asked for in half.
 * - `sum`, `softmax`: light where it combines few elements, float where many or nobody knows how many.
 * - `float`: float. `leavesRange`: its results may be too large for half; `inRange`: light where they are known not to be.
 */
export type PrecisionRule =
  | { readonly wants: 'heavy'; readonly addends?: readonly number[] }
  | { readonly wants: 'light' | 'free' | 'normalization' | 'sum' | 'softmax' }
  | { readonly wants: 'float'; readonly why: string; readonly leavesRange?: true; readonly inRange?: true };

const heavy: PrecisionRule = { wants: 'heavy' };
const layer: PrecisionRule = { wants: 'heavy', addends: [2] };
const light: PrecisionRule = { wants: 'light' };
const free: PrecisionRule = { wants: 'free' };
const normalization: PrecisionRule = { wants: 'normalization' };
const sum: PrecisionRule = { wants: 'sum' };
const softmax: PrecisionRule = { wants: 'softmax' };
const grows: PrecisionRule = {
  wants: 'float',
  why: 'its results grow out of range quickly',
  leavesRange: true,
  inRange: true,
};
const squares: PrecisionRule = { wants: 'float', why: 'it sums up squares or products', leavesRange: true };
const running: PrecisionRule = { wants: 'float', why: 'rounding adds up along the axis', leavesRange: true };
const logarithm: PrecisionRule = { wants: 'float', why: 'it tells small numbers apart' };
const remainder: PrecisionRule = { wants: 'float', why: 'a remainder is what rounding takes first' };
const periodic: PrecisionRule = { wants: 'float', why: 'it needs the digits behind the point of a large argument' };
const ranking: PrecisionRule = { wants: 'float', why: 'numbers that rounding makes equal come out in another order' };
const random: PrecisionRule = { wants: 'float', why: 'it draws other numbers in another type' };
const position: PrecisionRule = { wants: 'float', why: 'it reads positions' };
const scale: PrecisionRule = { wants: 'float', why: 'scales of 8-bit numbers need all their digits' };
const signal: PrecisionRule = { wants: 'float', why: 'it sums up a signal' };

/** By domain, then operator. Elementwise operators and those that move data need no line: their traits say it. */
const rules: Readonly<Record<string, Readonly<Record<string, PrecisionRule | ((node: Node) => PrecisionRule)>>>> = {
  '': {
    Attention: heavy,
    CausalConvWithState: heavy,
    Conv: layer,
    ConvTranspose: layer,
    DeformConv: heavy,
    Einsum: heavy,
    GRU: heavy,
    Gemm: layer,
    LSTM: heavy,
    MatMul: heavy,
    RNN: heavy,

    BatchNormalization: normalization,
    GroupNormalization: normalization,
    InstanceNormalization: normalization,
    LayerNormalization: normalization,
    LpNormalization: normalization,
    LRN: normalization,
    MeanVarianceNormalization: normalization,
    RMSNormalization: normalization,
    SimplifiedLayerNormalization: normalization,

    AveragePool: sum,
    GlobalAveragePool: sum,
    ReduceL1: sum,
    ReduceMean: sum,
    ReduceSum: sum,
    LogSoftmax: softmax,
    Softmax: softmax,

    Acosh: grows,
    Cosh: grows,
    Exp: grows,
    Pow: grows,
    Reciprocal: grows,
    Sinh: grows,
    Atanh: logarithm,
    Log: logarithm,
    ReduceLogSum: logarithm,
    ReduceLogSumExp: logarithm,
    Det: squares,
    GlobalLpPool: squares,
    LpPool: squares,
    ReduceL2: squares,
    ReduceProd: squares,
    ReduceSumSquare: squares,
    CumProd: running,
    CumSum: running,
    Mod: remainder,
    Cos: periodic,
    Sin: periodic,
    Tan: periodic,
    TopK: ranking,
    Unique: ranking,
    Bernoulli: random,
    Multinomial: random,
    RandomNormal: random,
    RandomNormalLike: random,
    RandomUniform: random,
    RandomUniformLike: random,
    AffineGrid: position,
    GridSample: position,
    MaxRoiPool: position,
    NonMaxSuppression: position,
    Range: position,
    RoiAlign: position,
    Upsample: position,
    DequantizeLinear: scale,
    DynamicQuantizeLinear: scale,
    QuantizeLinear: scale,
    BlackmanWindow: signal,
    DFT: signal,
    HammingWindow: signal,
    HannWindow: signal,
    MelWeightMatrix: signal,
    STFT: signal,
    Equal: { wants: 'float', why: 'rounding makes numbers equal that are not' },
    IsInf: { wants: 'float', why: 'what is finite in float may not be in half' },

    ArgMax: free,
    ArgMin: free,
    Cast: free,
    CastLike: free,
    ConstantOfShape: free,
    Dropout: free,
    Hardmax: free,
    Identity: free,
    IsNaN: free,
    NonZero: free,
    OneHot: free,
    Shape: free,
    Size: free,

    Resize: (node) => (movesData(node) ? free : light),
    RotaryEmbedding: light,
    SwiGLU: light,
  },
  'com.microsoft': {
    Attention: heavy,
    CausalConvWithState: heavy,
    DecoderMaskedMultiHeadAttention: heavy,
    FusedConv: layer,
    FusedGemm: layer,
    FusedMatMul: heavy,
    FusedMatMulActivation: heavy,
    GemmFastGelu: heavy,
    GroupQueryAttention: heavy,
    MatMulBnb4: heavy,
    MatMulNBits: heavy,
    MoE: heavy,
    MultiHeadAttention: heavy,
    NhwcConv: layer,
    NhwcFusedConv: layer,
    TransposeMatMul: heavy,

    EmbedLayerNormalization: normalization,
    GatedRMSNorm: normalization,
    GroupNorm: normalization,
    SkipGroupNorm: normalization,
    SkipLayerNormalization: normalization,
    SkipSimplifiedLayerNormalization: normalization,

    BiasAdd: light,
    BiasGelu: light,
    BiasSplitGelu: light,
    FastGelu: light,
    RotaryEmbedding: light,

    BiasSoftmax: { wants: 'float', why: 'it is a softmax' },
    DequantizeLinear: scale,
    QuantizeLinear: scale,
    Unique: ranking,
  },
};

/** Undefined where nothing says how much an operator loses in half. */
export function precisionRule(node: Node): PrecisionRule | undefined {
  const operators = rules[schemaDomain(node.domain)];
  const rule = operators !== undefined && Object.hasOwn(operators, node.opType) ? operators[node.opType] : undefined;
  if (rule !== undefined) return typeof rule === 'function' ? rule(node) : rule;
  const source = elementSource(node)?.kind;
  if (source !== undefined && source !== 'bounded') return free;
  return nodeTraits(node)?.elementwise === undefined ? undefined : light;
}
