import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hostCpu } from '../../src/backends/ort/host.js';
import type { QuantizationOptions } from '../../src/int8/quantize_int8.js';
import { encodeModel } from '../../src/ir/onnx/encode.js';
import { optimize } from '../../src/optimize.js';
import { operatorsOf } from '../build_model.js';
import { fixture, runCli } from '../cli/run_cli.js';

const data = fixture('digits/calibration.mjs');

const toInt8 = (quantization: QuantizationOptions, cpu?: string, calibration: object = { data, limit: 4 }) =>
  optimize({
    model: fixture('digits/digits.onnx'),
    precision: 'int8',
    calibration,
    quantization,
    check: { data, limit: 1 },
    ...(cpu !== undefined && { cpu }),
  });

let folder: string;
beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'onnxopt-gate-'));
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

describe('the latency gate in the runtime', () => {
  it('decides as its measurements say, and its choice can be made again without them', async () => {
    const { model, quantization, diagnostics } = await toInt8({ gateSeconds: 2 });
    const { gate, floatNodes } = quantization!;
    expect(gate!.measurements.runs).toBeGreaterThan(40);
    expect(gate!.floatMilliseconds).toBeGreaterThan(0);
    expect(gate!.chosen === 'float').toBe(gate!.after === 1);
    expect(gate!.after).toBeLessThanOrEqual(Math.max(gate!.before * 1.005, 1));
    expect(operatorsOf(model).includes('QuantizeLinear')).toBe(gate!.chosen !== 'float');
    expect(diagnostics.some(({ code }) => code === 'quantize/no-gain')).toBe(gate!.chosen === 'float');
    for (const { kept, ratio } of gate!.regions)
      if (!kept && gate!.chosen !== 'float') expect(ratio).toBeGreaterThan(1);
    const again = await toInt8({ floats: floatNodes });
    expect(again.quantization!.gate).toBeUndefined();
    expect(encodeModel(again.model)).toEqual(encodeModel(model));
  });

  it('measures nothing where it is told not to, or cannot', async () => {
    const off = await toInt8({ gate: 'none' });
    expect(off.quantization).toMatchObject({ floatNodes: new Map() });
    expect(off.quantization!.gate).toBeUndefined();
    const other = hostCpu().kind === 'avx2' ? 'vnni' : 'avx2';
    expect((await toInt8({}, other)).quantization!.gate).toBeUndefined();
    const code = 'usage/gate-not-possible';
    await expect(toInt8({ gate: 'latency' }, other)).rejects.toMatchObject({ diagnostic: { code } });
    const ranges = { ranges: off.quantization!.ranges };
    expect((await toInt8({}, undefined, ranges)).quantization!.gate).toBeUndefined();
    await expect(toInt8({ gate: 'latency' }, undefined, ranges)).rejects.toMatchObject({ diagnostic: { code } });
  });

  it('refuses a saved choice that belongs to another model', async () => {
    const floats = new Map([['no such value', 'for a test']]);
    const code = 'quantize/override-matches-nothing';
    await expect(toInt8({ floats })).rejects.toMatchObject({ diagnostic: { code } });
  });

  it('saves its choice with --save-floats, and --floats gives the same file', () => {
    const at = (name: string) => path.join(folder, name);
    const base = ['optimize', fixture('digits/digits.onnx'), '--precision', 'int8', '--calibration-data', data];
    const flags = ['--calibration-limit', '4', '--no-check', '--cpu', hostCpu().kind];
    const gate = ['--gate', 'latency', '--gate-seconds', '1', '--save-floats', at('floats.json')];
    const timed = runCli([...base, ...flags, ...gate, '-o', at('timed.onnx')]);
    expect(timed.stderr).not.toContain('error');
    expect(timed.stdout).toMatch(/latency gate: .*of its float time/);
    const again = runCli([...base, ...flags, '--floats', at('floats.json'), '-o', at('again.onnx')]);
    expect(again.stdout).not.toContain('latency gate');
    expect(fs.readFileSync(at('again.onnx'))).toEqual(fs.readFileSync(at('timed.onnx')));
    fs.writeFileSync(at('bad.json'), '{}');
    expect(runCli([...base, ...flags, '--floats', at('bad.json'), '-o', at('never.onnx')]).stderr).toContain(
      'quantize/bad-floats-file',
    );
  });
});
