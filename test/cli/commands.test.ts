import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeNpy } from '../../src/calibrate/sources/npy.js';
import { loadModel, saveModel } from '../../src/ir/onnx/files.js';
import { floatTensor, int64Tensor } from '../../src/ir/tensor.js';
import { ModelBuilder, operatorsOf } from '../build_model.js';
import { commandFile, fixture, runCli } from './run_cli.js';

const digits = fixture('digits/digits.onnx');
const calibration = fixture('digits/calibration.mjs');

let folder: string;
const at = (name: string) => path.join(folder, name);

beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'onnxopt-cli-'));
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

/** What is in the folder beside what a test put there, hidden files included. */
const listing = () => fs.readdirSync(folder).sort();

describe('onnxopt', () => {
  it('shows help with examples and exit codes', () => {
    const { code, stdout } = runCli(['--help']);
    expect(code).toBe(0);
    expect(stdout).toContain('$ onnxopt optimize model.onnx -o fast.onnx');
    expect(stdout).toContain('Exit codes: 0 done, 1 failed, 2 wrong usage, 3');
    for (const command of ['optimize', 'simplify', 'quantize', 'convert', 'compare', 'inspect']) {
      expect(runCli([command, '--help']).stdout).toContain('Examples:');
    }
  });

  it('exits with 2 and says how to get help when it is used wrongly', () => {
    for (const args of [
      ['frobnicate'],
      ['optimize', digits],
      ['optimize', digits, '-o', at('x.onnx'), '--precision', 'int3'],
      ['inspect'],
    ]) {
      const { code, stderr } = runCli(args);
      expect(code).toBe(2);
      expect(stderr).toContain('--help');
    }
    const { code, stderr } = runCli(['optimize', digits, '-o', at('x.onnx'), '--target', 'toaster']);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^error usage\/unknown-target: .*ort-cpu/);
  });
});

