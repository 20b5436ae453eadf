import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openSource, type SourceSpec } from '../../../src/calibrate/sources/open_source.js';
import { floatTensor } from '../../../src/ir/tensor.js';
import { collect, diagnosticOf, input, lines, temporaryFolders } from './sample_files.js';

const inputs = [input('x', [1, 2])];

describe('a module', () => {
  const folder = temporaryFolders();
  const sample = (a: number) => `{ x: Float32Array.of(${a}, ${a + 1}) }`;

  const open = async (name: string, code: string) => openSource(join(await folder({ [name]: code }), name), inputs);

  it.each([
    ['samples.mjs', `export const samples = [${sample(1)}, ${sample(3)}];`],
    ['samples.mjs', `export default [${sample(1)}, ${sample(3)}];`],
    ['samples.mjs', `export function* samples() { yield ${sample(1)}; yield ${sample(3)}; }`],
    ['samples.mjs', `export async function* samples() { yield ${sample(1)}; yield ${sample(3)}; }`],
    ['samples.mjs', `export const samples = async () => [${sample(1)}, Promise.resolve(${sample(3)})];`],
    ['samples.mjs', `export default new Set([${sample(1)}, ${sample(3)}]);`],
    ['samples.js', `module.exports = [${sample(1)}, ${sample(3)}];`],
    ['samples.js', `exports.samples = () => [${sample(1)}, ${sample(3)}];`],
    [
      'samples.ts',
      `type Feeds = { x: Float32Array };
       export default function* (): Generator<Feeds> { yield ${sample(1)}; yield ${sample(3)} satisfies Feeds; }`,
    ],
  ])('in %s gives samples, again and again: %s', async (name, code) => {
    const source = await open(name, code);
    const expected = [`${name}[0]: x[1,2] 1,2`, `${name}[1]: x[1,2] 3,4`];
    expect(lines(await collect(source))).toEqual(expected);
    expect(lines(await collect(source))).toEqual(expected);
  });

  it('prefers its export samples to its default', async () => {
    const source = await open('s.mjs', `export const samples = [${sample(1)}]; export default [];`);
    expect(source.count).toBe(1);
  });

  it('may import its neighbours', async () => {
    const path = await folder({
      'samples.ts': `import { first } from './data.ts'; export const samples = [{ x: first }];`,
      'data.ts': 'export const first: number[] = [1, 2];',
    });
    expect(await collect(await openSource(join(path, 'samples.ts'), inputs))).toHaveLength(1);
  });

  it('is never run because a folder or a glob finds it', async () => {
    const path = await folder({ 'samples.mjs': 'throw new Error("run")' });
    expect((await diagnosticOf(openSource(path, inputs))).code).toBe('data/empty');
    expect((await diagnosticOf(openSource(join(path, '*.mjs'), inputs))).code).toBe('data/empty');
  });

  it.each([
    ['export const other = [];', 'exports no samples'],
    ['export const samples = 3;', 'exports no samples'],
  ])('is refused where it gives nothing to iterate: %s', async (code, message) => {
    const diagnostic = await diagnosticOf(open('s.mjs', code));
    expect(diagnostic).toMatchObject({ code: 'data/bad-module', where: 's.mjs' });
    expect(diagnostic.message).toContain(message);
    expect(diagnostic.help).toContain('Export samples');
  });

  it('is refused where it cannot be run', async () => {
    for (const code of ['throw new Error("my fault");', 'export const = ;', 'import "./nowhere.mjs";']) {
      expect(await diagnosticOf(open('s.mjs', code))).toMatchObject({ code: 'data/module-failed', where: 's.mjs' });
    }
  });

  it.each([
    ['export const samples = () => 3;', 'data/bad-module'],
    ['export const samples = [3];', 'data/bad-module'],
    ['export const samples = [[1, 2]];', 'data/bad-module'],
    ['export const samples = () => { throw new Error("late") };', 'data/module-failed'],
    ['export const samples = async () => { throw new Error("late") };', 'data/module-failed'],
    ['export function* samples() { throw new Error("late") }', 'data/module-failed'],
    ['export const samples = () => [Promise.reject("late")];', 'data/module-failed'],
    ['export const samples = () => [{ get x() { throw new Error("late") } }];', 'data/module-failed'],
    ['export const samples = [{ y: [1, 2] }];', 'data/unknown-input'],
    ['export const samples = [{}];', 'data/missing-input'],
    ['export const samples = [{ x: [1, 2], label: 1, labels: 1 }];', 'data/wrong-labels'],
  ])('fails with a diagnostic when it is read: %s', async (code, expected) => {
    const diagnostic = await diagnosticOf(collect(await open('s.mjs', code)));
    expect(diagnostic.code).toBe(expected);
    expect(diagnostic.where).toMatch(/^s\.mjs/);
  });
});

describe('samples that a program gives', () => {
  const open = (spec: unknown) => openSource(spec as SourceSpec, inputs);

  it('may be iterables, functions, module exports and maps', async () => {
    const feeds = { x: [1, 2] };
    for (const spec of [
      [feeds],
      () => [feeds],
      { samples: [feeds] },
      { default: () => [feeds] },
      [new Map([['x', [1, 2]]])],
    ]) {
      expect(lines(await collect(await open(spec)))).toEqual(['samples[0]: x[1,2] 1,2']);
    }
  });

  it('carry labels beside the inputs', async () => {
    const source = await open([
      { x: [1, 2], label: 3 },
      { x: [1, 2], labels: [3, 4] },
      { x: [1, 2], labels: { data: Float32Array.of(1, 2), dims: [2, 1] } },
    ]);
    expect(lines(await collect(source))).toEqual([
      'samples[0]: x[1,2] 1,2 = [1] 3',
      'samples[1]: x[1,2] 1,2 = [2] 3,4',
      'samples[2]: x[1,2] 1,2 = [2,1] 1,2',
    ]);
    expect((await collect(source)).map(({ labels }) => labels?.dtype)).toEqual(['int64', 'int64', 'float']);
  });

  it('may be a source, whose samples are checked as well', async () => {
    const tensor = floatTensor([1, 2], [1, 2]);
    async function* samples(name: string) {
      yield { name: 'one', feeds: new Map([[name, tensor]]) };
    }
    const source = await open({ description: 'mine', count: 1, samples: () => samples('x') });
    expect(source).toMatchObject({ description: 'mine', count: 1 });
    expect(lines(await collect(source))).toEqual(['one: x[1,2] 1,2']);
    const wrong = await open({ description: 'mine', samples: () => samples('y') });
    expect((await diagnosticOf(collect(wrong))).code).toBe('data/unknown-input');
  });

  it('are refused a second time where a generator is used up', async () => {
    const source = await open([{ x: [1, 2] }].values());
    expect(await collect(source)).toHaveLength(1);
    expect((await diagnosticOf(collect(source))).message).toContain('only once');
  });

  it('are refused where there are none', async () => {
    for (const spec of [{}, { samples: 3 }]) {
      expect((await diagnosticOf(open(spec))).code).toBe('data/bad-module');
    }
  });

  it('are read one at a time, and closed where the reader stops', async () => {
    const events: string[] = [];
    function* samples() {
      try {
        for (let index = 0; index < 3; index++) {
          events.push(`make ${index}`);
          yield { x: [index, index] };
        }
      } finally {
        events.push('closed');
      }
    }
    const source = await open(samples);
    for await (const { name } of source.samples()) {
      events.push(name);
      if (name === 'samples[1]') break;
    }
    expect(events).toEqual(['make 0', 'samples[0]', 'make 1', 'samples[1]', 'closed']);
  });
});
