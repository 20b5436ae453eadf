import { DiagnosticError } from '../../ir/diagnostic.js';
import type { QuantizationScheme } from '../target_profile.js';
import { type ExistingPair, onlyRounds } from './existing_pairs.js';
import type { Selection } from './selection.js';

/** @throws DiagnosticError `quantize/type-not-offered`: the target does not take a type that was asked for. */
export function requireTypes({ types }: Selection, { activationTypes }: QuantizationScheme): void {
  for (const [value, dtype] of types) {
    if (activationTypes.includes(dtype)) continue;
    throw new DiagnosticError({
      code: 'quantize/type-not-offered',
      message: `"${value.name}" cannot be ${dtype}: the target does not take such activations`,
      help: `It takes ${activationTypes.join(', ')}`,
    });
  }
}

/** @throws DiagnosticError `quantize/pair-keeps-type`: a pair that the model brought along has another type. */
export function requireOwnType({ value, parameters }: ExistingPair, { types }: Selection): void {
  const asked = types.get(value);
  if (asked === undefined || asked === parameters?.dtype) return;
  throw new DiagnosticError({
    code: 'quantize/pair-keeps-type',
    message: `the model quantizes "${value.name}" itself, and its pair keeps its type`,
    help: 'Leave the type out, or take the pair out of the model',
  });
}

/** @throws DiagnosticError `quantize/pair-cuts-off`: taking the pair away would take an activation away. */
export function requireRounding(pair: ExistingPair): void {
  if (onlyRounds(pair)) return;
  throw new DiagnosticError({
    code: 'quantize/pair-cuts-off',
    message: `the pair of "${pair.value.name}" cuts off at 0, which may stand for an activation`,
    help: 'It cannot be taken away; leave the tensor out of those that are to stay in float',
  });
}
