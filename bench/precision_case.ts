import type { Model } from '../src/ir/graph.js';
import type { HalfType } from '../src/ir/half_float.js';
import { encodeModel } from '../src/ir/onnx/encode.js';
import type { Inference } from '../src/ir/ops/inference/inference.js';
import { buildPrecisionPlan, type DecidedPlan } from '../src/passes/precision/build_precision_plan.js';
import { type Answers, asItRuns, openReference, rounded, weightsAlone } from './precision_answers.js';
import {
  type Conversion,
  convert,
  naiveCasts,
  observedRanges,
  precisionOptions,
  simplified,
} from './precision_conversion.js';
import type { PrecisionModel } from './precision_models.js';

/** One model in one half type, with everything that is promised about it measured. */
export type PrecisionCase = {
  readonly name: string;
  readonly half: HalfType;
  readonly float: Model;
  readonly conversion: Conversion;
  /** Plans a copy of `float` as it was planned. */
  decide(copy: Model, inference: Inference): DecidedPlan;
  /** Casts around every node that is kept: of the simplified model, and of the model as it came. */
  readonly naive: { readonly simplified: number; readonly asItCame: number };
  /** Of the encoded files. */
  readonly bytes: { readonly float: number; readonly half: number };
  /** undefined: ONNX Runtime does not load it, since it has no kernels for bfloat16. */
  readonly run: Answers | undefined;
  readonly rounded: Answers;
  /** Only where the answers are worse than `enough`. */
  readonly weights: Answers | undefined;
};

/** dB that answers are expected to have; for bfloat16 less than the 20 that `optimize` asks for, which refuses the rest. */
export const enough: Readonly<Record<HalfType, number>> = { float16: 30, bfloat16: 15 };

/**
 * Every output of 30 dB or more with float16 and 15 dB with bfloat16: 11 and 8 bits of significand, about 68 and 50 dB in
 * a single product, of which deep networks keep half or less. Some networks lose more by rounding their weights, computed in
 * float32 all the same; there at most 5 dB under that, since results are rounded twice, before and behind an activation,
 * for each rounding of a weight: 10·log10(3) dB. No element is NaN or infinite on one side only. A network of which rounded
 * weights alone leave less than 10 dB cannot be had in that type, and nothing is expected of its answers.
 */
export function shortfall({ half, rounded: { sqnr }, weights }: PrecisionCase): number {
  if (weights !== undefined && weights.sqnr < hopeless) return 0;
  return Math.min(enough[half], (weights?.sqnr ?? Number.POSITIVE_INFINITY) - 5) - sqnr;
}

/** dB. */
const hopeless = 10;

const unbounded = { absolute: Number.POSITIVE_INFINITY, relative: 0, discrete: 1 };

export async function precisionCase(
  { name, load, samples }: PrecisionModel,
  half: HalfType,
  { calibrated = false }: { readonly calibrated?: boolean } = {},
): Promise<PrecisionCase> {
  const original = load();
  const reference = await openReference(original, samples);
  try {
    const float = await simplified(original, half);
    const ranges = calibrated ? await observedRanges(float, reference.source) : undefined;
    const options = { ...precisionOptions(half), ...(ranges && { ranges }) };
    const decide = (copy: Model, inference: Inference) => buildPrecisionPlan(copy, inference, options);
    const conversion = await convert(float, half, decide);
    const { model } = conversion;
    const spelled = await rounded(reference, model, unbounded);
    return {
      name,
      half,
      float,
      conversion,
      decide,
      naive: { simplified: await naiveCasts(float, half, ranges), asItCame: await naiveCasts(original, half) },
      bytes: { float: encodeModel(float).length, half: encodeModel(model).length },
      run: half === 'float16' ? await asItRuns(reference, model, unbounded) : undefined,
      rounded: spelled,
      weights: spelled.sqnr < enough[half] ? await weightsAlone(reference, float, half, unbounded) : undefined,
    };
  } finally {
    await reference.running.close();
  }
}
