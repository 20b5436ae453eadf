import { truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openNpy } from '../../../src/calibrate/sources/array_reader.js';
import { writeNpy } from '../../../src/calibrate/sources/npy.js';
import { openSource } from '../../../src/calibrate/sources/open_source.js';
import { floatTensor, int64Tensor } from '../../../src/ir/tensor.js';
import { collect, diagnosticOf, input, lines, rawNpy, temporaryFolders } from './sample_files.js';

const npy = (values: number[], dims: number[] = [values.length]): Uint8Array => writeNpy(floatTensor(values, dims));
const labels = (...values: number[]): Uint8Array => writeNpy(int64Tensor(values));

describe('npy files for a model with one input', () => {
  const folder = temporaryFolders();
  const inputs = [input('x', [1, 2])];

  it('are samples whatever their names, in natural order, from subfolders too', async () => {
    const path = await folder({
      's10.npy': npy([5, 6], [1, 2]),
      's9.npy': npy([3, 4], [1, 2]),
      'a/b/s1.npy': npy([1, 2], [1, 2]),
      'readme.md': 'no data',
      '.hidden.npy': 'no data',
      '.git/x.npy': 'no data',
    });
    const source = await openSource(path, inputs);
    expect(source.count).toBe(3);
    expect(source.description).toBe(`3 .npy files of ${path}`);
    const expected = ['a/b/s1.npy: x[1,2] 1,2', 's9.npy: x[1,2] 3,4', 's10.npy: x[1,2] 5,6'];
    expect(lines(await collect(source))).toEqual(expected);
    expect(lines(await collect(source))).toEqual(expected);
  });

  it('are split into samples that are read one by one', async () => {
    const path = await folder({ 'all.npy': npy([1, 2, 3, 4], [2, 2]), 'more.npy': npy([5, 6], [1, 2]) });
    const source = await openSource(join(path, 'all.npy'), inputs);
    expect(source.count).toBe(2);
    expect(lines(await collect(source))).toEqual(['all.npy[0]: x[1,2] 1,2', 'all.npy[1]: x[1,2] 3,4']);
    expect((await openSource(path, inputs)).count).toBe(3);
  });

  it('are split where they are column-major as well', async () => {
    const header = "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2), }";
    const columns = new Uint8Array(Float32Array.of(1, 3, 2, 4).buffer);
    const path = await folder({ 'all.npy': rawNpy(header, columns) });
    expect(lines(await collect(await openSource(path, inputs)))).toEqual([
      'all.npy[0]: x[1,2] 1,2',
      'all.npy[1]: x[1,2] 3,4',
    ]);
  });

  it('may be larger than memory where rows are read', async () => {
    const path = await folder({ 'all.npy': npy([1, 2, 3, 4], [2, 2]) });
    expect(await collect(await openSource(path, inputs, { maxBytes: 8 }))).toHaveLength(2);
    const whole = await openSource(path, [input('x', ['N', 2])], { maxBytes: 8 });
    expect(await diagnosticOf(collect(whole))).toMatchObject({ code: 'data/too-large', where: 'all.npy' });
  });

  it('are named in messages about their samples', async () => {
    const path = await folder({ 'a.npy': npy([1, 2], [1, 2]), 'b.npy': npy([1, 2, 3], [1, 3]) });
    expect(await diagnosticOf(collect(await openSource(path, inputs)))).toMatchObject({
      code: 'data/wrong-shape',
      where: 'b.npy',
    });
  });

  it('take their labels from labels.npy, row by row', async () => {
    const path = await folder({
      'a.npy': npy([1, 2], [1, 2]),
      'b.npy': npy([3, 4, 5, 6], [2, 2]),
      'labels.npy': labels(7, 8, 9),
    });
    const source = await openSource(path, inputs);
    expect(source.count).toBe(3);
    expect(lines(await collect(source))).toEqual([
      'a.npy: x[1,2] 1,2 = [1] 7',
      'b.npy[0]: x[1,2] 3,4 = [1] 8',
      'b.npy[1]: x[1,2] 5,6 = [1] 9',
    ]);
  });

  it('share labels out evenly, so that a batch gets its own', async () => {
    const path = await folder({
      'a.npy': npy([1, 2], [2, 1]),
      'b.npy': npy([3, 4], [2, 1]),
      'labels.npy': labels(5, 6, 7, 8),
    });
    expect(lines(await collect(await openSource(path, [input('x', ['N', 1])])))).toEqual([
      'a.npy: x[2,1] 1,2 = [2] 5,6',
      'b.npy: x[2,1] 3,4 = [2] 7,8',
    ]);
  });

  it('refuse labels that cannot be dealt out', async () => {
    const sample = npy([1, 2], [1, 2]);
    const uneven = await folder({ 'a.npy': sample, 'b.npy': sample, 'labels.npy': labels(1, 2, 3) });
    expect(await diagnosticOf(openSource(uneven, inputs))).toMatchObject({
      code: 'data/wrong-labels',
      where: 'labels.npy',
    });
    const twice = await folder({ 'a.npy': sample, 'labels.npy': labels(1), 's/label.npy': labels(1) });
    expect((await diagnosticOf(openSource(twice, inputs))).code).toBe('data/wrong-labels');
    const alone = await folder({ 'labels.npy': labels(1) });
    expect((await diagnosticOf(openSource(alone, inputs))).code).toBe('data/empty');
  });

  it('feed an input called labels', async () => {
    const path = await folder({ 'labels.npy': npy([1, 2], [1, 2]) });
    expect(lines(await collect(await openSource(path, [input('labels', [1, 2])])))).toEqual([
      'labels.npy: labels[1,2] 1,2',
    ]);
  });

  it('are refused when opened where they are malformed', async () => {
    const path = await folder({ 'a.npy': 'no array' });
    expect(await diagnosticOf(openSource(path, inputs))).toMatchObject({ code: 'data/malformed-npy', where: 'a.npy' });
  });
});

