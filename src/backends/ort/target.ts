import type { DataType } from '../../ir/data_type.js';
import { type FormalParameter, operatorSchema, type TypeString } from '../../ir/ops/operator_schema.js';
import type { QuantizationScheme, QuantizedRole, TargetProfile } from '../../passes/target_profile.js';
import { hasCpuKernel } from './cpu_kernels.js';

/** ONNX Runtime 1.30 loads opset 26 and refuses 27 (measured); IR version 11 is what it reads without complaint. */
const opset = { min: 1, max: 26 } as const;
const irVersion = 13;

/**
 * Operators with 8-bit CPU kernels, as QDQ node units: every neighbour in 8 bits saves a conversion. ConvTranspose has
 * no such kernel in 1.30 and gains only the size of its weights.
 */
const roles: Readonly<Record<string, QuantizedRole>> = {
  Conv: 'compute',
  ConvTranspose: 'compute',
  Gemm: 'compute-float-output',
  MatMul: 'compute-float-output',
  Add: 'carry',
  Mul: 'carry',
  AveragePool: 'carry',
  GlobalAveragePool: 'carry',
  Concat: 'carry',
  LeakyRelu: 'carry',
  Sigmoid: 'carry',
  MaxPool: 'move',
  Reshape: 'move',
  Flatten: 'move',
  Transpose: 'move',
  Squeeze: 'move',
  Unsqueeze: 'move',
  Relu: 'absorb',
  Clip: 'absorb',
};

/** Measured on this runtime: depthwise, first and short layers take as long in 8 bits as in float, or longer. */
const leaves = { depthwise: true, first: true, shorterSums: 80, fewerOutputs: 16 } as const;

/** 16 bits run dequantized: nothing is gained here but a form that other providers of the runtime take. */
const activationTypes: QuantizationScheme['activationTypes'] = ['uint8', 'int8', 'uint16', 'int16'];

const u8s8 = (limit: 127 | 64): QuantizationScheme => ({
  activation: { dtype: 'uint8', symmetric: false },
  activationTypes,
  weight: { dtype: 'int8', perChannel: true, limit },
  bias: 'int32',
  leaves,
  roles,
});

const s8s8: QuantizationScheme = {
  activation: { dtype: 'int8', symmetric: false },
  activationTypes,
  weight: { dtype: 'int8', perChannel: true, limit: 127 },
  bias: 'int32',
  leaves,
  roles,
};

/** Runs dequantized on CUDA: only what the numbers become matters. */
const parity: QuantizationScheme = {
  ...s8s8,
  activation: { dtype: 'int8', symmetric: true },
  activationTypes: ['int8'],
  bias: 'float',
};

/**
 * Measured on this runtime with one thread, as chains of nodes: up to this size a node less weighs more. Kernels that
 * reduce or exponentiate an element at a time stand against ones that are vectorized.
 */
const slow: TargetProfile['slow'] = {
  Attention: { above: 262144, instead: 'MultiHeadAttention', where: 'unmasked' },
  Elu: { above: 1024, instead: 'Exp, Sub, Less and Where' },
  LogSoftmax: { above: 32768, instead: 'reductions, Exp and Log', where: 'inner axis' },
  PRelu: { above: 16384, instead: 'Mul, Less and Where' },
  ReduceL1: { above: 2048, instead: 'Abs and ReduceSum' },
  ReduceL2: { above: 2048, instead: 'Mul, ReduceSum and Sqrt' },
  ReduceLogSum: { above: 2048, instead: 'ReduceSum and Log' },
  ReduceLogSumExp: { above: 64, instead: 'Exp, ReduceSum and Log' },
  ReduceSumSquare: { above: 2048, instead: 'Mul and ReduceSum' },
  Shrink: { above: 16384, instead: 'Add, Sub, Less and Where' },
  Softmax: { above: 32768, instead: 'reductions and Exp', where: 'inner axis' },
  Softplus: { above: 64, instead: 'Exp, Add and Log' },
};

/**
 * Measured on 1.30: with 8 bits and level 0 a product first brings all weights back to float, which takes a single token
 * 25 times as long as float; with level 4, 0.4 times.
 */
