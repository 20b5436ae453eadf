import { describe, expect, it } from 'vitest';
import {
  binnedValues,
  type Calibrator,
  expectedSquaredError,
  optimize,
  type QuantizationOptions,
} from '../../src/index.js';
import type { Model } from '../../src/ir/graph.js';
import { tensorData } from '../../src/ir/tensor.js';
import { basicBlock, noise } from '../passes/quantize/small_networks.js';

async function quantized(
  calibrator: Calibrator | 'minmax' | 'average' | 'moving-average',
  tensors?: QuantizationOptions['tensors'],
) {
  const model = basicBlock();
  const data = noise(model);
  return optimize({
    model,
    target: 'tensorrt@10',
    precision: 'int8',
    calibration: { data, calibrator },
    ...(tensors && { quantization: { tensors } }),
    check: false,
  });
}

function scaleOf(model: Model, name: string): number {
  const tensor = model.graph.values.get(`${name}_scale`)!.initializer!;
  return tensor.kind === 'dense' ? Number(tensorData(tensor)[0]) : Number.NaN;
}

/** Half of what was held. */
const half: Calibrator = ({ min, max }) => ({ min: min / 2, max: max / 2 });

describe("a calibrator of one's own", () => {
  it('decides about every range', async () => {
    const whole = await quantized('minmax');
    const halved = await quantized(half);
    for (const [name, { min, max }] of whole.quantization!.ranges) {
      expect(halved.quantization!.ranges.get(name)).toEqual({ min: min / 2, max: max / 2 });
    }
    expect(scaleOf(halved.model, 'x')).toBeCloseTo(scaleOf(whole.model, 'x') / 2, 8);
  });

  it('sees counts of every element and how they will be quantized', async () => {
    const seen: number[] = [];
    await quantized((statistics, activation) => {
      const { min, max, histogram } = statistics;
      const values = binnedValues(histogram, min, max);
      expect(activation).toMatchObject({ dtype: 'int8', symmetric: true });
      expect(expectedSquaredError(values, { min, max }, activation)).toBeGreaterThan(0);
      seen.push(values.total);
      return { min, max };
    });
    // Three samples of [1, 16, 8, 8].
    expect(new Set(seen)).toEqual(new Set([3072]));
  });

  it('counts for single values, by name or by what they are; the last one said counts', async () => {
    const whole = await quantized('minmax');
    const { model } = await quantized('minmax', [
      { match: 'x', calibrator: half },
      { match: ({ name }) => name.startsWith('relu'), calibrator: 'mse' },
      { match: 'relu1', calibrator: half },
    ]);
    expect(scaleOf(model, 'x')).toBeCloseTo(scaleOf(whole.model, 'x') / 2, 8);
    expect(scaleOf(model, 'relu1')).toBeCloseTo(scaleOf(whole.model, 'relu1') / 2, 8);
    expect(scaleOf(model, 'stem')).toBe(scaleOf(whole.model, 'stem'));
  });

  it('is refused where it gives no range', async () => {
    for (const range of [
      { min: 1, max: 0 },
      { min: 0, max: Number.NaN },
    ]) {
      await expect(quantized(() => range)).rejects.toThrow(
        /calibrate\/bad-calibrator: the calibrator gives \[.*\] for "x"/,
      );
    }
  });

  it('is refused for a value that is not there', async () => {
    await expect(quantized('minmax', [{ match: 'nothing', calibrator: half }])).rejects.toThrow(
      'quantize/override-matches-nothing: "nothing" names nothing',
    );
  });
});

it('takes moving-average for the mean of each sample, which no order of samples changes', async () => {
  const average = await quantized('average');
  expect((await quantized('moving-average')).quantization!.ranges).toEqual(average.quantization!.ranges);
});
