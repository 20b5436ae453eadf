import type { QuantizationScheme, TargetProfile } from '../../passes/target_profile.js';

/** What becomes of operators between 8-bit layers. Activations and sums belong to the layer before them. */
const roles: QuantizationScheme['roles'] = {
  Conv: 'compute-float-output',
  ConvTranspose: 'compute-float-output',
  Gemm: 'compute-float-output',
  MatMul: 'compute-float-output',

  Add: 'residual',
  BatchNormalization: 'fuse',
  Clip: 'fuse',
  Elu: 'fuse',
  HardSigmoid: 'fuse',
  HardSwish: 'fuse',
  LeakyRelu: 'fuse',
  Mul: 'fuse',
  Relu: 'fuse',
  Selu: 'fuse',
  Sigmoid: 'fuse',
  Swish: 'fuse',
  Tanh: 'fuse',

  Pad: 'lead',
  Concat: 'join',

  DepthToSpace: 'move',
  Flatten: 'move',
  Gather: 'move',
  MaxPool: 'move',
  Reshape: 'move',
  Resize: 'move',
  Slice: 'move',
  Split: 'move',
  Squeeze: 'move',
  Transpose: 'move',
  Unsqueeze: 'move',
};

const normalization = 'its sums need more than 8 bits';

/** Symmetric with zero point 0 on both sides; bias stays in float, activations are left to TensorRT's own fusions. */
const explicit: QuantizationScheme = {
  activation: { dtype: 'int8', symmetric: true },
  activationTypes: ['int8'],
  weight: { dtype: 'int8', perChannel: true, limit: 127 },
  bias: 'float',
  leaves: { depthwise: false, first: false, shorterSums: 0, fewerOutputs: 0 },
  smallest: { conv: { channels: 16, multiple: 8 }, matrix: { rows: 2, columns: 16, sums: 16 } },
  fusesResidual: ['Conv'],
  // Attention over longer sequences is faster in half precision.
  longestProduct: 512,
  keepsFloat: {
    Erf: 'part of Gelu, which becomes one float kernel',
    Gelu: 'it becomes one float kernel, and a pair on its input only costs accuracy',
    GroupNormalization: normalization,
    InstanceNormalization: normalization,
    LayerNormalization: normalization,
    LogSoftmax: 'differences of large values vanish in 256 steps',
    RMSNormalization: normalization,
    ReduceMean: 'part of a normalization, or a mean that needs more than 8 bits',
    Softmax: 'differences of large values vanish in 256 steps',
  },
  roles,
};

/** Operators that 8-bit floats are not documented for. */
const { ConvTranspose: _convTranspose, Concat: _concat, MaxPool: _maxPool, Resize: _resize, ...float8Roles } = roles;

/**
 * As int8, around zero; scale = absmax / 448. Its convolutions take channels that line up by 16 and filters of at most
 * 32 places.
 */
const fp8: QuantizationScheme = {
  ...explicit,
  activation: { dtype: 'float8e4m3fn', symmetric: true },
  activationTypes: ['float8e4m3fn'],
  weight: { dtype: 'float8e4m3fn', perChannel: true, limit: 448 },
  smallest: {
    conv: { channels: 16, multiple: 16, alignment: 16, places: 32 },
    matrix: { rows: 2, columns: 16, sums: 16 },
  },
  roles: float8Roles,
};

/** Operators that its ONNX parser does not take. */
const refuses: Readonly<Record<string, string>> = {
  QLinearConv: 'the parser takes Q/DQ pairs only',
  QLinearMatMul: 'the parser takes Q/DQ pairs only',
  ConvInteger: 'the parser takes Q/DQ pairs only',
  MatMulInteger: 'the parser takes Q/DQ pairs only',
  DynamicQuantizeLinear: 'scales must be constants',
  SequenceConstruct: 'sequences are not supported',
  SequenceInsert: 'sequences are not supported',
  SequenceAt: 'sequences are not supported',
  SequenceEmpty: 'sequences are not supported',
  ConcatFromSequence: 'sequences are not supported',
  SplitToSequence: 'sequences are not supported',
  StringNormalizer: 'strings are not supported',
  TfIdfVectorizer: 'strings are not supported',
};

const base = {
  domains: [],
  refuses,
  prefers: [],
  slow: {},
  avoids: [],
  fusesItself: ['Conv+BatchNormalization', 'Conv+activation', 'Conv+Add+activation', 'MatMul+Add', 'Attention'],
  int8: { default: explicit },
} as const;

/** Operators of the default domain that a version runs only from some release on, by the first that does. */
const sinceRelease: Readonly<Record<string, number>> = {
  RMSNormalization: 10.15,
  RotaryEmbedding: 10.15,
  Attention: 10.14,
  Swish: 11,
};

const runsIn =
  (release: number): TargetProfile['runs'] =>
  (domain, opType, version, dtype) => {
    if (domain !== '') return false;
    if (opType in refuses || dtype === 'string' || dtype === 'complex64' || dtype === 'complex128') return false;
    const since = sinceRelease[opType];
    if (since !== undefined) return release >= since;
    return version <= 25 ? undefined : false;
  };

/** Blocks of int4 around zero are the only ones it is documented to take. */
const weightOnly: TargetProfile['weightOnly'] = {
  form: 'DequantizeLinear',
  bits: [4],
  zeroPoints: false,
  negativeScales: false,
};

export const tensorrt86: TargetProfile = {
  ...base,
  name: 'tensorrt@8.6',
  summary: 'TensorRT 8.6: precision by builder flags, or by Q/DQ',
  opset: { min: 9, max: 17 },
  irVersion: 8,
  runs: runsIn(8.6),
  precisions: ['fp32', 'fp16', 'int8'],
};

export const tensorrt10: TargetProfile = {
  ...base,
  name: 'tensorrt@10',
  summary: 'TensorRT 10: strongly typed on request',
  opset: { min: 9, max: 22 },
  irVersion: 10,
  runs: runsIn(10),
  precisions: ['fp32', 'fp16', 'bf16', 'int8', 'fp8', 'int4'],
  halfPairs: true,
  weightOnly,
  fp8,
};

export const tensorrt11: TargetProfile = {
  ...base,
  name: 'tensorrt@11',
  summary: 'TensorRT 11: the types of the graph decide everything',
  opset: { min: 9, max: 25 },
  irVersion: 12,
  runs: runsIn(11),
  precisions: ['fp32', 'fp16', 'bf16', 'int8', 'fp8', 'int4'],
  halfPairs: true,
  weightOnly,
  fp8,
};
