import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ortRunner } from '../../src/backends/ort/run.js';
import { loadModel, saveModel } from '../../src/ir/onnx/files.js';
import { formatType, tensorType } from '../../src/ir/value_type.js';
import { ModelBuilder } from '../build_model.js';
import { fixture, runCli } from './run_cli.js';

const digits = fixture('digits/digits.onnx');

let folder: string;
const at = (name: string) => path.join(folder, name);

beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'onnxopt-infer-'));
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

/** y = Relu(x), declared to be of another size than it is. */
function contradicting(): string {
  const build = new ModelBuilder();
  const y = build.op('Relu', [build.input('x', [1, 4])], { outputs: ['y'] });
  build.editor.addOutput(build.graph, y, 'y', tensorType('float', [1, 3]));
  saveModel(build.build(), at('contradicting.onnx'));
  return at('contradicting.onnx');
}

describe('onnxopt infer', () => {
  it('shows help with examples', () => {
    expect(runCli(['infer', '--help']).stdout).toContain('$ onnxopt infer model.onnx -o typed.onnx');
  });

  it('writes a model in which every result has a type, and which the runtime loads', async () => {
    const { code, stdout, stderr } = runCli(['infer', digits, '-o', at('typed.onnx')]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain(`${digits} => ${at('typed.onnx')}`);
    const typed = loadModel(at('typed.onnx'));
    for (const node of typed.graph.nodes) {
      for (const output of node.outputs) expect(formatType(output!.type)).toMatch(/^\w+\[[^*?]*\]$/);
    }
    const session = await ortRunner()(typed, { optimize: false });
    await session.close();
  });

  it('prints every value as JSON, and needs no output for that', () => {
    const { code, stdout, stderr } = runCli(['infer', digits, '--json']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const { input, graphs, diagnostics } = JSON.parse(stdout);
    expect({ input, diagnostics }).toEqual({ input: digits, diagnostics: [] });
    const { inputs, outputs } = JSON.parse(runCli(['inspect', digits, '--json']).stdout);
    const values: readonly { name: string; type: string; source: string }[] = graphs[0].values;
    expect(values[0]).toMatchObject({ name: inputs[0].name, role: 'input', type: inputs[0].type, dtype: 'float' });
    expect(values.at(-1)).toMatchObject({ name: outputs[0].name, role: 'output', dtype: 'float' });
    expect(values.some(({ source }) => source === 'inferred')).toBe(true);
  });

  it('warns of a contradiction with both sides and writes', () => {
    const { code, stderr } = runCli(['infer', contradicting(), '-o', at('out.onnx')]);
    expect(code).toBe(0);
    expect(stderr).toBe(
      'warning infer/contradiction: output "y": declared float[1, 3] · inferred float[1, 4] (test > Relu "y")\n',
    );
    expect(fs.existsSync(at('out.onnx'))).toBe(true);
    fs.rmSync(at('out.onnx'));
  });

  it('with --strict exits with 1 and writes nothing', () => {
    for (const more of [[], ['--json'], ['--quiet']]) {
      const { code, stdout, stderr } = runCli(['infer', contradicting(), '-o', at('out.onnx'), '--strict', ...more]);
      expect(code).toBe(1);
      expect(stderr).toContain('error infer/strict: 1 contradiction, the first: infer/contradiction');
      expect(fs.existsSync(at('out.onnx'))).toBe(false);
      if (more[0] === '--json') expect(JSON.parse(stdout).diagnostics).toHaveLength(1);
    }
    expect(runCli(['infer', digits, '-o', at('out.onnx'), '--strict', '--quiet'])).toEqual({
      code: 0,
      stdout: '',
      stderr: '',
    });
  });

  it('is wrong usage without -o and --json', () => {
    const { code, stderr } = runCli(['infer', digits]);
    expect(code).toBe(2);
    expect(stderr).toContain('usage/no-output');
  });
});
