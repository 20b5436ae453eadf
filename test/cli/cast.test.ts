import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decoderModel } from '../../bench/decoder_model.js';
import { loadModel, saveModel } from '../../src/ir/onnx/files.js';
import { fixture, runCli } from './run_cli.js';

const digits = fixture('digits/digits.onnx');
const calibration = fixture('digits/calibration.mjs');

let folder: string;
const at = (name: string) => path.join(folder, name);
beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'onnxopt-cast-cli-'));
  const sizes = { layers: 2, hidden: 64, heads: 4, inner: 128, vocabulary: 200, length: 16 };
  saveModel(decoderModel(sizes), at('decoder.onnx'));
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

const cast = (model: string, ...args: readonly string[]) => runCli(['cast', model, ...args], { cwd: folder });

const typesOf = (file: string): unknown[] => {
  const { graph } = loadModel(file);
  return [...graph.inputs, ...graph.outputs].map(({ type }) => (type?.kind === 'tensor' ? type.dtype : undefined));
};

describe('onnxopt cast', () => {
  it('writes half a classifier, and says where casts are and what they were spared', () => {
    const { code, stdout, stderr } = cast(digits, '-o', at('half.onnx'), '--to', 'fp16');
    expect(stderr).toMatch(/^info cast\/computed-in-float32/);
    expect(code).toBe(0);
    expect(stdout).toMatch(/\d+ of \d+ nodes in float16, 2 casts/);
    expect(stdout).toMatch(/GlobalAveragePool +it sums up 196 elements/);
    expect(stdout).toContain('one around each node kept in float comes to 2');
    expect(stdout).toContain('input "image" is float16[N, 1, 28, 28], was float[N, 1, 28, 28]');
    expect(stdout).toContain('checked against the original');
    expect(fs.statSync(at('half.onnx')).size).toBeLessThan(fs.statSync(digits).size * 0.53);
    const compared = runCli(['compare', digits, at('half.onnx'), '--limit', '4']);
    expect(compared.code).toBe(0);
    expect(compared.stdout).toContain('output "logits" is float16[N, 10], was float[N, 10]');
  });

  it('prints the same as JSON, and every reason in the report', () => {
    const { stdout } = cast(digits, '-o', at('json.onnx'), '--to', 'fp16', '--keep-io-types', '--json');
    expect(JSON.parse(stdout)).toMatchObject({
      cast: { half: 'float16', inputs: [], outputs: [], islands: [{ operators: ['GlobalAveragePool'], casts: 2 }] },
      check: { status: 'passed', comparison: { retyped: [] } },
    });
    expect(cast(digits, '-o', at('report.onnx'), '--to', 'fp16', '--report').stdout).toMatch(
      /half +its products are what half is for/,
    );
  });

  it('keeps inputs and outputs by name', () => {
    expect(cast(digits, '-o', at('io.onnx'), '--to', 'fp16', '--keep-io-types', 'logits').code).toBe(0);
    expect(typesOf(at('io.onnx'))).toEqual(['float16', 'float']);
  });

  it('makes the same bytes of a plan that was saved', () => {
    const model = at('decoder.onnx');
    const saved = cast(
      model,
      '-o',
      at('one.onnx'),
      '--to',
      'fp16',
      '--exclude',
      'MatMul_0_3',
      '--save-plan',
      'plan.json',
    );
    expect(saved.code).toBe(0);
    expect(JSON.parse(fs.readFileSync(at('plan.json'), 'utf8'))).toMatchObject({ half: 'float16' });
    expect(cast(model, '-o', at('two.onnx'), '--to', 'fp16', '--plan', 'plan.json').code).toBe(0);
    expect(fs.readFileSync(at('two.onnx')).equals(fs.readFileSync(at('one.onnx')))).toBe(true);
  });

  it('changes nothing the second time', () => {
    for (const [name, model] of [
      ['d', digits],
      ['t', at('decoder.onnx')],
    ] as const) {
      expect(cast(model, '-o', at(`${name}1.onnx`), '--to', 'fp16').code).toBe(0);
      expect(cast(at(`${name}1.onnx`), '-o', at(`${name}2.onnx`), '--to', 'fp16').code).toBe(0);
      expect(fs.readFileSync(at(`${name}2.onnx`)).equals(fs.readFileSync(at(`${name}1.onnx`)))).toBe(true);
    }
  });

  it('prints the plan alone with --dry-run', () => {
    const before = fs.readdirSync(folder).sort();
    const { code, stdout, stderr } = cast(at('decoder.onnx'), '--to', 'fp16', '--dry-run');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^\d+ of \d+ nodes in float16/);
    expect(stdout).not.toContain('CHECKED');
    const json = cast(at('decoder.onnx'), '--to', 'fp16', '--dry-run', '--json');
    expect(JSON.parse(json.stdout)).toMatchObject({ cast: { half: 'float16' } });
    expect(fs.readdirSync(folder).sort()).toEqual(before);
  });

  it('observes ranges on samples, and looks for what an error needs', () => {
    const data = ['--calibration-data', calibration, '--calibration-limit', '4'];
    const observed = cast(digits, '-o', at('seen.onnx'), '--to', 'fp16', ...data);
    expect(observed.stdout).toContain('ranges observed on 4 samples');
    const searched = cast(at('decoder.onnx'), '-o', at('true.onnx'), '--to', 'fp16', '--max-error', '64dB', '--report');
    expect(searched.stdout).toMatch(/error: [1-9]\d* nodes left in float, found with \d+ models measured/);
    expect(searched.stdout).toMatch(/in float +SQNR dB +reached/);
  });

  it('says of bfloat16 that its roundings were spelled out', () => {
    const args = ['-o', at('bf16.onnx'), '--to', 'bf16', '--target', 'tensorrt@11'];
    const { code, stderr } = cast(digits, ...args);
    expect(code).toBe(0);
    expect(stderr).toContain('warning check/spelled-out');
    expect(typesOf(at('bf16.onnx'))).toEqual(['bfloat16', 'bfloat16']);
  });

  it.each([
    [2, '-o, --output', ['--to', 'fp16']],
    [2, '--to', ['-o', 'never.onnx']],
    [2, 'usage/precision-not-offered', ['-o', 'never.onnx', '--to', 'bf16']],
    [2, 'usage/conflicting-options', ['-o', 'never.onnx', '--to', 'fp16', '--norms', 'bf16']],
    [2, 'between 0 and 1', ['-o', 'never.onnx', '--to', 'fp16', '--max-error', '7']],
    [1, 'cast/override-matches-nothing', ['-o', 'never.onnx', '--to', 'fp16', '--exclude', 'nothing']],
    [1, 'cast/override-matches-nothing', ['-o', 'never.onnx', '--to', 'fp16', '--keep-io-types', 'nothing']],
    [1, 'cast/bad-plan-file', ['-o', 'never.onnx', '--to', 'fp16', '--plan', digits]],
    [3, 'check/failed', ['-o', 'never.onnx', '--to', 'fp16', '--config', 'strict.mjs']],
  ] as const)('ends with %i and %s, and writes nothing', (exit, problem, args) => {
    fs.writeFileSync(at('strict.mjs'), 'export default { check: { tolerance: { minSqnr: 200 } } };');
    const before = fs.readdirSync(folder).sort();
    const { code, stderr } = cast(digits, ...args);
    expect(stderr).toContain(problem);
    expect(code).toBe(exit);
    expect(fs.readdirSync(folder).sort()).toEqual(before);
  });
});