describe('onnxopt optimize', () => {
  it('writes an int8 model that compare finds within tolerance', () => {
    const output = at('digits.int8.onnx');
    const done = runCli([
      'optimize',
      digits,
      '-o',
      output,
      '--target',
      'ort-cpu',
      '--precision',
      'int8',
      '--gate',
      'none',
      '--calibration-data',
      calibration,
    ]);
    expect(done).toMatchObject({ code: 0, stderr: '' });
    expect(done.stdout).toContain('checked against the original on 8 samples');
    expect(operatorsOf(loadModel(output))).toContain('QuantizeLinear');
    expect(fs.statSync(output).size).toBeLessThan(fs.statSync(digits).size * 0.35);
    const compared = runCli(['compare', digits, output, '--data', calibration, '--json']);
    expect(compared.code).toBe(0);
    expect(JSON.parse(compared.stdout)).toMatchObject({ passed: true, samples: 32, signature: [] });
    fs.rmSync(output);
  });

  it('prints one JSON report on stdout and nothing else', () => {
    const { code, stdout, stderr } = runCli(['optimize', digits, '-o', at('a.onnx'), '--json']);
    expect(code).toBe(0);
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toMatchObject({
      before: { nodes: 33 },
      after: { nodes: 14 },
      check: { status: 'passed' },
    });
  });

  it('prints nothing when asked to be quiet', () => {
    expect(runCli(['simplify', digits, '-o', at('a.onnx'), '--quiet'])).toEqual({ code: 0, stdout: '', stderr: '' });
  });

  it('gives the same bytes for the same input', () => {
    runCli([
      'optimize',
      digits,
      '-o',
      at('a.onnx'),
      '--precision',
      'int8',
      '--gate',
      'none',
      '--calibration-data',
      calibration,
      '--quiet',
    ]);
    runCli([
      'optimize',
      digits,
      '-o',
      at('b.onnx'),
      '--precision',
      'int8',
      '--gate',
      'none',
      '--calibration-data',
      calibration,
      '--quiet',
    ]);
    expect(Buffer.compare(fs.readFileSync(at('a.onnx')), fs.readFileSync(at('b.onnx')))).toBe(0);
  });

  it('saves ranges, and calibrates from them to the same bytes', () => {
    const base = ['optimize', digits, '--precision', 'int8', '--gate', 'none', '--no-correct-bias', '--quiet'];
    runCli([...base, '-o', at('a.onnx'), '--calibration-data', calibration, '--save-ranges', at('ranges.json')]);
    const again = runCli([...base, '-o', at('b.onnx'), '--ranges', at('ranges.json'), '--check-data', calibration]);
    expect(again.code).toBe(0);
    expect(Buffer.compare(fs.readFileSync(at('a.onnx')), fs.readFileSync(at('b.onnx')))).toBe(0);
  });

  it('reads onnxopt.config.ts, and flags go before it', () => {
    const project = fs.mkdtempSync(path.join(folder, 'project-'));
    const config = `export default { precision: 'int8', quantization: { gate: 'none' }, calibration: { data: ${JSON.stringify(calibration)}, limit: 20 } };`;
    fs.writeFileSync(path.join(project, 'onnxopt.config.ts'), config);
    const { stdout } = runCli(['optimize', digits, '-o', 'out.onnx', '--json'], { cwd: project });
    expect(JSON.parse(stdout)).toMatchObject({ quantization: { samples: 20 } });
    const plain = runCli(['optimize', digits, '-o', 'out.onnx', '--precision', 'fp32', '--json'], { cwd: project });
    expect(JSON.parse(plain.stdout)).not.toHaveProperty('quantization');
    fs.writeFileSync(path.join(project, 'onnxopt.config.ts'), `export default { precisoin: 'int8' };`);
    const wrong = runCli(['optimize', digits, '-o', 'out.onnx'], { cwd: project });
    expect(wrong).toMatchObject({ code: 1 });
    expect(wrong.stderr).toContain('config/invalid');
  });

  it('may overwrite its input', () => {
    fs.copyFileSync(digits, at('same.onnx'));
    expect(runCli(['optimize', at('same.onnx'), '-o', at('same.onnx'), '--quiet']).code).toBe(0);
    expect(operatorsOf(loadModel(at('same.onnx')))).not.toContain('BatchNormalization');
  });

  it('says aloud that nothing was checked', () => {
    const { code, stdout, stderr } = runCli(['optimize', digits, '-o', at('a.onnx'), '--no-check']);
    expect(code).toBe(0);
    expect(stdout).toContain('NOT CHECKED');
    expect(stderr).toContain('check/skipped');
  });
});

