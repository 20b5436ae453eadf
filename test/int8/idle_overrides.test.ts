import { describe, expect, it } from 'vitest';
import { optimize } from '../../src/optimize.js';
import type { TensorOverride } from '../../src/passes/quantize/selection.js';
import { fixture } from '../cli/run_cli.js';

const warningsFor = async (tensors: readonly TensorOverride[]): Promise<string[]> => {
  const { diagnostics } = await optimize({
    model: fixture('digits/digits.onnx'),
    precision: 'int8',
    cpu: 'vnni',
    calibration: { data: fixture('digits/calibration.mjs'), limit: 2 },
    quantization: { gate: 'none', correctBias: false, tensors },
    check: false,
  });
  return diagnostics.flatMap(({ code, message }) =>
    code === 'quantize/override-without-effect' ? [message.replace(/ stay.*/, '')] : [],
  );
};

describe('what is said about single values', () => {
  it('is told to have no effect where they stay in float', async () => {
    expect(await warningsFor([{ match: 'image', range: { min: 0, max: 1 } }])).toEqual(['"image"']);
  });

  it('is taken as it is where one of them gets a pair', async () => {
    expect(await warningsFor([{ match: '*', dtype: 'uint8' }])).toEqual([]);
  });

  it('may be that they stay in float', async () => {
    expect(await warningsFor([{ match: 'image', skip: true }])).toEqual([]);
  });
});
