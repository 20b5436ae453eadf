import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { saveModel } from '../../src/ir/onnx/files.js';
import { floatTensor, tensorFromData } from '../../src/ir/tensor.js';
import { ModelBuilder } from '../build_model.js';
import { fixture, runCli } from './run_cli.js';

let folder: string;
let broken: string;

beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'onnxopt-lint-'));
  broken = path.join(folder, 'broken.onnx');
  const b = new ModelBuilder();
  const x = b.input('x', ['N', 8]);
  const pair = (name: string, scale: number, zero: number) => {
    const parameters = [
      b.constant(`${name}_scale`, floatTensor([scale], [])),
      b.constant(`${name}_zero`, tensorFromData('int8', [], Int8Array.of(zero))),
    ];
    const quantized = b.op('QuantizeLinear', [x, ...parameters], { name: `${name}/quantize` });
    return b.op('DequantizeLinear', [quantized, ...parameters], { name: `${name}/dequantize` });
  };
  b.output(b.op('Softmax', [pair('logits', 0.1, 0)], { name: 'soft' }), 'y');
  b.output(b.op('Neg', [pair('shifted', 0.1, 3)]), 'z');
  saveModel(b.build(), broken);
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

const forTensorrt = ['--target', 'tensorrt@10'];

describe('onnxopt lint', () => {
  it('names code, place, reason and mend, and gives exit code 1', () => {
    const { code, stdout } = runCli(['lint', broken, ...forTensorrt]);
    expect(code).toBe(1);
    expect(stdout).toContain('lint/sensitive-operator: test > Softmax "soft"');
    expect(stdout).toContain('mend: let it read the float value');
    expect(stdout).toContain('3 found, --fix mends 1');
  });

  it('is silent about a float model', () => {
    expect(runCli(['lint', fixture('digits/digits.onnx'), ...forTensorrt])).toMatchObject({
      code: 0,
      stdout: 'nothing found\n',
    });
  });

  it('mends what it can into another file, and says what is left', () => {
    const mended = path.join(folder, 'mended.onnx');
    const { code, stdout } = runCli(['lint', broken, ...forTensorrt, '--fix', '-o', mended, '--json']);
    expect(code).toBe(1);
    const json: { findings: { code: string }[]; fixed: { code: string; fix: string }[] } = JSON.parse(stdout);
    expect(json.fixed).toMatchObject([{ code: 'lint/sensitive-operator', fix: 'harmless' }]);
    expect(json.findings.map((finding) => finding.code)).toEqual(['lint/zero-point', 'lint/zero-point']);
    expect(runCli(['lint', mended, ...forTensorrt]).stdout).toContain('2 found');
    expect(runCli(['lint', mended, ...forTensorrt]).stdout).not.toContain('sensitive');
  });

  it('wants a place for the mended model', () => {
    expect(runCli(['lint', broken, '--fix']).code).toBe(2);
    expect(runCli(['lint', broken, '-o', path.join(folder, 'never.onnx')]).code).toBe(2);
  });
});
