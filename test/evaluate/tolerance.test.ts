import { expect, it } from 'vitest';
import { ErrorAccumulator, type OutputError } from '../../src/evaluate/output_error.js';
import { tolerances, toleranceViolation } from '../../src/evaluate/tolerance.js';
import { floatTensor } from '../../src/ir/tensor.js';

function errorOf(reference: readonly number[], candidate: readonly number[]): OutputError {
  const errors = new ErrorAccumulator();
  errors.add(floatTensor(reference), floatTensor(candidate));
  return errors.result();
}

it('outputs of float16 are held to 30 dB, and to 20 dB where they are smaller than its normal numbers', () => {
  const numbers = [1, 2, 3, 4];
  const off = (size: number, share: number) =>
    errorOf(
      numbers.map((n) => n * size),
      numbers.map((n, at) => n * size * (at % 2 === 0 ? 1 + share : 1 - share)),
    );
  // 26 dB
  expect(toleranceViolation(off(1, 0.05), tolerances.fp16)).toBe('SQNR 26.0 dB is under 30 dB');
  expect(toleranceViolation(off(1e-5, 0.05), tolerances.fp16)).toBeUndefined();
  expect(toleranceViolation(off(1e-5, 0.2), tolerances.fp16)).toBe('SQNR 14.0 dB is under 20 dB');
  expect(toleranceViolation(off(1, 0.02), tolerances.fp16)).toBeUndefined();
});

it('a few steps of float16 are no error, and NaN or infinity always is', () => {
  const step = 2 ** -24;
  expect(toleranceViolation(errorOf([step], [4 * step]), tolerances.fp16)).toBeUndefined();
  expect(toleranceViolation(errorOf([100 * step], [150 * step]), tolerances.fp16)).toContain('dB is under 20 dB');
  for (const odd of [Number.NaN, Number.POSITIVE_INFINITY]) {
    for (const precision of ['fp16', 'bf16'] as const) {
      expect(toleranceViolation(errorOf([1, 2], [1, odd]), tolerances[precision])).toContain('on one side only');
    }
  }
});

it('outputs of bfloat16 are held to 20 dB', () => {
  expect(toleranceViolation(errorOf([1, 1], [1.05, 1]), tolerances.bf16)).toBeUndefined();
  expect(toleranceViolation(errorOf([1, 1], [1.2, 1]), tolerances.bf16)).toBe('SQNR 17.0 dB is under 20 dB');
});
