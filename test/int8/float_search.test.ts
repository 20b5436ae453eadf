import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { everyNth, loadDigits } from '../../fixtures/digits/digits_data.mjs';
import { encodeModel } from '../../src/ir/onnx/encode.js';
import { type OptimizeOptions, optimize } from '../../src/optimize.js';
import { fixture } from '../cli/run_cli.js';
import { detectionModel, imageSamples } from './detection_model.js';

const detector = (quantization: OptimizeOptions['quantization'], rest: Partial<OptimizeOptions> = {}) =>
  optimize({
    model: detectionModel(),
    precision: 'int8',
    cpu: 'vnni',
    calibration: { data: imageSamples(8) },
    quantization: { gate: 'none', ...quantization },
    ...rest,
  });

const images = everyNth(loadDigits('training'), 200).map(({ image }) => ({
  image: { data: image, dims: [1, 1, 28, 28], type: 'float32' as const },
}));

const digits = (quantization: OptimizeOptions['quantization'], rest: Partial<OptimizeOptions> = {}) =>
  optimize({
    model: fixture('digits/digits.onnx'),
    precision: 'int8',
    cpu: 'vnni',
    calibration: { data: images, limit: 16 },
    quantization: { gate: 'none', ...quantization },
    ...rest,
  });

const sqnrOf = ({ check }: Awaited<ReturnType<typeof optimize>>): number =>
  check.status === 'passed' ? Math.min(...check.comparison.outputs.map(({ error }) => error.sqnr)) : Number.NaN;

describe('the search for layers to leave in float', () => {
  it('finds the tail of a detector, whatever it is called', async () => {
    // One scale for pixels and probabilities leaves nothing of these: the check itself refuses it.
    await expect(detector(undefined)).rejects.toMatchObject({ diagnostic: { code: 'check/failed' } });
    const result = await detector({ minSqnr: 30 });
    const { search, eightBit, floats } = result.quantization!;
    expect(search!.layers.map(({ node }) => node)).toEqual(['to_corners']);
    expect(search!.steps.map(({ reached }) => reached)).toEqual([false, true]);
    expect(search!.steps[0]!.sqnr).toBeLessThan(5);
    expect(eightBit).toBe(4);
    expect(floats.find(({ node }) => node === 'to_corners')!.reason).toContain('accuracy');
    expect(sqnrOf(result)).toBeGreaterThan(30);
  });

  it('leaves nothing in float where all on 8 bits is true enough', async () => {
    const { quantization } = await digits({ minSqnr: 20, samples: 8 });
    expect(quantization!.search).toMatchObject({ layers: [], ranked: 0, steps: [{ reached: true }] });
  });

  it('reaches the bar that the check then holds the file to, within its measurements', async () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'onnxopt-search-'));
    try {
      const output = path.join(folder, 'out.onnx');
      const result = await digits({ minSqnr: 48, samples: 12, maxEvaluations: 8 }, { output });
      const { steps, layers, samples } = result.quantization!.search!;
      expect(samples).toBe(12);
      expect(steps.length).toBeLessThanOrEqual(8);
      expect(steps[0]).toMatchObject({ step: 'all on 8 bits', reached: false });
      expect(layers.length).toBeGreaterThan(0);
      expect(result.quantization!.eightBit).toBeGreaterThan(0);
      expect(result.check).toMatchObject({ status: 'passed', comparison: { samples: 12 } });
      expect(sqnrOf(result)).toBeGreaterThanOrEqual(48);
      expect(fs.existsSync(output)).toBe(true);
      const again = await digits({ minSqnr: 48, samples: 12, maxEvaluations: 8 });
      expect(encodeModel(again.model)).toEqual(encodeModel(result.model));
    } finally {
      fs.rmSync(folder, { recursive: true, force: true });
    }
  });

  it('says so where the bar is out of reach, and writes nothing', async () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'onnxopt-search-'));
    try {
      const output = path.join(folder, 'out.onnx');
      const search = digits({ minSqnr: 140, samples: 4 }, { output });
      await expect(search).rejects.toMatchObject({
        diagnostic: {
          code: 'quantize/accuracy-not-reached',
          message: expect.stringContaining('140 dB is not reached'),
        },
      });
      expect(fs.readdirSync(folder)).toEqual([]);
    } finally {
      fs.rmSync(folder, { recursive: true, force: true });
    }
  });

  it('stays within its measurements where they do not suffice', async () => {
    await expect(digits({ minSqnr: 48, samples: 4, maxEvaluations: 1 })).rejects.toMatchObject({
      diagnostic: { code: 'quantize/accuracy-not-reached', message: expect.stringContaining('1 models measured') },
    });
  });
});

describe('a largest drop of a metric', () => {
  const first = detectionModel();

  it('finds the layers that cost the metric', async () => {
    // The share of samples whose best class has a probability over a half: none in 8 bits, which give 0 or 2.5.
    const metric = (outputs: ReadonlyMap<string, { storage: { bytes(): Uint8Array } }>) => {
      const bytes = outputs.get('scores')!.storage.bytes().slice();
      const scores = new Float32Array(bytes.buffer);
      const inside = scores.filter((each) => each > 0.01 && each < 0.99).length;
      return inside / scores.length;
    };
    const result = await detector({ maxDrop: 0.02, metric }, { model: first });
    const { search } = result.quantization!;
    expect(search!.metric).toMatchObject({ name: 'metric' });
    expect(search!.metric!.float).toBeGreaterThan(0.5);
    expect(search!.steps[0]).toMatchObject({ reached: false, metric: 0 });
    expect(search!.steps.at(-1)!.metric).toBeGreaterThan(search!.metric!.float - 0.02);
    expect(search!.layers.map(({ node }) => node)).toEqual(['to_corners']);
  });

  it('counts labels that the samples bring, and refuses others in number', async () => {
    await expect(digits({ maxDrop: 0 })).rejects.toMatchObject({ diagnostic: { code: 'metric/no-labels' } });
    const data = everyNth(loadDigits('held-back'), 100).map(({ image, label }) => ({
      image: { data: image, dims: [1, 1, 28, 28], type: 'float32' as const },
      label,
    }));
    const { quantization } = await digits({ maxDrop: 0.02 }, { calibration: { data, limit: 8 } });
    expect(quantization!.search!).toMatchObject({ samples: data.length, metric: { name: 'top1' } });
    expect(quantization!.search!.metric!.float).toBeGreaterThan(0.9);
    await expect(
      digits({ maxDrop: 0.02, labels: [0, 1, 2] }, { calibration: { data, limit: 8 } }),
    ).rejects.toMatchObject({
      diagnostic: { code: 'data/wrong-labels' },
    });
  });

  it('means nothing in float', async () => {
    await expect(digits({ maxDrop: 0.1 }, { precision: 'fp32' })).rejects.toMatchObject({
      diagnostic: { code: 'usage/conflicting-options' },
    });
  });
});