describe('bad input: a code, one line, exit 1, and nothing written', () => {
  const good = (name: string) => {
    const b = new ModelBuilder();
    const x = b.input('x', [1, 4]);
    b.output(b.op('MatMul', [x, b.constant('w', floatTensor([1, 2, 3, 4], [4, 1]))]), 'y');
    const two = b.input('z', [1, 1]);
    b.output(b.op('Relu', [two]), 'r');
    saveModel(b.build(), at(name));
    return at(name);
  };

  const expectRefused = (args: readonly string[], code: string) => {
    fs.rmSync(at('out.onnx'), { force: true });
    const before = listing();
    const result = runCli(args);
    expect(result.stderr.trim().split('\n').at(-1)).toMatch(new RegExp(`^error ${code}`));
    expect(result.stderr.trim().split('\n')).toHaveLength(1);
    expect(result.code).toBe(1);
    expect(result.stdout).toBe('');
    expect(listing()).toEqual(before);
  };

  const optimize = (model: string, ...more: string[]) => ['optimize', model, '-o', at('out.onnx'), ...more];
  const int8 = (model: string, data: string) => optimize(model, '--precision', 'int8', '--calibration-data', data);

  it('models', () => {
    expectRefused(optimize(at('missing.onnx')), 'load/unreadable');
    fs.writeFileSync(at('text.onnx'), 'this is no model\n'.repeat(20));
    expectRefused(optimize(at('text.onnx')), 'load/');
    fs.writeFileSync(at('empty.onnx'), '');
    expectRefused(optimize(at('empty.onnx')), 'load/empty');
    fs.writeFileSync(at('cut.onnx'), fs.readFileSync(digits).subarray(0, 500_000));
    expectRefused(optimize(at('cut.onnx')), 'load/truncated');
    expectRefused(['inspect', at('cut.onnx')], 'load/truncated');
    expectRefused(['compare', at('cut.onnx'), digits], 'load/truncated');
    expectRefused(optimize(folder), 'load/not-a-file');
  });

  it('calibration data', () => {
    const model = good('two.onnx');
    fs.mkdirSync(at('none'), { recursive: true });
    expectRefused(optimize(model, '--precision', 'int8'), 'quantize/no-calibration-data');
    expectRefused(int8(model, at('none')), 'data/empty');
    expectRefused(int8(model, at('nowhere')), 'data/not-found');
    const write = (set: string, arrays: Record<string, ReturnType<typeof floatTensor>>) => {
      fs.mkdirSync(at(set), { recursive: true });
      for (const [name, tensor] of Object.entries(arrays))
        fs.writeFileSync(path.join(at(set), `s.${name}.npy`), writeNpy(tensor));
      return at(set);
    };
    const x = floatTensor([1, 2, 3, 4], [1, 4]);
    expectRefused(int8(model, write('unfed', { x })), 'data/missing-input');
    expectRefused(
      int8(model, write('wrong-shape', { x: floatTensor([1, 2, 3], [1, 3]), z: floatTensor([1], [1, 1]) })),
      'data/wrong-shape',
    );
    expectRefused(
      int8(model, write('nan', { x: floatTensor([1, 2, 3, Number.NaN], [1, 4]), z: floatTensor([1], [1, 1]) })),
      'calibrate/not-finite',
    );
  });

  it('outputs', () => {
    const model = good('one.onnx');
    expectRefused(['optimize', model, '-o', at('no/such/folder/out.onnx')], 'save/failed');
    fs.mkdirSync(at('taken.onnx'), { recursive: true });
    expectRefused(['optimize', model, '-o', at('taken.onnx')], 'save/failed');
  });

  it('int8 where the target has none', () => {
    const refused = runCli(
      optimize(digits, '--target', 'ort-cuda', '--precision', 'int8', '--calibration-data', calibration),
    );
    expect(refused.code).toBe(2);
    expect(refused.stderr).toMatch(/^error usage\/precision-not-offered: .*fp16/);
  });

  it('a result that answers otherwise: exit 3, the old file stays', () => {
    fs.writeFileSync(at('old.onnx'), 'precious');
    const config = at('strict.mjs');
    fs.writeFileSync(config, 'export default { check: { tolerance: { minSqnr: 90 } } };');
    const int8 = [
      'optimize',
      digits,
      '-o',
      at('old.onnx'),
      '--precision',
      'int8',
      '--gate',
      'none',
      '--calibration-data',
      calibration,
    ];
    const strict = runCli([...int8, '--config', config]);
    expect(strict).toMatchObject({ code: 3, stderr: expect.stringContaining('check/failed') });
    // What is asked of int8 is searched for first, and what is not to be had is not written either.
    const unreached = runCli([...int8, '--min-sqnr', '90', '--max-evaluations', '2', '--search-samples', '2']);
    expect(unreached).toMatchObject({ code: 3, stderr: expect.stringContaining('quantize/accuracy-not-reached') });
    expect(fs.readFileSync(at('old.onnx'), 'utf8')).toBe('precious');
    expect(listing().filter((name) => name.startsWith('.'))).toEqual([]);
  });
});

