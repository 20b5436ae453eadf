import type { QuantizationOptions } from '../src/int8/quantize_int8.js';
import { floatTensor } from '../src/ir/tensor.js';
import { type OptimizeOptions, optimize } from '../src/optimize.js';
import { uniformNumbers } from './decoder_model.js';
import type { Bench, Measurement } from './measurement.js';
import { detector, digits, recognizer } from './models.js';
import { outlierNetwork, unbalancedNetwork } from './unbalanced_network.js';

type Case = { readonly name: string } & Pick<OptimizeOptions, 'model' | 'calibration' | 'check'>;

/** What rewriting the float model first wins or loses in 8 bits, each rewrite on its own. */
export const floatRewritesBench: Bench = {
  name: 'float-rewrites',
  summary:
    'SQNR of int8 against float, plain and with the float model rewritten first, on other samples than calibrated',
  async run({ smoke }) {
    const made: Case[] = [
      { name: 'channels of 2^±6', model: unbalancedNetwork(12), ...numbers([1, 3, 16, 16]) },
      { name: 'the same, balanced', model: unbalancedNetwork(0), ...numbers([1, 3, 16, 16]) },
      { name: 'six of 96 channels 60 times as large', model: outlierNetwork(60), ...numbers([8, 96]) },
      { name: 'the same, even', model: outlierNetwork(1), ...numbers([8, 96]) },
    ];
    const real = (smoke ? [digits] : [digits, recognizer, detector]).map(({ name, file, calibration, image }) => {
      const reading = { data: calibration, limit: 32, ...(image && { image }) };
      return { name, model: file, calibration: reading, check: reading };
    });
    const measurements: Measurement[] = [];
    for (const each of [...made, ...real]) {
      for (const [label, quantization] of rewrites) {
        measurements.push({ what: `${each.name}: ${label}`, value: await sqnr(each, quantization), unit: 'dB' });
      }
    }
    return measurements;
  },
};

const rewrites: readonly (readonly [string, QuantizationOptions])[] = [
  ['plain', {}],
  ['--equalize', { equalize: true }],
  ['--smooth', { smooth: true }],
];

function numbers(dims: readonly number[]): Pick<Case, 'calibration' | 'check'> {
  const uniform = uniformNumbers(17);
  const count = dims.reduce((product, dim) => product * dim, 1);
  const sample = () => ({
    x: floatTensor(
      Float32Array.from({ length: count }, () => 2 * uniform() - 1),
      dims,
    ),
  });
  const samples = (length: number) => Array.from({ length }, sample);
  return { calibration: { data: samples(64) }, check: { data: samples(4) } };
}

async function sqnr({ name, check, ...rest }: Case, quantization: QuantizationOptions): Promise<number> {
  const tolerance = { minSqnr: 0, minCosine: 0 };
  const options = {
    ...rest,
    precision: 'int8',
    quantization: { gate: 'none', ...quantization },
    check: { ...check, tolerance },
  } as const;
  const result = await optimize(options);
  if (result.check.status !== 'passed') throw new Error(`${name} was not compared: ${result.check.reason}`);
  return Math.min(...result.check.comparison.outputs.map(({ error }) => error.sqnr));
}
