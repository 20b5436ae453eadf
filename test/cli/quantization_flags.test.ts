import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { QuantizationReport } from '../../src/int8/quantize_int8.js';
import { loadModel } from '../../src/ir/onnx/files.js';
import { tensorData } from '../../src/ir/tensor.js';
import { operatorsOf } from '../build_model.js';
import { fixture, runCli } from './run_cli.js';

let folder: string;
beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'onnxopt-flags-'));
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

const optimize = (...flags: readonly string[]) => {
  const output = path.join(folder, 'out.onnx');
  const data = ['--calibration-data', fixture('digits/calibration.mjs'), '--calibration-limit', '8', '--gate', 'none'];
  const base = ['optimize', fixture('digits/digits.onnx'), '-o', output, '--precision', 'int8', '--cpu', 'avx2'];
  const { code, stdout, stderr } = runCli([...base, ...data, '--json', ...flags]);
  const report: { quantization: Omit<QuantizationReport, 'ranges'> } | undefined =
    code === 0 ? JSON.parse(stdout) : undefined;
  return { code, stderr, report, model: code === 0 ? loadModel(output) : undefined };
};

describe('onnxopt optimize --precision int8', () => {
  it('takes names of nodes to exclude, and to include', () => {
    const all = optimize().report!.quantization;
    const without = optimize('--exclude', '*Conv*').report!.quantization;
    expect(without.eightBit).toBeLessThan(all.eightBit);
    expect(without.floats.map(({ reason }) => reason)).toContain('excluded by name');
    const first = all.floats.find(({ reason }) => reason.includes('input of the model'))!;
    const only = optimize('--include', first.node).report!.quantization;
    expect(only.floats.map(({ node }) => node)).not.toContain(first.node);
    expect(only.floats.map(({ reason }) => reason)).toContain('not among the nodes asked for');
  });

  it('refuses a name that matches nothing', () => {
    const { code, stderr } = optimize('--exclude', 'no such node');
    expect(code).toBe(1);
    expect(stderr).toContain('quantize/override-matches-nothing: "no such node" names nothing');
  });

  it('takes ranges of values, and values to leave in float', () => {
    const first = optimize().report!.quantization.floats.find(({ reason }) => reason.includes('input of the model'))!;
    const { model } = optimize('--include', first.node, '--tensor-range', 'image=0:2.55');
    const scale = model!.graph.values.get('image_scale')!.initializer!;
    expect(scale.kind === 'dense' && Number(tensorData(scale)[0])).toBeCloseTo(0.01, 6);
    const skipped = optimize('--include', first.node, '--float-tensor', 'image').report!.quantization;
    expect(skipped.floats).toContainEqual({ node: first.node, reason: 'its input is to stay in float' });
    expect(optimize('--tensor-range', 'image=2:1')).toMatchObject({ code: 2 });
    expect(optimize('--tensor-range', 'image')).toMatchObject({ code: 2 });
  });

  it('takes --activation-bits 16, --precision fp8 and a forced target, and says what that means', () => {
    const types = (...flags: string[]) => {
      const { model, stderr } = optimize('--calibrator', 'moving-average', ...flags);
      const zeros = [...model!.graph.nodes].flatMap(({ opType, inputs }) =>
        opType === 'QuantizeLinear' ? [inputs[2]!.initializer!.dtype] : [],
      );
      return { types: [...new Set(zeros)], stderr };
    };
    expect(types().types).toEqual(['uint8']);
    expect(types('--activation-bits', '16').types).toEqual(['uint16']);
    expect(types('--precision', 'fp8', '--target', 'tensorrt@11').types).toEqual(['float8e4m3fn']);
    expect(types('--target', 'ort-cuda', '--force').types).toEqual(['int8']);
    expect(optimize('--target', 'ort-cuda')).toMatchObject({ code: 2 });
    expect(optimize('--precision', 'fp8').stderr).toMatch(
      /^error usage\/precision-not-offered: ort-cpu is not given fp8/,
    );
    expect(optimize('--activation-bits', '16', '--target', 'tensorrt@10').stderr).toMatch(
      /^error quantize\/type-not-offered: tensorrt@10 is not given activations of 16 bits/,
    );
  });

  it('writes operators on integers with --format qoperator', () => {
    expect(operatorsOf(optimize('--format', 'qoperator').model!)).toContain('QLinearConv');
    expect(operatorsOf(optimize('--format', 'qdq').model!)).not.toContain('QLinearConv');
    expect(optimize('--format', 'qoperator', '--target', 'tensorrt@10')).toMatchObject({ code: 2 });
  });

  it('rewrites the float model first with --equalize and --smooth', () => {
    const fired = (...flags: readonly string[]) => {
      const output = path.join(folder, 'rewritten.onnx');
      const data = ['--calibration-data', fixture('digits/calibration.mjs'), '--calibration-limit', '8'];
      const base = ['optimize', fixture('digits/digits.onnx'), '-o', output, '--precision', 'int8', '--cpu', 'avx2'];
      return runCli([...base, ...data, '--gate', 'none', '--report', ...flags]).stdout;
    };
    expect(fired()).not.toMatch(/equalize-layers|smooth-activations/);
    expect(fired('--equalize')).toMatch(/equalize-layers +\d/);
    expect(fired('--smooth', '0.25')).toMatch(/smooth-activations +\d/);
    expect(optimize('--smooth', '2')).toMatchObject({ code: 2 });
  });

  it('finds weights and biases on the samples where asked', () => {
    const flags = ['--weight-scales', 'mse', '--rounding', 'learned', '--correct-bias'];
    const { weights } = optimize(...flags).report!.quantization;
    expect(weights!.corrected).toBeGreaterThan(3);
    expect(weights!.rounded.length).toBeGreaterThan(3);
    for (const { error } of weights!.rounded) expect(error).toBeLessThan(1);
    expect(optimize('--rounding', 'up')).toMatchObject({ code: 2 });
    expect(optimize('--weight-scales', 'max')).toMatchObject({ code: 2 });
  });

  it('takes the same from a configuration', () => {
    const config = path.join(folder, 'onnxopt.config.mjs');
    fs.writeFileSync(
      config,
      `export default { quantization: { format: 'qoperator', weightScales: 'mse', rounding: 'nearest', correctBias: false, exclude: [(node) => node.opType === 'Gemm'],
         tensors: [{ match: 'image', range: { min: 0, max: 1 } }] } };`,
    );
    const { report, model } = optimize('--config', config);
    expect(report!.quantization.eightBit).toBeGreaterThan(0);
    expect(operatorsOf(model!)).toContain('QLinearConv');
    fs.writeFileSync(config, 'export default { quantization: { tensors: [{ range: { min: 0, max: 1 } }] } };');
    expect(optimize('--config', config).stderr).toContain('config/invalid');
  });
});