describe('onnxopt convert', () => {
  it('writes the model in another opset, and names what has no equivalent there', () => {
    expect(runCli(['convert', digits, '-o', at('c.onnx'), '--opset', '13', '--quiet']).code).toBe(0);
    expect(loadModel(at('c.onnx')).opsetImports.get('')).toBe(13);
    const b = new ModelBuilder(17);
    b.output(b.op('BlackmanWindow', [b.constant('n', int64Tensor([8], []))], { name: 'window' }), 'y');
    saveModel(b.build(), at('window.onnx'));
    const refused = runCli(['convert', at('window.onnx'), '-o', at('d.onnx'), '--opset', '13']);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/^error convert\/no-equivalent: .*window/);
    expect(fs.existsSync(at('d.onnx'))).toBe(false);
  });
});

describe('Ctrl-C', () => {
  it('ends the command by that signal, 130 in a shell, and leaves nothing half-written', async () => {
    const module = at('slow.mjs');
    fs.writeFileSync(
      module,
      `export async function* samples() { for (let i = 0; i < 1e6; i += 1) yield { image: { data: new Float32Array(784), dims: [1, 1, 28, 28], type: 'float32' } }; }`,
    );
    const before = listing();
    const args = ['optimize', digits, '-o', at('never.onnx'), '--precision', 'int8', '--calibration-data', module];
    const child = spawn(process.execPath, [commandFile, ...args], { stdio: 'ignore' });
    const ended = new Promise<string | null>((resolve) => child.once('exit', (_code, signal) => resolve(signal)));
    await new Promise((resolve) => setTimeout(resolve, 2500));
    child.kill('SIGINT');
    expect(await ended).toBe('SIGINT');
    expect(listing()).toEqual(before);
  });
});

describe('onnxopt inspect', () => {
  it('shows inputs, outputs and operators, and the same as JSON', () => {
    const { stdout } = runCli(['inspect', digits]);
    expect(stdout).toContain('input   image: float[N, 1, 28, 28]');
    expect(stdout).toMatch(/BatchNormalization +9/);
    const json: unknown = JSON.parse(runCli(['inspect', digits, '--json']).stdout);
    expect(json).toMatchObject({ nodes: 33, opsets: { 'ai.onnx': 17 }, operators: { Conv: 9 }, unknownOperators: [] });
  });

  it('shows what a run takes, in the open dimensions of the inputs', () => {
    const { stdout } = runCli(['inspect', digits, '--top', '2']);
    expect(stdout).toMatch(/multiply-accumulates +112847104·N/);
    expect(stdout).toContain('302,634 parameters');
    expect(stdout).toMatch(/\/residual\/first\/conv\/Conv +Conv +28901376·N/);
    expect(stdout).not.toContain('/mix/conv/Conv');
    const json = JSON.parse(runCli(['inspect', digits, '--json']).stdout);
    expect(json).toMatchObject({ parameters: 302_634, cost: { macs: '112847104*N', unknown: { macs: [] } } });
    expect(json.cost.largest).toHaveLength(10);
  });

  it('shows numbers where --dim gives the dimensions sizes', () => {
    const { stdout } = runCli(['inspect', digits, '--dim', 'N=2']);
    expect(stdout).toMatch(/multiply-accumulates +225,694,208/);
    const json = JSON.parse(runCli(['inspect', digits, '--dim', 'N=2', '--json']).stdout);
    expect(json.cost.macs).toBe(225_694_208);
    expect(json.inputs[0].type).toBe('float[N, 1, 28, 28]');
  });

  it('refuses sizes that it cannot use', () => {
    for (const [value, message] of [
      ['M=2', 'usage/unknown-dimension'],
      ['N=-1', 'whole number'],
      ['N', 'batch=1'],
    ] as const) {
      const { code, stderr } = runCli(['inspect', digits, '--dim', value]);
      expect(code).toBe(2);
      expect(stderr).toContain(message);
    }
  });
});
