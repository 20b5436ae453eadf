import type { QuantizationScheme, QuantizedType } from '../target_profile.js';

const sixteenBits: Readonly<Partial<Record<QuantizedType, QuantizedType>>> = { uint8: 'uint16', int8: 'int16' };

/**
 * The scheme with activations of 16 bits in place of 8, and weights of full range, since no kernel adds such products in
 * 16 bits; undefined where the target does not take them.
 */
export function sixteenBitActivations(scheme: QuantizationScheme): QuantizationScheme | undefined {
  const { activation, activationTypes, weight } = scheme;
  const dtype = sixteenBits[activation.dtype];
  if (dtype === undefined || !activationTypes.includes(dtype)) return undefined;
  return {
    ...scheme,
    activation: { ...activation, dtype },
    ...(weight.dtype === 'int8' && { weight: { ...weight, limit: 127 } }),
  };
}
