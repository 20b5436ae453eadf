import { describe, expect, it } from 'vitest';
import { checkFeeds } from '../../../src/calibrate/sources/check_feeds.js';
import { mul, symbol } from '../../../src/ir/dim.js';
import { floatTensor, int64Tensor, type Tensor } from '../../../src/ir/tensor.js';
import { diagnosticOf, input } from './sample_files.js';

const feeds = (tensors: Record<string, Tensor>): Map<string, Tensor> => new Map(Object.entries(tensors));

const check = (tensors: Record<string, Tensor>, ...inputs: ReturnType<typeof input>[]) =>
  checkFeeds(feeds(tensors), inputs, 'a.npz');

const zeros = (...dims: number[]): Tensor =>
  floatTensor(new Float32Array(dims.reduce((product, dim) => product * dim, 1)), dims);

describe('checkFeeds', () => {
  it('gives the feeds in the order of the inputs', () => {
    const checked = check({ b: zeros(1), a: zeros(2) }, input('a', [2]), input('b', [1]));
    expect([...checked.keys()]).toEqual(['a', 'b']);
  });

  it('takes anything where nothing is known', () => {
    expect(check({ a: zeros(2, 3) }, { name: 'a', type: undefined }).size).toBe(1);
    expect(check({ a: zeros(2, 3) }, input('a')).size).toBe(1);
    expect(check({ a: zeros(2, 3) }, input('a', [undefined, 'N'])).size).toBe(1);
  });

  it('refuses a name that no input has, and points to the one it may mean', async () => {
    expect(await diagnosticOf(() => check({ A: zeros(1) }, input('a', [1])))).toMatchObject({
      code: 'data/unknown-input',
      where: 'a.npz',
      message: expect.stringContaining('is this "a"?'),
      help: expect.stringContaining('"a"'),
    });
    expect(await diagnosticOf(() => check({ a: zeros(1), b: zeros(1) }, input('a', [1])))).toMatchObject({
      code: 'data/unknown-input',
      message: '"b" is not an input of the model',
    });
  });

  it('refuses a sample that lacks inputs', async () => {
    expect(await diagnosticOf(() => check({}, input('a', [1]), input('b', [1])))).toMatchObject({
      code: 'data/missing-input',
      message: 'no data for "a", "b"',
    });
  });

  it('refuses another element type', async () => {
    expect(await diagnosticOf(() => check({ a: int64Tensor([1]) }, input('a', [1])))).toMatchObject({
      code: 'data/wrong-type',
      message: '"a" takes float, the sample has int64',
    });
  });

  it('refuses another rank or size, with a hint at the batch axis', async () => {
    expect(await diagnosticOf(() => check({ a: zeros(2, 3) }, input('a', [2, 4])))).toMatchObject({
      code: 'data/wrong-shape',
      message: '"a" takes [2, 4], the sample has [2, 3]',
    });
    const unbatched = await diagnosticOf(() => check({ a: zeros(3) }, input('a', [1, 3])));
    expect(unbatched.help).toContain('batch axis');
    const many = await diagnosticOf(() => check({ a: zeros(8, 3) }, input('a', [4, 3])));
    expect(many.help).toContain('split');
  });

  it('binds a symbol to one size in a sample', async () => {
    const inputs = [input('a', ['N', 3]), input('b', ['N'])];
    expect(check({ a: zeros(2, 3), b: zeros(2) }, ...inputs).size).toBe(2);
    expect(await diagnosticOf(() => check({ a: zeros(2, 3), b: zeros(4) }, ...inputs))).toMatchObject({
      code: 'data/wrong-shape',
      message: expect.stringContaining('N is 4 here and 2 in "a"'),
    });
  });

  it('evaluates expressions over bound symbols, whichever input binds them', async () => {
    const inputs = [input('a', [mul(2, symbol('N')) as ReturnType<typeof symbol>]), input('b', ['N'])];
    expect(check({ a: zeros(6), b: zeros(3) }, ...inputs).size).toBe(2);
    expect(await diagnosticOf(() => check({ a: zeros(5), b: zeros(3) }, ...inputs))).toMatchObject({
      code: 'data/wrong-shape',
      message: expect.stringContaining('is 6 in this sample'),
    });
  });
});
