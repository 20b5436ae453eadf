import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { labelled, openLabels } from '../../../src/calibrate/sources/label_file.js';
import { floatTensor, tensorData } from '../../../src/ir/tensor.js';

let folder: string;
beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'onnxopt-labels-'));
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

async function read(name: string, content: string | Uint8Array): Promise<number[]> {
  fs.writeFileSync(path.join(folder, name), content);
  const tensor = await (await openLabels(name, folder)).readAll();
  return Array.from(tensorData(tensor), Number);
}

const codeOf = (name: string, content: string) =>
  read(name, content).then(String, (error: { diagnostic: { code: string } }) => error.diagnostic.code);

it('reads a label a line, also as the last field, below a heading or none', async () => {
  expect(await read('a.txt', '3\n0\r\n12\n')).toEqual([3, 0, 12]);
  expect(await read('b.csv', 'file,label\na.png,1\n"b, c.png","2"\n')).toEqual([1, 2]);
  expect(await read('c.tsv', 'a.png\t7')).toEqual([7]);
});

it('reads a JSON array', async () => {
  expect(await read('a.json', '[4, 0]')).toEqual([4, 0]);
});

it('reads npy', async () => {
  const header = `{'descr': '<i4', 'fortran_order': False, 'shape': (2,), }${' '.repeat(60)}\n`;
  const start = Buffer.from([0x93, ...Buffer.from('NUMPY'), 1, 0, header.length, 0]);
  const values = Buffer.from(Int32Array.of(5, 6).buffer);
  expect(await read('a.npy', Buffer.concat([start, Buffer.from(header), values]))).toEqual([5, 6]);
});

it('takes numbers and tensors as they are', async () => {
  expect((await openLabels([1, 2])).dims).toEqual([2]);
  expect((await openLabels(floatTensor([1, 2, 3, 4], [2, 2]))).dims).toEqual([2, 2]);
});

it('refuses what holds no labels', async () => {
  expect(await codeOf('bad.txt', '1\ncat\n')).toBe('data/wrong-labels');
  expect(await codeOf('bad.json', '[1.5]')).toBe('data/wrong-labels');
  expect(await codeOf('bad.json', '{}')).toBe('data/wrong-labels');
  expect(await codeOf('bad.json', '[1')).toBe('data/wrong-labels');
  await expect(openLabels('missing.txt', folder)).rejects.toMatchObject({ diagnostic: { code: 'data/unreadable' } });
});

it('labels samples that nobody has counted, one each, and misses and left-overs are errors', async () => {
  const source = (count: number) => ({
    description: 'samples',
    async *samples() {
      for (let at = 0; at < count; at += 1) yield { name: `${at}`, feeds: new Map() };
    },
  });
  const labelsOf = async (count: number) => {
    const found: number[] = [];
    for await (const { labels } of labelled(source(count), await openLabels([7, 8])).samples()) {
      found.push(Number(tensorData(labels!)[0]));
    }
    return found;
  };
  expect(await labelsOf(2)).toEqual([7, 8]);
  await expect(labelsOf(1)).rejects.toMatchObject({ diagnostic: { code: 'data/wrong-labels' } });
  await expect(labelsOf(3)).rejects.toMatchObject({ diagnostic: { code: 'data/wrong-labels' } });
});
