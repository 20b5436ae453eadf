import { DiagnosticError } from '../ir/diagnostic.js';
import { latestOpset } from '../ir/ops/operator_schema.js';
import type { QuantizationScheme, TargetProfile } from '../passes/target_profile.js';
import { ortCpu, ortCuda } from './ort/target.js';
import { tensorrt10, tensorrt11, tensorrt86 } from './tensorrt/target.js';

/** Symmetric int8 that any runtime of standard Q/DQ pairs reads. */
const standard: QuantizationScheme = {
  activation: { dtype: 'int8', symmetric: true },
  activationTypes: ['int8'],
  weight: { dtype: 'int8', perChannel: true, limit: 127 },
  bias: 'float',
  leaves: { depthwise: false, first: false, shorterSums: 0, fewerOutputs: 0 },
  roles: {
    Conv: 'compute-float-output',
    ConvTranspose: 'compute-float-output',
    Gemm: 'compute-float-output',
    MatMul: 'compute-float-output',
  },
};

/** Standard operators only, for a runtime nobody has named. */
const portable: TargetProfile = {
  name: 'portable',
  summary: 'standard ONNX operators only, for any runtime',
  opset: { min: 1, max: latestOpset('') ?? 26 },
  irVersion: 14,
  domains: ['ai.onnx.ml'],
  runs: (domain) => (domain === '' || domain === 'ai.onnx.ml' ? undefined : false),
  refuses: {},
  prefers: [],
  slow: {},
  avoids: [],
  fusesItself: [],
  precisions: ['fp32', 'fp16', 'bf16', 'int8'],
  halfPairs: true,
  weightOnly: { form: 'DequantizeLinear', bits: [4, 8], zeroPoints: true, negativeScales: false },
  dynamicInt8: 'MatMulInteger',
  int8: { default: standard },
};

export const targets: readonly TargetProfile[] = [portable, ortCpu, ortCuda, tensorrt86, tensorrt10, tensorrt11];

/** @throws DiagnosticError `usage/unknown-target`. */
export function findTarget(name: string): TargetProfile {
  const target = targets.find((each) => each.name === name);
  if (target !== undefined) return target;
  throw new DiagnosticError({
    code: 'usage/unknown-target',
    message: `there is no target "${name}"`,
    help: `Targets: ${targets.map((each) => each.name).join(', ')}`,
  });
}
