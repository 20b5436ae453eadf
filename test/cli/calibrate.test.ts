import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeNpy } from '../../src/calibrate/sources/npy.js';
import { loadModel, saveModel } from '../../src/ir/onnx/files.js';
import { floatTensor } from '../../src/ir/tensor.js';
import { ModelBuilder, operatorsOf, randomTensor } from '../build_model.js';
import { fixture, runCli } from './run_cli.js';

const digits = fixture('digits/digits.onnx');
const calibration = fixture('digits/calibration.mjs');

let folder: string;
const at = (name: string) => path.join(folder, name);
const text = (name: string) => fs.readFileSync(at(name), 'utf8');
beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'onnxopt-calibrate-'));
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

const calibrate = (...args: string[]) => runCli(['calibrate', ...args, '--quiet']);
const digitsData = [digits, '--data', calibration, '--limit', '50'];

describe('onnxopt calibrate', () => {
  it('merges shards to the bytes of the whole run, whatever calibrator is asked for then', () => {
    const whole = calibrate(...digitsData, '--save-statistics', at('whole.json'), '-o', at('minmax.json'));
    expect(whole).toEqual({ code: 0, stdout: '', stderr: '' });
    for (const part of ['1/3', '2/3', '3/3']) {
      expect(calibrate(...digitsData, '--shard', part, '-o', at(`part${part[0]}.json`)).code).toBe(0);
    }
    const parts = ['part3.json', 'part1.json', 'part2.json'].map(at);
    for (const calibrator of ['minmax', 'average', 'entropy', 'percentile', 'mse', 'distribution', 'auto']) {
      calibrate('--merge', ...parts, '--calibrator', calibrator, '-o', at('merged.json'));
      calibrate('--merge', at('whole.json'), '--calibrator', calibrator, '-o', at('direct.json'));
      expect(text('merged.json')).toBe(text('direct.json'));
    }
    calibrate('--merge', ...parts, '--save-statistics', at('again.json'), '-o', at('merged.json'));
    expect(text('again.json')).toBe(text('whole.json'));
    expect(text('merged.json')).toBe(text('minmax.json'));
  });

  it('gives ranges that optimize takes to the same bytes as calibrating itself', () => {
    for (const extra of [['--calibrator', 'percentile', '--percentile', '99.9'], ['--calibrator', 'mse'], []]) {
      calibrate(digits, '--data', calibration, ...extra, '-o', at('ranges.json'));
      const base = [
        'optimize',
        digits,
        '--precision',
        'int8',
        '--gate',
        'none',
        '--no-correct-bias',
        '--quiet',
        '--no-check',
      ];
      const own = runCli([...base, '--calibration-data', calibration, ...extra, '-o', at('own.onnx')]);
      const given = runCli([...base, '--ranges', at('ranges.json'), '-o', at('given.onnx')]);
      expect([own.code, given.code]).toEqual([0, 0]);
      expect(Buffer.compare(fs.readFileSync(at('own.onnx')), fs.readFileSync(at('given.onnx')))).toBe(0);
    }
  });

  it('gives optimize ranges of a TensorRT calibration cache', () => {
    calibrate(...digitsData, '-o', at('ranges.json'));
    const { ranges } = JSON.parse(text('ranges.json')) as { ranges: Record<string, { min: number; max: number }> };
    const hex = (scale: number) => new Uint32Array(Float32Array.of(scale).buffer)[0]!.toString(16);
    const lines = Object.entries(ranges).map(([name, { min, max }]) => `${name}: ${hex(Math.max(-min, max) / 127)}`);
    fs.writeFileSync(at('cache.txt'), `TRT-8601-EntropyCalibration2\n${lines.join('\n')}\n`);
    const args = ['--precision', 'int8', '--ranges', at('cache.txt'), '--check-data', calibration, '--json'];
    const { code, stdout } = runCli(['optimize', digits, '-o', at('cached.onnx'), ...args]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ check: { status: 'passed' }, quantization: { samples: 0 } });
    expect(operatorsOf(loadModel(at('cached.onnx')))).toContain('QuantizeLinear');
  });

  it('takes samples of several shapes, and tensors that are zero in all of them', () => {
    const b = new ModelBuilder();
    const x = b.input('x', ['n', 16, 'h', 'w']);
    const first = b.op('Conv', [x, b.constant('w1', randomTensor([32, 16, 3, 3], 1))]);
    // Weights of nothing: whatever comes in, zeros come out.
    const none = b.op('Conv', [first, b.constant('w0', floatTensor(new Float32Array(32 * 32), [32, 32, 1, 1]))]);
    const last = b.op('Conv', [b.op('Relu', [none]), b.constant('w2', randomTensor([32, 32, 1, 1], 2))]);
    b.output(last, 'y', 'float', 4);
    saveModel(b.build(), at('open.onnx'));
    fs.mkdirSync(at('shapes'));
    for (const [index, [height, width]] of [
      [8, 8],
      [8, 20],
      [13, 5],
    ].entries()) {
      const tensor = randomTensor([1 + index, 16, height!, width!], index + 1);
      fs.writeFileSync(path.join(at('shapes'), `${index}.npy`), writeNpy(tensor));
    }
    for (const calibrator of ['minmax', 'entropy', 'mse', 'auto']) {
      const data = ['--calibration-data', at('shapes'), '--calibrator', calibrator];
      const args = ['--precision', 'int8', '--gate', 'none', ...data, '--quiet'];
      expect(runCli(['optimize', at('open.onnx'), '-o', at('int8.onnx'), ...args])).toMatchObject({
        code: 0,
        stderr: '',
      });
      for (const { initializer } of loadModel(at('int8.onnx')).graph.initializers) {
        if (initializer?.kind !== 'dense' || initializer.dtype !== 'float' || initializer.byteLength !== 4) continue;
        const scale = Buffer.from(initializer.storage.bytes()).readFloatLE();
        expect(scale).toBeGreaterThanOrEqual(2 ** -126);
      }
    }
  });

  it('says what is wrong with files and flags', () => {
    const wrong = (code: number, message: string, ...args: string[]) => {
      const result = calibrate(...args, '-o', at('none.json'));
      expect(result.code).toBe(code);
      expect(result.stderr).toContain(message);
    };
    wrong(2, 'usage/calibrate', digits);
    wrong(2, 'such as 1/4', ...digitsData, '--shard', '4/3');
    wrong(2, 'usage/calibrate', '--merge', at('a.json'), '--shard', '1/2');
    wrong(2, 'usage/percentile', ...digitsData, '--calibrator', 'percentile', '--percentile', '20');
    wrong(2, 'usage/precision-not-offered', ...digitsData, '--target', 'ort-cuda');
    wrong(1, 'calibrate/bad-statistics-file', '--merge', at('nowhere.json'));
    fs.writeFileSync(at('half.json'), '{"format":"onnxopt-statistics"');
    wrong(1, 'calibrate/bad-statistics-file', '--merge', at('half.json'));
    expect(fs.existsSync(at('none.json'))).toBe(false);
  });
});
