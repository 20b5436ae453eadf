import type { QuantizationScheme, TargetProfile } from '../../passes/target_profile.js';

/** Symmetric with zero point 0 on both sides; bias stays in float, activations are left to TensorRT's own fusions. */
const explicit: QuantizationScheme = {
  activation: { dtype: 'int8', symmetric: true },
  weight: { dtype: 'int8', perChannel: true, limit: 127 },
  bias: 'float',
  leaves: { depthwise: false, first: false, shorterSums: 16, fewerOutputs: 16 },
  roles: {
    Conv: 'compute-float-output',
    ConvTranspose: 'compute-float-output',
    Gemm: 'compute-float-output',
    MatMul: 'compute-float-output',
    MaxPool: 'move',
    Reshape: 'move',
    Transpose: 'move',
  },
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
};

export const tensorrt11: TargetProfile = {
  ...base,
  name: 'tensorrt@11',
  summary: 'TensorRT 11: the types of the graph decide everything',
  opset: { min: 9, max: 25 },
  irVersion: 12,
  runs: runsIn(11),
  precisions: ['fp32', 'fp16', 'bf16', 'int8', 'fp8', 'int4'],
};
