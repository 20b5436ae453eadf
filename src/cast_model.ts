import type { CastReport, HalfOptions } from './half/cast_to_half.js';
import { type OptimizeOptions, type OptimizeResult, optimize } from './optimize.js';

export type CastModelOptions = Omit<OptimizeOptions, 'precision' | 'quantization' | 'half'> &
  HalfOptions & { readonly to: 'fp16' | 'bf16' };

export type CastResult = OptimizeResult & { readonly cast: CastReport };

/**
 * Brings a model to float16 or bfloat16 where that keeps its answers, and compares the result with the original: what
 * `optimize` does with that precision.
 * @throws DiagnosticError `cast/…`, and what `optimize` throws; then nothing is written.
 */
export async function castModel(options: CastModelOptions): Promise<CastResult> {
  const { to, norms, keepIoTypes, include, exclude, plan, savePlan, headroom, maxError, maxEvaluations, ...rest } =
    options;
  const half = { norms, keepIoTypes, include, exclude, plan, savePlan, headroom, maxError, maxEvaluations };
  const given = Object.fromEntries(Object.entries(half).filter(([, value]) => value !== undefined)) as HalfOptions;
  const result = await optimize({ ...rest, precision: to, half: given });
  return { ...result, cast: result.cast! };
}
