import { describe, expect, it } from 'vitest';
import { outlierNetwork, unbalancedNetwork } from '../../bench/unbalanced_network.js';
import type { QuantizationOptions } from '../../src/int8/quantize_int8.js';
import type { Model } from '../../src/ir/graph.js';
import { encodeModel } from '../../src/ir/onnx/encode.js';
import { type OptimizeResult, optimize } from '../../src/optimize.js';
import { randomTensor } from '../build_model.js';

const samplesOf = (dims: readonly number[], seeds: readonly number[]) =>
  seeds.map((seed) => ({ x: randomTensor(dims, seed) }));

const [seen, unseen] = [
  [1, 2, 3, 4, 5, 6, 7, 8],
  [11, 12, 13, 14],
];

async function toInt8(model: Model, quantization: QuantizationOptions, target = 'ort-cpu'): Promise<OptimizeResult> {
  const shape = model.graph.inputs[0]!.type;
  const dims = shape?.kind === 'tensor' ? shape.shape!.map(Number) : [];
  return optimize({
    model,
    target,
    // Half the range, so that no kernel of any processor saturates and results are the same everywhere.
    cpu: 'avx2',
    precision: 'int8',
    calibration: { data: samplesOf(dims, seen) },
    quantization: { gate: 'none', ...quantization },
    check: { data: samplesOf(dims, unseen), tolerance: { minSqnr: 0, minCosine: 0 } },
  });
}

function sqnrOf({ check }: OptimizeResult): number {
  if (check.status !== 'passed') throw new Error(check.reason);
  return check.comparison.outputs[0]!.error.sqnr;
}

describe('equalize, before int8', () => {
  it.each(['ort-cpu', 'tensorrt@10'])('gives back what channels of unlike sizes lose, for %s', async (target) => {
    const model = unbalancedNetwork(12);
    const even = sqnrOf(await toInt8(unbalancedNetwork(0), {}, target));
    const plain = sqnrOf(await toInt8(model, {}, target));
    const equalized = sqnrOf(await toInt8(model, { equalize: true }, target));
    console.info(
      `${target}: even ${even.toFixed(1)} dB, spread ${plain.toFixed(1)}, equalized ${equalized.toFixed(1)}`,
    );
    expect(equalized).toBeGreaterThan(plain + 5);
    expect(equalized).toBeGreaterThan(even - 3);
  });

  it('gives the same bytes each time', async () => {
    const [once, twice] = [
      await toInt8(unbalancedNetwork(8), { equalize: true }),
      await toInt8(unbalancedNetwork(8), { equalize: true }),
    ];
    expect(Buffer.from(encodeModel(once.model)).equals(encodeModel(twice.model))).toBe(true);
  });

  it('leaves values alone whose range is given', async () => {
    const model = unbalancedNetwork(12);
    const [first] = [...model.graph.nodes].filter(({ opType }) => opType === 'Relu').slice(1);
    const given = { match: first!.outputs[0]!.name, range: { min: 0, max: 300 } };
    const { declines } = await toInt8(model, { equalize: true, tensors: [given] });
    expect(declines.map(({ reason }) => reason)).toContain(`the range of "${given.match}" is given`);
  });
});

describe('smooth, before int8', () => {
  it('wins back what a few large channels take from the others', async () => {
    const model = outlierNetwork(60);
    const plain = sqnrOf(await toInt8(model, {}));
    const smooth = sqnrOf(await toInt8(model, { smooth: true }));
    console.info(`outliers ${plain.toFixed(1)} dB, smooth ${smooth.toFixed(1)}`);
    expect(smooth).toBeGreaterThan(plain + 3);
  });

  it('multiplies in float where it may and nothing takes the factors up', async () => {
    const model = outlierNetwork(60, true);
    const { declines } = await toInt8(model, { smooth: true });
    expect(declines.map(({ reason }) => reason)).toContain('its input is read by Tanh as well');
    const result = await toInt8(model, { smooth: 0.5, insertMul: true });
    const mul = [...result.model.graph.nodes].find(({ provenance }) => provenance.includes('smooth-activations'));
    expect(mul!.inputs[0]!.name).toBe('normal');
    expect(mul!.inputs[0]!.producer!.opType).toBe('LayerNormalization');
    expect(sqnrOf(result)).toBeGreaterThan(sqnrOf(await toInt8(model, {})));
  });

  it.each<[string, Parameters<typeof optimize>[0]['calibration'], QuantizationOptions]>([
    ['quantize/no-calibration-data', {}, { smooth: true }],
    ['usage/conflicting-options', { ranges: new Map() }, { smooth: true }],
    ['usage/conflicting-options', { ranges: new Map() }, { equalize: true }],
    ['usage/smooth', {}, { smooth: 1.5 }],
  ])('refuses with %s', async (code, calibration, quantization) => {
    const request = optimize({ model: outlierNetwork(8), precision: 'int8', calibration: calibration!, quantization });
    await expect(request).rejects.toMatchObject({ diagnostic: { code } });
  });
});
