import { join } from 'node:path';
import { zipSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import { writeNpy } from '../../../src/calibrate/sources/npy.js';
import { openSource } from '../../../src/calibrate/sources/open_source.js';
import { floatTensor, int64Tensor, type Tensor } from '../../../src/ir/tensor.js';
import { collect, diagnosticOf, input, lines, temporaryFolders } from './sample_files.js';

const npz = (arrays: Record<string, Tensor>): Uint8Array =>
  zipSync(Object.fromEntries(Object.entries(arrays).map(([key, tensor]) => [`${key}.npy`, writeNpy(tensor)])));

describe('npz files', () => {
  const folder = temporaryFolders();
  const inputs = [input('x', [1, 2]), input('n', ['N'], 'int64')];

  it('hold a sample each, under the names of the inputs', async () => {
    const path = await folder({
      '10.npz': npz({ n: int64Tensor([2]), x: floatTensor([3, 4], [1, 2]) }),
      '9.npz': npz({ n: int64Tensor([1]), x: floatTensor([1, 2], [1, 2]) }),
    });
    const source = await openSource(path, inputs);
    const expected = ['9.npz: x[1,2] 1,2; n[1] 1', '10.npz: x[1,2] 3,4; n[1] 2'];
    expect(lines(await collect(source))).toEqual(expected);
    expect(lines(await collect(source))).toEqual(expected);
  });

  it('are split together with their labels', async () => {
    const path = await folder({
      'all.npz': npz({
        x: floatTensor([1, 2, 3, 4], [2, 2]),
        n: int64Tensor([5, 6]),
        label: int64Tensor([7, 8]),
      }),
    });
    expect(lines(await collect(await openSource(join(path, 'all.npz'), inputs)))).toEqual([
      'all.npz[0]: x[1,2] 1,2; n[1] 5 = [1] 7',
      'all.npz[1]: x[1,2] 3,4; n[1] 6 = [1] 8',
    ]);
  });

  it('take any single key for a single input, labels aside', async () => {
    const one = [input('x', ['N'])];
    const path = await folder({ 'a.npz': npz({ arr_0: floatTensor([1]), labels: int64Tensor([2, 3]) }) });
    expect(lines(await collect(await openSource(path, one)))).toEqual(['a.npz: x[1] 1 = [2] 2,3']);
    const two = await folder({ 'a.npz': npz({ x: floatTensor([1]), arr_1: floatTensor([1]) }) });
    expect((await diagnosticOf(collect(await openSource(two, one)))).code).toBe('data/unknown-input');
  });

  it('tell their number where they are not split', async () => {
    const path = await folder({ 'a.npz': npz({ x: floatTensor([1]) }) });
    expect((await openSource(path, [input('x', [1])], { split: false })).count).toBe(1);
    expect((await openSource(path, [input('x', [1])])).count).toBeUndefined();
  });

  it('refuse keys that no input has and inputs that have no key', async () => {
    const unknown = await folder({ 'a.npz': npz({ y: floatTensor([1, 2], [1, 2]), n: int64Tensor([1]) }) });
    expect(await diagnosticOf(collect(await openSource(unknown, inputs)))).toMatchObject({
      code: 'data/unknown-input',
      where: 'a.npz',
      message: expect.stringContaining('is this "x"?'),
    });
    const missing = await folder({ 'a.npz': npz({ x: floatTensor([1, 2], [1, 2]) }) });
    expect((await diagnosticOf(collect(await openSource(missing, inputs)))).code).toBe('data/missing-input');
    const empty = await folder({ 'a.npz': npz({}) });
    expect((await diagnosticOf(collect(await openSource(empty, [input('x')])))).code).toBe('data/missing-input');
  });

  it('refuse labels that do not fit their samples', async () => {
    const one = [input('x', [1])];
    const two = await folder({
      'a.npz': npz({ x: floatTensor([1]), label: int64Tensor([1]), labels: int64Tensor([1]) }),
    });
    expect((await diagnosticOf(collect(await openSource(two, one)))).code).toBe('data/wrong-labels');
    const uneven = await folder({ 'a.npz': npz({ x: floatTensor([1, 2]), labels: int64Tensor([1, 2, 3]) }) });
    expect(await diagnosticOf(collect(await openSource(uneven, one)))).toMatchObject({
      code: 'data/wrong-labels',
      where: 'a.npz["labels"]',
    });
    const beside = await folder({ 'a.npz': npz({ x: floatTensor([1]) }), 'labels.npy': writeNpy(int64Tensor([1])) });
    expect((await diagnosticOf(openSource(beside, one))).code).toBe('data/wrong-labels');
  });

  it('refuse archives past the limit and archives that are none', async () => {
    const path = await folder({ 'a.npz': npz({ x: floatTensor(new Float32Array(1000)) }), 'b.npz': 'no archive' });
    const source = await openSource(join(path, 'a.npz'), [input('x')], { maxBytes: 2000 });
    expect((await diagnosticOf(collect(source))).code).toBe('data/too-large');
    expect(await diagnosticOf(collect(await openSource(join(path, 'b.npz'), [input('x')])))).toMatchObject({
      code: 'data/malformed-npz',
      where: 'b.npz',
    });
  });

  it('are cast only when asked, and only where no value is lost', async () => {
    const double = { ...floatTensor([1.5]) };
    const path = await folder({ 'a.npz': npz({ x: double }) });
    const asDouble = [input('x', [1], 'double')];
    expect(await diagnosticOf(collect(await openSource(path, asDouble)))).toMatchObject({
      code: 'data/wrong-type',
      help: expect.stringContaining('cast'),
    });
    expect(lines(await collect(await openSource(path, asDouble, { cast: true })))).toEqual(['a.npz: x[1] 1.5']);
    const asInteger = await openSource(path, [input('x', [1], 'int64')], { cast: true });
    expect(await diagnosticOf(collect(asInteger))).toMatchObject({ code: 'data/wrong-type', where: 'a.npz, "x"' });
  });
});
