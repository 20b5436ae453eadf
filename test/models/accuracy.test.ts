import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadDigits } from '../../fixtures/digits/digits_data.mjs';
import { loadLines, readText, recognizerFile } from '../../fixtures/lines/lines_data.mjs';
import { openSession } from '../../src/backends/ort/session.js';
import { floatTensor, tensorData } from '../../src/ir/tensor.js';
import { optimize } from '../../src/optimize.js';
import { fixture } from '../cli/run_cli.js';

let folder: string;
beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'onnxopt-accuracy-'));
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

async function toInt8(model: string, data: string): Promise<string> {
  const output = path.join(folder, path.basename(model));
  await optimize({
    model,
    output,
    target: 'ort-cpu',
    precision: 'int8',
    quantization: { gate: 'none' },
    calibration: { data },
  });
  return output;
}

describe('int8 answers as float does', () => {
  it('on 3,005 held-back digits, within 0.3 points of accuracy', async () => {
    const float = fixture('digits/digits.onnx');
    const digits = loadDigits('held-back');
    expect(digits.length).toBeGreaterThanOrEqual(2000);
    const accuracyOf = async (file: string) => {
      const session = await openSession({ path: file });
      let right = 0;
      for (let start = 0; start < digits.length; start += 200) {
        const part = digits.slice(start, start + 200);
        const images = new Float32Array(part.length * 784);
        for (const [index, { image }] of part.entries()) images.set(image, index * 784);
        const results = await session.run(new Map([['image', floatTensor(images, [part.length, 1, 28, 28])]]));
        const logits = tensorData(results.get('logits')!) as Float32Array;
        for (const [index, { label }] of part.entries()) {
          const scores = logits.subarray(index * 10, index * 10 + 10);
          if (scores.indexOf(Math.max(...scores)) === label) right += 1;
        }
      }
      await session.close();
      return right / digits.length;
    };
    const before = await accuracyOf(float);
    const after = await accuracyOf(await toInt8(float, fixture('digits/calibration.mjs')));
    expect(before).toBeGreaterThan(0.99);
    expect(after).toBeGreaterThanOrEqual(before - 0.003);
  });

  it('on 20 rendered lines, 18 of which the recognizer reads as before', async () => {
    const lines = await loadLines('test');
    expect(lines).toHaveLength(20);
    const readAll = async (file: string) => {
      const session = await openSession({ path: file });
      const texts: string[] = [];
      for (const { data, dims } of lines) {
        const results = await session.run(new Map([['x', floatTensor(data, dims)]]));
        const [output] = results.values();
        texts.push(readText(tensorData(output!) as Float32Array, output!.dims));
      }
      await session.close();
      return texts;
    };
    const before = await readAll(recognizerFile);
    const after = await readAll(await toInt8(recognizerFile, fixture('lines/calibration.mjs')));
    expect(before.filter((text, index) => text.trim() === lines[index]!.text).length).toBeGreaterThanOrEqual(18);
    const same = after.filter((text, index) => text === before[index]).length;
    console.info(
      `${same} of 20 lines read as before`,
      after.filter((text, index) => text !== before[index]),
    );
    expect(same).toBeGreaterThanOrEqual(18);
  });
});
