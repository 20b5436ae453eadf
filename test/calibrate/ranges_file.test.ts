import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadRanges } from '../../src/calibrate/ranges_file.js';

let folder: string;
beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'onnxopt-ranges-'));
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

function write(text: string): string {
  const file = path.join(folder, 'ranges');
  fs.writeFileSync(file, text);
  return file;
}

describe('a TensorRT calibration cache as ranges', () => {
  it('gives 127 scales to either side', () => {
    // 3f800000 is 1, 3c010a14 is 0.00787593…, which is 1/127 and a little.
    const { ranges, samples } = loadRanges(
      write('TRT-8601-EntropyCalibration2\ndata: 3f800000\n(Unnamed Layer* 5) [Shuffle]: out: 3C010A14\n'),
    );
    expect(samples).toBe(0);
    expect(ranges.get('data')).toEqual({ min: -127, max: 127 });
    const { min, max } = ranges.get('(Unnamed Layer* 5) [Shuffle]: out')!;
    expect(max).toBeCloseTo(1.0002, 3);
    expect(min).toBe(-max);
  });

  it('may end its lines as Windows does, and drop zeros in front', () => {
    const { ranges } = loadRanges(write('TRT-10100-MinMaxCalibration\r\na: 0\r\nb: 800000\r\n'));
    expect(ranges.get('a')).toEqual({ min: -0, max: 0 });
    expect(ranges.get('b')!.max).toBe(127 * 2 ** -126);
  });

  it('is refused with the line where it is damaged', () => {
    const bad: Record<string, RegExp> = {
      'TRT-8601-EntropyCalibration2\n': /no scale follows/,
      'TRT-8601-EntropyCalibration2\ndata 3f800000\n': /line 2/,
      'TRT-8601-EntropyCalibration2\ndata: 3f80000000\n': /line 2/,
      'TRT-8601-EntropyCalibration2\na: 3f800000\nb: 7f800000\n': /line 3: 7f800000 is no scale/,
      'TRT-8601-EntropyCalibration2\na: bf800000\n': /no scale/,
      'TRT-8601-EntropyCalibration2\na: 3f800000\na: 3f800000\n': /second time/,
      'EntropyCalibration2\na: 3f800000\n': /neither JSON nor a TensorRT calibration cache/,
    };
    for (const [text, message] of Object.entries(bad)) {
      expect(() => loadRanges(write(text))).toThrow(message);
      expect(() => loadRanges(write(text))).toThrow('calibrate/bad-ranges-file');
    }
  });
});
