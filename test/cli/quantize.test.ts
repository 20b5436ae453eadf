import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadModel, saveModel } from '../../src/ir/onnx/files.js';
import { ModelBuilder, operatorsOf, randomTensor } from '../build_model.js';
import { runCli } from './run_cli.js';

let folder: string;
const at = (name: string) => path.join(folder, name);

beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'onnxopt-quantize-'));
  const b = new ModelBuilder(17);
  const x = b.op('Relu', [b.op('MatMul', [b.input('x', ['N', 64]), b.constant('w1', randomTensor([64, 128], 3))])]);
  b.output(b.op('MatMul', [x, b.constant('w2', randomTensor([128, 4], 4))]), 'y', 'float', 2);
  saveModel(b.build(), at('model.onnx'));
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

const quantize = (...args: readonly string[]) => runCli(['quantize', at('model.onnx'), ...args]);

describe('onnxopt quantize', () => {
  it('writes weights in blocks and says what it did and what stayed', () => {
    const output = at('blocks.onnx');
    const { code, stdout } = quantize('-o', output, '--weights', '4', '--block-size', '64', '--asymmetric');
    expect(code).toBe(0);
    expect(stdout).toContain('1 layer has quantized weights, 1 left in float');
    expect(stdout).toContain('float: 1 × fewer than 1024 weights');
    expect(stdout).toContain('checked against the original');
    expect(operatorsOf(loadModel(output))).toEqual(['MatMulNBits', 'Relu', 'MatMul']);
    const node = [...loadModel(output).graph.nodes][0]!;
    expect(node.attributes.get('block_size')).toMatchObject({ value: 64n });
    expect(node.inputs).toHaveLength(4);
  });

  it('prints the same as JSON', () => {
    const { stdout } = quantize('-o', at('json.onnx'), '--weights', '8', '--json');
    expect(JSON.parse(stdout)).toMatchObject({
      output: at('json.onnx'),
      weights: { scheme: { kind: 'blocks', bits: 8 }, layers: 1, floats: [{ reason: 'fewer than 1024 weights' }] },
      check: { status: 'passed' },
    });
  });

  it('names each layer that stays in float in the report', () => {
    const { stdout } = quantize('-o', at('report.onnx'), '--dynamic', 'uint8', '--standard', '--report');
    expect(stdout).toMatch(/float: \S+: fewer than 1024 weights/);
    expect(stdout).toMatch(/quantize-dynamic +\d/);
    expect(operatorsOf(loadModel(at('report.onnx')))).toContain('MatMulInteger');
  });

  it.each(['gptq', 'awq', 'awq --insert-mul'])('takes samples for %s', (method) => {
    const sampled = ['--calibration-data', 'random', '--bind', 'N=64'];
    const args = ['--weights', '4', '--method', ...method.split(' '), ...sampled];
    const { code, stdout } = quantize('-o', at('calibrated.onnx'), ...args);
    expect(code).toBe(0);
    expect(stdout).toContain('1 layer has quantized weights');
  });

  it('gives a dtype its file name in a folder', () => {
    fs.mkdirSync(at('onnx'));
    const { code, stdout } = quantize('-o', at('onnx'), '--dtype', 'q4');
    expect(code).toBe(0);
    expect(stdout).toContain(at(path.join('onnx', 'model_q4.onnx')));
    expect(fs.readdirSync(at('onnx'))).toEqual(['model_q4.onnx']);
  });

  it('makes a form in float16', () => {
    const { code, stdout } = quantize('-o', at('half.onnx'), '--dtype', 'fp16');
    expect(code).toBe(0);
    expect(stdout).toMatch(/\d of \d nodes in float16/);
  });

  it.each([
    [2, 'usage/quantization-way', []],
    [2, 'usage/quantization-way', ['--weights', '4', '--dynamic', 'int8']],
    [2, 'usage/conflicting-options', ['--dtype', 'q4', '--block-size', '64']],
    [2, 'usage/conflicting-options', ['--dynamic', 'int8', '--method', 'hqq']],
    [2, 'usage/conflicting-options', ['--weights', '4', '--calibration-data', 'random']],
    [1, 'quantize/no-calibration-data', ['--weights', '4', '--method', 'gptq']],
    [2, 'usage/block-size', ['--weights', '4', '--block-size', '33']],
    [2, 'usage/unknown-dtype', ['--dtype', 'q5']],
    [1, 'quantize/nothing-to-quantize', ['--weights', '4', '--exclude', '*']],
    [3, 'check/failed', ['--weights', '4', '--min-sqnr', '90']],
  ] as const)('ends with %i and %s, and writes nothing', (exit, problem, args) => {
    const before = fs.readdirSync(folder).sort();
    const { code, stderr } = quantize('-o', at('never.onnx'), ...args);
    expect(stderr).toContain(`error ${problem}:`);
    expect(code).toBe(exit);
    expect(fs.readdirSync(folder).sort()).toEqual(before);
  });
});
