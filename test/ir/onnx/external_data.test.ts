import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSession } from '../../../src/backends/ort/session.js';
import { DiagnosticError } from '../../../src/ir/diagnostic.js';
import { loadModel, saveModel } from '../../../src/ir/onnx/files.js';
import type { EntryProto, ModelProto } from '../../../src/ir/onnx/messages.js';
import { encodeMessage } from '../../../src/ir/onnx/schema.js';
import { floatTensor, tensorData } from '../../../src/ir/tensor.js';
import { ModelBuilder, pseudoRandom } from '../../build_model.js';

let folder: string;
beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'onnxopt-external-'));
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

const at = (name: string) => path.join(folder, name);

const weights = pseudoRandom(1024);

/** y = x · w with 4 KiB of weights, written with the data in a file of their own. */
function writeModel(name: string, externalData: 'always' | 'never' = 'always'): string {
  const b = new ModelBuilder();
  const w = b.constant('w', floatTensor(weights, [32, 32]));
  b.output(b.op('MatMul', [b.input('x', ['N', 32]), w]), 'y');
  return saveModel(b.build(), at(name), { externalData }).model;
}

async function run(file: string): Promise<number[]> {
  const session = await openSession({ path: file });
  const results = await session.run(new Map([['x', floatTensor(pseudoRandom(32, 7), [1, 32])]]));
  await session.close();
  return Array.from(tensorData(results.get('y')!), Number);
}

function refusal(entries: readonly EntryProto[], folderOf = folder): string {
  const proto: ModelProto = {
    ir_version: 8,
    opset_import: [{ domain: '', version: 17 }],
    graph: {
      initializer: [{ name: 'w', dims: [4], data_type: 1, data_location: 1, external_data: [...entries] }],
      node: [{ op_type: 'Neg', input: ['w'], output: ['y'] }],
      output: [{ name: 'y' }],
    },
  };
  const file = path.join(folderOf, 'refused.onnx');
  fs.writeFileSync(file, encodeMessage('ModelProto', proto));
  try {
    loadModel(file);
  } catch (error) {
    if (error instanceof DiagnosticError) return error.diagnostic.code;
    throw error;
  }
  return 'loaded';
}

describe('external data', () => {
  it('is written beside the model at page boundaries, and ONNX Runtime finds it there', async () => {
    const file = writeModel('a.onnx');
    expect(fs.statSync(at('a.onnx.data')).size).toBe(4096);
    expect(await run(file)).toEqual(await run(writeModel('inside.onnx', 'never')));
    expect(fs.existsSync(at('inside.onnx.data'))).toBe(false);
  });

  it('is read when asked for, and goes from file to file', async () => {
    const model = loadModel(writeModel('b.onnx'));
    const tensor = model.graph.values.get('w')!.initializer!;
    expect(tensor.kind === 'dense' && tensor.storage.kind).toBe('external');
    const saved = saveModel(model, at('copy.onnx'));
    expect(saved.data).toBe(at('copy.onnx.data'));
    expect(await run(at('copy.onnx'))).toEqual(await run(at('b.onnx')));
    const joined = saveModel(model, at('joined.onnx'), { externalData: 'never' });
    expect(joined.data).toBeUndefined();
    expect(await run(at('joined.onnx'))).toEqual(await run(at('b.onnx')));
  });

  it('moves to a tight file where most of the old one is not needed any more', async () => {
    const file = writeModel('part.onnx');
    fs.appendFileSync(at('part.onnx.data'), new Uint8Array(100_000));
    saveModel(loadModel(file), at('tight.onnx'));
    expect(fs.statSync(at('tight.onnx.data')).size).toBe(4096);
    expect(await run(at('tight.onnx'))).toEqual(await run(file));
  });

  it('survives a model that is written over itself', async () => {
    const file = writeModel('same.onnx');
    const before = await run(file);
    saveModel(loadModel(file), file);
    expect(await run(file)).toEqual(before);
    expect(fs.readdirSync(folder).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  it('is refused, with a code for each reason, where it is not a whole file inside the folder of the model', () => {
    fs.mkdirSync(at('inner'), { recursive: true });
    const inner = at('inner');
    fs.writeFileSync(at('outside.bin'), new Uint8Array(64));
    fs.writeFileSync(path.join(inner, 'data.bin'), new Uint8Array(64));
    fs.writeFileSync(path.join(inner, 'short.bin'), new Uint8Array(8));
    fs.symlinkSync(at('outside.bin'), path.join(inner, 'link.bin'));
    fs.mkdirSync(path.join(inner, 'folder.bin'), { recursive: true });
    const of = (location: string, more: readonly EntryProto[] = []) =>
      refusal([{ key: 'location', value: location }, ...more], inner);
    expect(of('data.bin')).toBe('loaded');
    expect(
      of('./data.bin', [
        { key: 'offset', value: '48' },
        { key: 'length', value: '16' },
      ]),
    ).toBe('loaded');
    for (const location of [
      '../outside.bin',
      '/etc/passwd',
      'x/../../outside.bin',
      'C:\\data.bin',
      '\\\\host\\data.bin',
      '..\\outside.bin',
      '',
      'a\0b',
      'link.bin',
    ]) {
      expect(of(location), location).toBe('load/external-data-escapes');
    }
    expect(of('missing.bin')).toBe('load/external-data-missing');
    expect(of('folder.bin')).toBe('load/external-data-missing');
    expect(of('short.bin')).toBe('load/external-data-short');
    expect(of('data.bin', [{ key: 'offset', value: '56' }])).toBe('load/external-data-short');
    expect(of('data.bin', [{ key: 'length', value: '12' }])).toBe('load/tensor-size-mismatch');
    for (const value of ['-1', '1e3', '0x10', 'many', '9'.repeat(30)]) {
      expect(of('data.bin', [{ key: 'offset', value }]), value).toBe('load/external-data-malformed');
    }
  });

  it.skipIf(process.platform === 'win32')('does not wait for a pipe', () => {
    execFileSync('mkfifo', [at('pipe.bin')]);
    expect(refusal([{ key: 'location', value: 'pipe.bin' }])).toBe('load/external-data-missing');
  });
});

describe('writing', () => {
  it.skipIf(!fs.existsSync('/dev/full'))('leaves the old file where the disk is full', () => {
    const file = writeModel('kept.onnx', 'never');
    const before = fs.readFileSync(file);
    // A limit on the size of files stands in for a full disk: the write itself fails.
    const script = `
      import { createJiti } from 'jiti';
      const load = createJiti(${JSON.stringify(`${import.meta.dirname}/x.ts`)});
      process.on('SIGXFSZ', () => {});
      const { loadModel, saveModel } = await load.import(${JSON.stringify(path.resolve(import.meta.dirname, '../../../src/ir/onnx/files.ts'))});
      const model = loadModel(${JSON.stringify(file)});
      try { saveModel(model, ${JSON.stringify(file)}); console.log('saved'); } catch (error) { console.log(error.diagnostic.code); }
    `;
    const command = `ulimit -f 2; exec "$0" --input-type=module --eval "$1"`;
    const output = execFileSync('bash', ['-c', command, process.execPath, script], {
      cwd: path.resolve(import.meta.dirname, '../../..'),
      encoding: 'utf8',
      env: { ...process.env, JITI_FS_CACHE: 'false' },
    });
    expect(output.trim()).toBe('save/failed');
    expect(Buffer.compare(fs.readFileSync(file), before)).toBe(0);
    expect(fs.readdirSync(folder).filter((name) => name.startsWith('.'))).toEqual([]);
  });
});
