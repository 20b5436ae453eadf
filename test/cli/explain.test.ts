import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { saveModel } from '../../src/ir/onnx/files.js';
import { floatTensor } from '../../src/ir/tensor.js';
import { ModelBuilder } from '../build_model.js';
import { fixture, runCli } from './run_cli.js';

const digits = fixture('digits/digits.onnx');

let folder: string;
let gelu: string;

beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'onnxopt-explain-'));
  gelu = path.join(folder, 'gelu.onnx');
  const b = new ModelBuilder(20);
  const x = b.input('x', ['N', 8]);
  const number = (value: number) => b.constant(`c${value}`, floatTensor([value], []));
  for (const divisor of [Math.SQRT2, 1.5]) {
    const erf = b.op('Erf', [b.op('Div', [x, number(divisor)])]);
    const gated = b.op('Mul', [x, b.op('Add', [erf, number(1)])]);
    b.output(b.op('Mul', [gated, number(0.5)], { name: `half of ${divisor}` }), `y${divisor}`);
  }
  saveModel(b.build(), gelu);
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

describe('onnxopt explain', () => {
  it('tells where a rule fired, and where not for a constant', () => {
    const { code, stdout } = runCli(['explain', 'fuse-gelu', gelu]);
    expect(code).toBe(0);
    expect(stdout).toContain('fired 1 times, declined 0');
    const json: { fired: string[] } = JSON.parse(runCli(['explain', 'fuse-gelu', gelu, '--json']).stdout);
    expect(json.fired).toEqual([expect.stringContaining(`half of ${Math.SQRT2}`)]);
  });

  it('names what a rule lacks: a licence, or an operator of the target', () => {
    const strict = runCli(['explain', 'fuse-conv-batchnorm', digits, '--fp-contract', 'strict']).stdout;
    expect(strict).toContain('fired 0 times');
    expect(strict).toContain('it needs the licence "reassociates"');
    const old = runCli(['explain', 'fuse-gelu', gelu, '--target', 'tensorrt@8.6']).stdout;
    expect(old).toContain('Gelu needs opset 20, and tensorrt@8.6 takes 17');
  });

  it('lists all rules, and suggests one for a name that is none', () => {
    expect(runCli(['explain', '--list']).stdout).toContain('fuse-gelu');
    const { code, stderr } = runCli(['explain', 'gelu', digits]);
    expect(code).toBe(2);
    expect(stderr).toContain('Did you mean fuse-gelu');
    expect(runCli(['explain']).code).toBe(2);
  });
});
