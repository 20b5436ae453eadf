import { hostCpu } from './backends/ort/host.js';
import type { tolerances } from './evaluate/tolerance.js';
import type { HalfOptions } from './half/cast_to_half.js';
import type { QuantizationOptions } from './int8/quantize_int8.js';
import { forcedDiagnostics, notOffered, requestedScheme } from './int8/requested_scheme.js';
import { type Diagnostic, DiagnosticError } from './ir/diagnostic.js';
import { type Model, opsetVersion } from './ir/graph.js';
import { convertOpset, opsetObstacles } from './passes/legalize/convert_opset.js';
import type { PipelineStep } from './passes/pipeline.js';
import type { TargetProfile } from './passes/target_profile.js';

/** What a model is brought to. `int8+fp16`: 8 bits where they go, and float16 where they do not. */
export type Precision = 'fp32' | 'int8' | 'fp8' | 'fp16' | 'bf16' | 'int8+fp16';

type Request = {
  readonly precision?: Precision;
  readonly cpu?: string;
  readonly force?: boolean;
  readonly quantization?: QuantizationOptions;
  readonly half?: HalfOptions;
};

export const eightBitsOf = (precision: Precision): 'int8' | 'fp8' | undefined =>
  precision === 'int8+fp16' ? 'int8' : precision === 'int8' || precision === 'fp8' ? precision : undefined;

export const halfOf = (precision: Precision): 'fp16' | 'bf16' | undefined =>
  precision === 'int8+fp16' ? 'fp16' : precision === 'fp16' || precision === 'bf16' ? precision : undefined;

/** By whose tolerance the result is checked: the coarser of two. */
export const checkedAs = (precision: Precision): keyof typeof tolerances =>
  precision === 'int8+fp16' ? 'int8' : precision;

/**
 * What is to be said about a precision that was insisted on.
 * @throws DiagnosticError `usage/conflicting-options`, `usage/precision-not-offered`, `usage/format-not-offered`,
 * `quantize/type-not-offered`.
 */
export function requirePrecision(target: TargetProfile, request: Request): Diagnostic[] {
  const { precision = 'fp32' } = request;
  const eightBits = eightBitsOf(precision);
  requireSense(precision, request);
  const half = halfOf(precision);
  if (half !== undefined && !target.precisions.includes(half)) throw notOffered(target, half);
  if (eightBits === undefined) return [];
  const cpu = request.cpu ?? hostCpu().kind;
  const { force, quantization } = request;
  const asked = { precision: eightBits, force, activationBits: quantization?.activationBits };
  requestedScheme(target, cpu, asked);
  if (half !== undefined) requireMixed(target);
  requireFormat(target, request);
  return forcedDiagnostics(target, cpu, asked);
}

function requireSense(precision: Precision, { quantization, half }: Request): void {
  const conflict = (message: string, help: string): DiagnosticError =>
    new DiagnosticError({ code: 'usage/conflicting-options', message, help });
  if (eightBitsOf(precision) === undefined && quantization?.maxDrop !== undefined) {
    throw conflict(
      `a largest drop (--max-drop) means nothing with ${precision}`,
      'It says which layers stay in float where others run on 8 bits: give --precision int8',
    );
  }
  const asked = Object.entries(half ?? {}).find(([, value]) => value !== undefined)?.[0];
  if (halfOf(precision) === undefined && asked !== undefined) {
    throw conflict(`${asked} means nothing with ${precision}`, 'It is about 16-bit floats: ask for fp16 or bf16');
  }
  if (precision === 'int8+fp16' && quantization?.format === 'qoperator') {
    throw conflict('operators on integers have float32 around them', 'Leave the format qdq');
  }
}

/** The opset in which QuantizeLinear and DequantizeLinear took float16. */
const halfPairsOpset = 19;

function requireMixed(target: TargetProfile): void {
  if (target.halfPairs === true && target.opset.max >= halfPairsOpset) return;
  throw new DiagnosticError({
    code: 'usage/precision-not-offered',
    message: `${target.name} does not run layers on 8 bits between float16 ones`,
    help: 'Give int8, or fp16',
  });
}

function requireFormat(target: TargetProfile, { precision = 'fp32', quantization }: Request): void {
  const refusal = target.refuses['QLinearConv'];
  if (eightBitsOf(precision) !== 'int8' || quantization?.format !== 'qoperator' || refusal === undefined) return;
  throw new DiagnosticError({
    code: 'usage/format-not-offered',
    message: `${target.name} is not given operators on integers: ${refusal}`,
    help: 'Leave the format qdq',
  });
}

/** Conv and others take bfloat16 from there on. */
const bfloat16Opset = 22;

/** Raises the opset where 16-bit types need it, as far as the target loads it and the model can be said in it. */
export function opsetSteps(model: Model, target: TargetProfile, precision: Precision): PipelineStep[] {
  const needed = precision === 'bf16' ? bfloat16Opset : precision === 'int8+fp16' ? halfPairsOpset : 0;
  const wanted = Math.min(needed, target.opset.max);
  if (wanted <= (opsetVersion(model.graph, '') ?? wanted) || opsetObstacles(model, wanted).length > 0) return [];
  return [{ pass: convertOpset(wanted), reason: '16-bit floats are in more operators there' }];
}