describe('npy files for a model with several inputs', () => {
  const folder = temporaryFolders();
  const inputs = [input('x', [1, 2]), input('n', ['N'], 'int64')];

  it('are named after the inputs', async () => {
    const path = await folder({ 'x.npy': npy([1, 2], [1, 2]), 'n.npy': labels(3) });
    expect(lines(await collect(await openSource(path, inputs)))).toEqual(['n.npy+x.npy: x[1,2] 1,2; n[1] 3']);
  });

  it('may hold many samples together', async () => {
    const path = await folder({ 'x.npy': npy([1, 2, 3, 4], [2, 2]), 'n.npy': labels(5, 6) });
    const source = await openSource(path, inputs);
    expect(source.count).toBe(2);
    expect(lines(await collect(source))).toEqual([
      'n.npy+x.npy[0]: x[1,2] 1,2; n[1] 5',
      'n.npy+x.npy[1]: x[1,2] 3,4; n[1] 6',
    ]);
  });

  it('belong together by a prefix or a folder', async () => {
    const path = await folder({
      's2.x.npy': npy([3, 4], [1, 2]),
      's2.n.npy': labels(2),
      's1.a.x.npy': npy([1, 2], [1, 2]),
      's1.a.n.npy': labels(1),
      's3/x.npy': npy([5, 6], [1, 2]),
      's3/n.npy': labels(3),
    });
    expect(lines(await collect(await openSource(path, inputs)))).toEqual([
      's1.a: x[1,2] 1,2; n[1] 1',
      's2: x[1,2] 3,4; n[1] 2',
      's3: x[1,2] 5,6; n[1] 3',
    ]);
  });

  it('prefer the whole name, then the longest, where one input name ends in another', async () => {
    const path = await folder({
      'a.x.npy': npy([1]),
      'x.npy': npy([2]),
      's/t.a.x.npy': npy([3]),
      's/t.x.npy': npy([4]),
    });
    expect(lines(await collect(await openSource(path, [input('x', [1]), input('a.x', [1])])))).toEqual([
      'a.x.npy+x.npy: x[1] 2; a.x[1] 1',
      's/t: x[1] 4; a.x[1] 3',
    ]);
  });

  it('write _ for letters that file names cannot hold', async () => {
    const path = await folder({ 'a_b_0.npy': npy([1]), 'y.npy': npy([2]) });
    expect(lines(await collect(await openSource(path, [input('a/b:0', [1]), input('y', [1])])))).toEqual([
      'a_b_0.npy+y.npy: a/b:0[1] 1; y[1] 2',
    ]);
    const clash = [input('a/b', [1]), input('a:b', [1])];
    const both = await folder({ 'a_b.npy': npy([1]) });
    expect((await diagnosticOf(openSource(both, clash))).code).toBe('data/unknown-input');
  });

  it('are refused where the name is no input, or one is given twice', async () => {
    const unnamed = await folder({ 'x.npy': npy([1, 2], [1, 2]), 'other.npy': labels(3) });
    expect(await diagnosticOf(openSource(unnamed, inputs))).toMatchObject({
      code: 'data/unknown-input',
      where: 'other.npy',
      help: expect.stringContaining('<sample>.<input>.npy'),
    });
    const twice = await folder({ 'a_b.npy': npy([1]), 'y.npy': npy([1]), 'a_b.NPY': npy([1]) });
    expect(await diagnosticOf(openSource(twice, [input('a/b', [1]), input('y', [1])]))).toMatchObject({
      code: 'data/unknown-input',
      message: expect.stringContaining('a second array'),
    });
  });

  it('are refused where an input has no file', async () => {
    const path = await folder({ 's1.x.npy': npy([1, 2], [1, 2]) });
    expect(await diagnosticOf(collect(await openSource(path, inputs)))).toMatchObject({
      code: 'data/missing-input',
      where: 's1',
      message: 'no data for "n"',
    });
  });
});

describe('openNpy', () => {
  const folder = temporaryFolders();

  it('refuses a file that shrinks after it was opened', async () => {
    const path = join(await folder({ 'a.npy': npy([1, 2, 3]) }), 'a.npy');
    const array = await openNpy({ path, name: 'a.npy' }, 1000);
    await truncate(path, 130);
    expect((await diagnosticOf(array.readAll())).code).toBe('data/malformed-npy');
  });

  it('refuses what is no file, or none that can be read', async () => {
    const path = await folder({});
    expect((await diagnosticOf(openNpy({ path, name: 'a' }, 1000))).code).toBe('data/unreadable');
    expect(await diagnosticOf(openNpy({ path: join(path, 'no.npy'), name: 'no.npy' }, 1000))).toMatchObject({
      code: 'data/unreadable',
      where: 'no.npy',
      message: expect.stringContaining('ENOENT'),
    });
  });
});
