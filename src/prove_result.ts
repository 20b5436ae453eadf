import { ortRunner } from './backends/ort/run.js';
import { ortCpu } from './backends/ort/target.js';
import { type Check, type CheckOptions, checkModel } from './evaluate/check.js';
import { type Tolerance, tolerances } from './evaluate/tolerance.js';
import { type CastReport, sqnrOfError } from './half/cast_to_half.js';
import type { Model } from './ir/graph.js';
import type { OptimizeOptions } from './optimize.js';
import type { TargetProfile } from './passes/target_profile.js';
import { checkedAs } from './requested_precision.js';

/** The samples of the check, of the calibration, or none, which makes some from the declared types. */
export function checkSamples({ check = {}, calibration }: OptimizeOptions): CheckOptions {
  const { limit: _calibrationLimit, ...samples } = calibration ?? {};
  const given = check === false ? {} : check;
  return given.data === undefined ? { ...samples, ...given } : given;
}

/** What follows from the precision, the bar of a search, and what was asked for. */
export function checkTolerance({ precision = 'fp32', check, quantization, half }: OptimizeOptions): Tolerance {
  const isInt8 = precision === 'int8' || precision === 'int8+fp16';
  const bar = half?.maxError !== undefined ? sqnrOfError(half.maxError) : isInt8 ? quantization?.minSqnr : undefined;
  const asked = check === undefined || check === false ? {} : check.tolerance;
  const isAsked = bar !== undefined || asked?.minSqnr !== undefined;
  return {
    ...tolerances[checkedAs(precision)],
    // A bar that was asked for is for small outputs as well.
    ...(isAsked && { small: undefined }),
    ...(bar !== undefined && { minSqnr: bar }),
    ...asked,
  };
}

/** What was searched for on samples is held to its bar on as many. */
export async function proveResult(
  original: Model,
  result: Model,
  target: TargetProfile,
  options: OptimizeOptions,
  searched: number | undefined,
  cast: CastReport | undefined,
): Promise<Check> {
  const { check, onProgress, precision = 'fp32' } = options;
  if (check === false) return { status: 'skipped', reason: 'the check was switched off' };
  onProgress?.stage?.('checking');
  const limit = check?.data === undefined && searched !== undefined ? { limit: searched } : {};
  const tolerance = checkTolerance(options);
  const settings = { ...limit, ...checkSamples(options), tolerance, onSample: onProgress?.sample };
  const runner = ortRunner({ worker: onProgress !== undefined });
  const half = cast && {
    ports: new Set([...cast.inputs, ...cast.outputs]),
    // Other targets have kernels that the one here does not.
    mustLoad: target.name === ortCpu.name,
  };
  return checkModel(original, result, checkedAs(precision), runner, settings, half);
}
