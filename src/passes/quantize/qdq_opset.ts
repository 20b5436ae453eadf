import { DiagnosticError } from '../../ir/diagnostic.js';
import type { QuantizationScheme, QuantizedType } from '../target_profile.js';

/** The opset in which QuantizeLinear has this type and a scale per channel. */
const standardSince: Readonly<Record<QuantizedType, number>> = {
  uint8: 13,
  int8: 13,
  uint16: 21,
  int16: 21,
  float8e4m3fn: 19,
};

/** The opset that pairs of a scheme and of further types want. */
export const qdqOpset = ({ activation, weight }: QuantizationScheme, types: Iterable<QuantizedType>): number =>
  Math.max(...[activation.dtype, weight.dtype, ...types].map((dtype) => standardSince[dtype]));

/**
 * The domain of the operators that quantize. In an opset that has no such ones, a target that runs com.microsoft
 * operators is given those, which mean the same.
 * @throws DiagnosticError `quantize/opset-too-old`.
 */
export function qdqDomain(opset: number, wanted: number, domains: readonly string[]): '' | 'com.microsoft' {
  if (opset >= wanted) return '';
  if (domains.includes('com.microsoft') && wanted !== standardSince.float8e4m3fn) return 'com.microsoft';
  throw new DiagnosticError({
    code: 'quantize/opset-too-old',
    message: `opset ${opset} has no such quantization, which came with opset ${wanted}`,
    help: `Export the model with opset ${wanted} or newer`,
  });
}