const weightOnly: TargetProfile['weightOnly'] = {
  form: 'MatMulNBits',
  bits: [4, 8],
  zeroPoints: true,
  negativeScales: true,
  accuracyLevels: { 4: 0, 8: 4 },
};

/** The first input or output that may have a type; where none may, the first input, which then says so. */
function formalOf(domain: string, opType: string, version: number, type: TypeString): string | undefined {
  const schema = operatorSchema(domain, opType, version);
  if (schema === undefined) return undefined;
  const { inputs, outputs, typeConstraints } = schema;
  const formals = [...inputs, ...outputs];
  const takes = (formal: FormalParameter) => (typeConstraints[formal.type] ?? [formal.type]).includes(type);
  return (formals.find(takes) ?? inputs[0])?.name;
}

export const ortCpu: TargetProfile = {
  name: 'ort-cpu',
  summary: 'ONNX Runtime on the CPU',
  opset,
  irVersion,
  domains: ['ai.onnx.ml', 'com.microsoft'],
  runs(domain, opType, version, dtype?: DataType) {
    const formal = dtype && formalOf(domain, opType, version, `tensor(${dtype})`);
    const types = dtype === undefined || formal === undefined ? {} : { [formal]: `tensor(${dtype})` as const };
    return hasCpuKernel(domain, opType, version, types);
  },
  refuses: {},
  // What it fuses itself while loading, where all its optimizations are on, and what was measured to be no slower.
  prefers: [
    'com.microsoft:BiasGelu',
    'com.microsoft:FastGelu',
    'com.microsoft:FusedConv',
    'com.microsoft:FusedGemm',
    'com.microsoft:FusedMatMul',
    'com.microsoft:MultiHeadAttention',
    'com.microsoft:QuickGelu',
    'com.microsoft:RotaryEmbedding',
  ],
  slow,
  // Five times as long as Add and LayerNormalization: measured with one thread and two, [8, 128, 768].
  avoids: ['SkipLayerNormalization'],
  fusesItself: ['Conv+activation', 'Conv+Add+activation', 'MatMul+Add', 'LayerNormalization', 'Gelu', 'Attention'],
  precisions: ['fp32', 'fp16', 'int8'],
  // Measured with the node tests of the standard, converted: it has MeanVarianceNormalization as a function whose
  // constants are float32. Casts are put around nodes that read float16, and never for bfloat16.
  castsAround: { float16: { except: ['MeanVarianceNormalization'] } },
  timedBy: 'onnxruntime-cpu',
  // Without VNNI the kernels add pairs of u8·s8 products in 16 bits, which full-range weights saturate.
  weightOnly,
  dynamicInt8: 'DynamicQuantizeMatMul',
  int8: { vnni: u8s8(127), amx: u8s8(127), avx512: u8s8(64), avx2: u8s8(64), arm: s8s8, default: u8s8(64) },
};

export const ortCuda: TargetProfile = {
  name: 'ort-cuda',
  summary: 'ONNX Runtime on an NVIDIA GPU',
  opset,
  irVersion,
  domains: ['ai.onnx.ml', 'com.microsoft'],
  runs: () => undefined,
  refuses: {
    QLinearConv: 'it falls back to the CPU',
    QLinearMatMul: 'it falls back to the CPU',
    ConvInteger: 'it falls back to the CPU',
  },
  prefers: [
    'com.microsoft:BiasGelu',
    'com.microsoft:FastGelu',
    'com.microsoft:FusedMatMul',
    'com.microsoft:MultiHeadAttention',
    'com.microsoft:QuickGelu',
    'com.microsoft:RotaryEmbedding',
    'com.microsoft:SkipLayerNormalization',
    'com.microsoft:SkipSimplifiedLayerNormalization',
  ],
  slow: {},
  avoids: [],
  fusesItself: ['Conv+activation', 'LayerNormalization', 'Gelu', 'Attention'],
  precisions: ['fp32', 'fp16', 'bf16'],
  weightOnly,
  int8: {},
  int8Refusal:
    'ONNX Runtime has no 8-bit CUDA kernels for convolutions and matrix products: the model would run dequantized, or on the CPU. fp16 is the fast precision there',
  forcedInt8: parity,
};