describe('onnxopt optimize with 16-bit floats', () => {
  const optimize = (...args: readonly string[]) => runCli(['optimize', digits, ...args], { cwd: folder });

  it('does what cast does', () => {
    expect(cast(digits, '-o', at('by_cast.onnx'), '--to', 'fp16', '--norms', 'fp16', '--keep-io-types').code).toBe(0);
    const args = ['-o', at('by_optimize.onnx'), '--precision', 'fp16', '--norms', 'fp16', '--keep-io-types'];
    expect(optimize(...args).code).toBe(0);
    expect(fs.readFileSync(at('by_optimize.onnx')).equals(fs.readFileSync(at('by_cast.onnx')))).toBe(true);
  });

  it('looks for what --min-sqnr needs', () => {
    const { stdout } = optimize('-o', at('sqnr.onnx'), '--precision', 'fp16', '--min-sqnr', '72', '--json');
    const report: {
      cast: { search: { steps: unknown[] } };
      check: { comparison: { outputs: { error: { sqnr: number } }[] } };
    } = JSON.parse(stdout);
    expect(report.cast.search.steps.length).toBeGreaterThan(1);
    expect(report.check.comparison.outputs[0]!.error.sqnr).toBeGreaterThanOrEqual(72);
  });

  it('refuses their options without them', () => {
    expect(optimize('-o', at('never.onnx'), '--keep-io-types')).toMatchObject({ code: 2 });
    expect(optimize('-o', at('never.onnx'), '--precision', 'int8+fp16')).toMatchObject({ code: 2 });
  });
});
