import { describe, expect, it } from 'vitest';
import { openSource } from '../../../src/calibrate/sources/open_source.js';
import { randomSource } from '../../../src/calibrate/sources/random_source.js';
import type { Diagnostic } from '../../../src/ir/diagnostic.js';
import { mul, symbol } from '../../../src/ir/dim.js';
import { collect, diagnosticOf, input, lines, values } from './sample_files.js';

describe('random samples', () => {
  it('come only for the word random, with a warning', async () => {
    const diagnostics: Diagnostic[] = [];
    const source = await openSource('random', [input('x', [2])], {
      random: { count: 2, seed: 1 },
      onDiagnostic: (diagnostic) => diagnostics.push(diagnostic),
    });
    expect(diagnostics).toMatchObject([{ code: 'calibrate/random-data', severity: 'warning' }]);
    expect(source).toMatchObject({ count: 2, description: '2 random samples, seed 1' });
    expect(await collect(source)).toHaveLength(2);
    expect((await diagnosticOf(openSource('Random', [input('x', [2])]))).code).toBe('data/not-found');
  });

  it('are the same for the same seed, on every machine', async () => {
    const inputs = [input('x', [2]), input('n', [6], 'int64'), input('p', [3], 'uint8')];
    const first = lines(await collect(randomSource(inputs, { count: 2 })));
    expect(first).toMatchInlineSnapshot(`
      [
        "random[0]: x[2] -0.6457822322845459,0.5367823243141174; n[6] 0,1,0,0,1,1; p[3] 80,234,123",
        "random[1]: x[2] -0.23673728108406067,-1.141678810119629; n[6] 0,0,1,0,1,1; p[3] 70,81,27",
      ]
    `);
    expect(lines(await collect(randomSource(inputs, { count: 2, seed: 0 })))).toEqual(first);
    for (const seed of [1, -1, 2 ** 32, 2 ** 40]) {
      expect(lines(await collect(randomSource(inputs, { count: 2, seed })))).not.toEqual(first);
    }
  });

  it('do not depend on the size of other inputs', async () => {
    const last = async (size: number) => {
      const [sample] = await collect(randomSource([input('a', [size]), input('b', [4])]));
      return values(sample!.feeds.get('b'));
    };
    expect(await last(1)).toEqual(await last(100));
  });

  it('are floats of mean 0 and variance 1 between -6 and 6', async () => {
    const [sample] = await collect(randomSource([input('x', [10_000])]));
    const numbers = values(sample!.feeds.get('x')).map(Number);
    const mean = numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
    const variance = numbers.reduce((sum, number) => sum + (number - mean) ** 2, 0) / numbers.length;
    expect(Math.abs(mean)).toBeLessThan(0.05);
    expect(Math.abs(variance - 1)).toBeLessThan(0.05);
    expect(Math.max(...numbers.map(Math.abs))).toBeLessThan(6);
  });

  it.each([
    ['uint8', 0, 255],
    ['int8', -128, 127],
    ['bool', 0, 1],
    ['int16', 0, 1],
    ['uint32', 0, 1],
    ['int64', 0, 1],
  ] as const)('are %s from %d to %d', async (dtype, least, greatest) => {
    const [sample] = await collect(randomSource([input('x', [5000], dtype)]));
    const numbers = values(sample!.feeds.get('x')).map(Number);
    expect([Math.min(...numbers), Math.max(...numbers)]).toEqual([least, greatest]);
  });

  it.each(['float16', 'bfloat16', 'double', 'complex64', 'complex128'] as const)('are made of %s', async (dtype) => {
    const [sample] = await collect(randomSource([input('x', [3], dtype)]));
    expect(sample!.feeds.get('x')).toMatchObject({ dtype, dims: [3] });
  });

  it('take 1 for an open first dimension, everywhere its symbol stands', async () => {
    const inputs = [input('x', ['N', 2]), input('y', [3, 'N']), input('z', [undefined])];
    const [sample] = await collect(randomSource(inputs, { count: 1 }));
    expect([...sample!.feeds.values()].map(({ dims }) => dims)).toEqual([[1, 2], [3, 1], [1]]);
  });

  it('take other sizes from bind, expressions and nameless dimensions too', async () => {
    const doubled = mul(2, symbol('L')) as ReturnType<typeof symbol>;
    const inputs = [input('x', ['N', 'L']), input('y', [1, doubled]), input('z', [1, undefined])];
    const [sample] = await collect(randomSource(inputs, { bind: { N: 2, L: 3, 'z[1]': 4 } }));
    expect([...sample!.feeds.values()].map(({ dims }) => dims)).toEqual([
      [2, 3],
      [1, 6],
      [1, 4],
    ]);
  });

  it('refuse dimensions that nobody bound', async () => {
    expect(await diagnosticOf(() => randomSource([input('x', ['N', 'L'])]))).toMatchObject({
      code: 'data/open-dimension',
      where: 'x',
      help: 'Bind L to a size',
    });
    expect(await diagnosticOf(() => randomSource([input('x', [1, undefined])]))).toMatchObject({
      code: 'data/open-dimension',
      help: 'Bind x[1] to a size',
    });
  });

  it('refuse bindings of no dimension, and sizes that are none', async () => {
    expect(await diagnosticOf(() => randomSource([input('x', ['N'])], { bind: { n: 1 } }))).toMatchObject({
      code: 'data/unknown-symbol',
      help: expect.stringContaining('N'),
    });
    expect((await diagnosticOf(() => randomSource([input('x', ['N'])], { bind: { N: 1.5 } }))).code).toBe(
      'data/open-dimension',
    );
  });

  it('refuse inputs that cannot be drawn', async () => {
    for (const spec of [
      input('x', [1], 'string'),
      input('x', [2], 'int4'),
      input('x'),
      { name: 'x', type: undefined },
    ]) {
      expect((await diagnosticOf(() => randomSource([spec]))).code).toBe('data/unsupported-input');
    }
    expect((await diagnosticOf(() => randomSource([input('x', [2 ** 30])]))).code).toBe('data/too-large');
  });

  it('refuse no samples, and seeds that are no whole number', async () => {
    expect((await diagnosticOf(() => randomSource([], { count: 0 }))).code).toBe('data/bad-value');
    expect((await diagnosticOf(() => randomSource([], { seed: 0.5 }))).code).toBe('data/bad-value');
  });
});
