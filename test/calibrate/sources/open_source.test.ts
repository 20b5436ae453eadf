import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { zipSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import { writeNpy } from '../../../src/calibrate/sources/npy.js';
import { openSource } from '../../../src/calibrate/sources/open_source.js';
import { floatTensor } from '../../../src/ir/tensor.js';
import { collect, diagnosticOf, input, lines, temporaryFolders } from './sample_files.js';

const inputs = [input('x', [1])];
const npy = (value: number): Uint8Array => writeNpy(floatTensor([value]));

describe('openSource', () => {
  const folder = temporaryFolders();

  it('takes globs, relative to cwd, and names files by it', async () => {
    const cwd = await folder({ 'a/s10.npy': npy(2), 'a/s9.npy': npy(1), 'b/s1.npy': npy(3), 'a/s.txt': '' });
    expect(lines(await collect(await openSource('a/*.npy', inputs, { cwd })))).toEqual([
      'a/s9.npy: x[1] 1',
      'a/s10.npy: x[1] 2',
    ]);
    expect(await collect(await openSource('**/*', inputs, { cwd }))).toHaveLength(3);
    expect(await collect(await openSource(join(cwd, '*/s{1,9}.npy'), inputs))).toHaveLength(2);
  });

  it('takes a path that exists for itself, whatever letters it has', async () => {
    const cwd = await folder({ 'a[1] (b).npy': npy(1), 'a1.npy': npy(2), 'random/s.npy': npy(3) });
    expect(lines(await collect(await openSource('a[1] (b).npy', inputs, { cwd })))).toEqual(['a[1] (b).npy: x[1] 1']);
    expect(lines(await collect(await openSource('./random', inputs, { cwd })))).toEqual(['s.npy: x[1] 3']);
  });

  it('follows links to files, and not to folders', async () => {
    const path = await folder({ 'data/a.npy': npy(1), 'other/b.npy': npy(2) });
    await symlink(join(path, 'other/b.npy'), join(path, 'data/b.npy'));
    await symlink(path, join(path, 'data/loop'));
    expect(lines(await collect(await openSource(join(path, 'data'), inputs)))).toEqual([
      'a.npy: x[1] 1',
      'b.npy: x[1] 2',
    ]);
  });

  it('reports a link to nowhere', async () => {
    const path = await folder({ 'a.npy': npy(1) });
    await symlink(join(path, 'nowhere'), join(path, 'b.npy'));
    expect(await diagnosticOf(openSource(path, inputs))).toMatchObject({ code: 'data/unreadable', where: 'b.npy' });
  });

  it('refuses what does not exist, is empty, or of no kind it reads', async () => {
    const cwd = await folder({ 'model.onnx': '', 'empty/readme.md': '' });
    expect(await diagnosticOf(openSource('nowhere', inputs, { cwd }))).toMatchObject({
      code: 'data/not-found',
      where: 'nowhere',
    });
    expect(await diagnosticOf(openSource('empty', inputs, { cwd }))).toMatchObject({
      code: 'data/empty',
      where: 'empty',
      help: expect.stringContaining('.npy'),
    });
    expect((await diagnosticOf(openSource('*.npy', inputs, { cwd }))).code).toBe('data/empty');
    expect((await diagnosticOf(openSource('model.onnx', inputs, { cwd }))).code).toBe('data/unknown-format');
  });

  it('refuses files of several kinds', async () => {
    const path = await folder({ 'a.npy': npy(1), 'b.npz': zipSync({}) });
    expect(await diagnosticOf(openSource(path, inputs))).toMatchObject({
      code: 'data/mixed-kinds',
      message: 'files of several kinds: a.npy, b.npz',
    });
  });

  it('refuses inputs that are no tensors', async () => {
    const spec = { name: 's', type: { kind: 'sequence', element: undefined } } as const;
    expect(await diagnosticOf(openSource([], [spec]))).toMatchObject({ code: 'data/unsupported-input', where: 's' });
  });

  it('gives samples in which symbols have one size', async () => {
    const two = [input('x', ['N']), input('y', ['N'])];
    const path = await folder({ 'a.x.npy': npy(1), 'a.y.npy': writeNpy(floatTensor([1, 2])) });
    expect(await diagnosticOf(collect(await openSource(path, two)))).toMatchObject({
      code: 'data/wrong-shape',
      where: 'a',
      message: expect.stringContaining('N is 2 here and 1 in "x"'),
    });
  });
});
