import { type Diagnostic, DiagnosticError } from '../ir/diagnostic.js';
import { sixteenBitActivations } from '../passes/quantize/activation_bits.js';
import { int8Scheme, type QuantizationScheme, type TargetProfile } from '../passes/target_profile.js';

/** What of 8 bits is asked for. */
export type SchemeRequest = {
  /** Default `int8`. */
  readonly precision?: 'int8' | 'fp8' | undefined;
  /** int8 also where the target computes it without gain, to see what it answers. */
  readonly force?: boolean | undefined;
  readonly activationBits?: 8 | 16 | undefined;
};

/**
 * How a target quantizes what is asked for.
 * @throws DiagnosticError `usage/precision-not-offered`, `quantize/type-not-offered` for 16 bits.
 */
export function requestedScheme(target: TargetProfile, cpu: string, request: SchemeRequest): QuantizationScheme {
  const { precision = 'int8', force = false, activationBits = 8 } = request;
  const scheme =
    precision === 'fp8' ? target.fp8 : (int8Scheme(target, cpu) ?? (force ? target.forcedInt8 : undefined));
  if (scheme === undefined) throw notOffered(target, precision);
  if (activationBits === 8) return scheme;
  const wide = sixteenBitActivations(scheme);
  if (wide !== undefined) return wide;
  throw new DiagnosticError({
    code: 'quantize/type-not-offered',
    message: `${target.name} is not given activations of 16 bits beside ${precision} weights`,
    help: `It takes ${scheme.activationTypes.join(', ')}`,
  });
}

export const notOffered = (target: TargetProfile, precision: string): DiagnosticError =>
  new DiagnosticError({
    code: 'usage/precision-not-offered',
    message: `${target.name} is not given ${precision}`,
    help: precision === 'int8' && target.int8Refusal ? target.int8Refusal : `It takes ${target.precisions.join(', ')}`,
  });

/** What has to be said where int8 was insisted on. */
export const forcedDiagnostics = (target: TargetProfile, cpu: string, { precision }: SchemeRequest): Diagnostic[] =>
  precision === 'fp8' || int8Scheme(target, cpu) !== undefined
    ? []
    : [
        {
          code: 'quantize/runs-dequantized',
          severity: 'warning',
          message: `int8 was forced for ${target.name}: good to compare answers, slower than float`,
          ...(target.int8Refusal !== undefined && { help: target.int8Refusal }),
        },
      ];
