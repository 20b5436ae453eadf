import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { everyNth, loadDigits } from '../../fixtures/digits/digits_data.mjs';
import { parseDrop } from '../../src/cli/accuracy_options.js';
import { fixture, runCli } from './run_cli.js';

let folder: string;
beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'onnxopt-analyze-'));
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

const model = fixture('digits/digits.onnx');
const data = ['--calibration-data', fixture('digits/calibration.mjs'), '--calibration-limit', '8'];

/** Labels of the samples of the calibration module, in their order. */
function labelled(): { labels: string; samples: string } {
  const digits = everyNth(loadDigits('training'), 35);
  const labels = path.join(folder, 'labels.txt');
  fs.writeFileSync(labels, `${digits.map(({ label }) => label).join('\n')}\n`);
  return { labels, samples: fixture('digits/calibration.mjs') };
}

describe('onnxopt quantize --analyze', () => {
  it('prints a table of layers, the worst first, and writes nothing', () => {
    const { code, stdout, stderr } = runCli(['quantize', model, '--analyze', ...data, '--analyze-samples', '4']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const lines = stdout.split('\n');
    expect(lines[0]).toMatch(/^layer\s+operator\s+operations\s+SQNR dB\s+worst output/);
    expect(stdout).toMatch(/all together .*logits/);
    expect(stdout).toContain('each alone on 8 bits, on 4 samples');
  });

  it('prints JSON, with the metric where labels are given', () => {
    const { labels, samples } = labelled();
    const { code, stdout } = runCli([
      'quantize',
      model,
      '--analyze',
      '--calibration-data',
      samples,
      '--labels',
      labels,
      '--json',
      '--cpu',
      'vnni',
    ]);
    expect(code).toBe(0);
    const report = JSON.parse(stdout);
    expect(report).toMatchObject({ input: model, cpu: 'vnni', target: 'ort-cpu', metric: { name: 'top1' } });
    expect(report.metric.float).toBeGreaterThan(0.9);
    expect(report.layers.length).toBeGreaterThan(4);
    for (const layer of report.layers) {
      expect(layer.outputs).toHaveLength(1);
      expect(layer.drop).toBeCloseTo(report.metric.float - layer.metric, 12);
    }
  });

  it('says what goes with it, and what it needs', () => {
    expect(runCli(['quantize', model, '--analyze', '--weights', '4', '-o', 'x.onnx'])).toMatchObject({ code: 2 });
    const output = runCli(['quantize', model, '--analyze', ...data, '-o', path.join(folder, 'x.onnx')]);
    expect(output).toMatchObject({ code: 2, stderr: expect.stringContaining('--output means nothing with --analyze') });
    const calibrator = runCli(['quantize', model, '--weights', '4', '--calibrator', 'mse', '-o', 'x.onnx']);
    expect(calibrator.stderr).toContain('--calibrator means nothing with --weights');
    const missing = runCli(['quantize', model, '--weights', '4']);
    expect(missing).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("required option '-o, --output <file>'"),
    });
    expect(runCli(['quantize', model, '--analyze']).stderr).toContain('quantize/no-calibration-data');
    fs.writeFileSync(path.join(folder, 'three.txt'), '1\n2\n3\n');
    const { samples } = labelled();
    const three = ['--calibration-data', samples, '--labels', path.join(folder, 'three.txt')];
    expect(runCli(['quantize', model, '--analyze', ...three]).stderr).toContain('data/wrong-labels');
  });
});

describe('onnxopt optimize --precision int8', () => {
  const int8 = ['optimize', model, '--precision', 'int8', '--cpu', 'vnni', '--gate', 'none'];

  it('searches for layers to leave in float with --min-sqnr, and says which', () => {
    const output = path.join(folder, 'out.onnx');
    const search = [...data, '--min-sqnr', '48', '--search-samples', '8', '--report'];
    const { code, stdout } = runCli([...int8, '-o', output, ...search]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/accuracy: \d+ layers left in float, found with \d+ models measured on 8 samples/);
    expect(stdout).toMatch(/all on 8 bits\s+0\s+0\.0 %\s+4\d\.\d\s+no/);
    expect(fs.existsSync(output)).toBe(true);
    const config = path.join(folder, 'onnxopt.config.mjs');
    fs.writeFileSync(config, 'export default { quantization: { minSqnr: 200, maxEvaluations: 3, samples: 2 } };');
    const refused = runCli([...int8, '-o', path.join(folder, 'none.onnx'), ...data, '--config', config]);
    expect(refused).toMatchObject({ code: 3, stderr: expect.stringContaining('quantize/accuracy-not-reached') });
    expect(fs.existsSync(path.join(folder, 'none.onnx'))).toBe(false);
  });

  it('takes a largest drop in percentage points or as a fraction', () => {
    expect(parseDrop('0.5%')).toBeCloseTo(0.005, 12);
    expect(parseDrop('0.005')).toBe(0.005);
    expect(() => parseDrop('-1')).toThrow('0 or more');
    expect(() => parseDrop('%')).toThrow();
    const { labels, samples } = labelled();
    const search = ['--calibration-data', samples, '--labels', labels, '--max-drop', '1%', '--json'];
    const { code, stdout } = runCli([...int8, '-o', path.join(folder, 'drop.onnx'), ...search]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout).quantization.search).toMatchObject({ metric: { name: 'top1' }, samples: 200 });
  });
});
