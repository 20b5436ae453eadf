import { join } from 'node:path';
import onnxProto from 'onnx-proto';
import { describe, expect, it } from 'vitest';
import { writeNpy } from '../../../src/calibrate/sources/npy.js';
import { openSource } from '../../../src/calibrate/sources/open_source.js';
import { DiagnosticError } from '../../../src/ir/diagnostic.js';
import { int64Tensor } from '../../../src/ir/tensor.js';
import { collect, diagnosticOf, input, lines, temporaryFolders } from './sample_files.js';

const { TensorProto } = onnxProto.onnx;

const pb = (floats: number[], dims: number[], name?: string): Uint8Array =>
  TensorProto.encode({ dims, dataType: 1, floatData: floats, ...(name !== undefined && { name }) }).finish();

describe('TensorProto files', () => {
  const folder = temporaryFolders();
  const inputs = [input('a', [1]), input('b', [2])];

  it('are read from data set folders in the order of the inputs, outputs aside', async () => {
    const path = await folder({
      'model.onnx': 'not looked at',
      'test_data_set_10/input_0.pb': pb([5], [1]),
      'test_data_set_10/input_1.pb': pb([6, 7], [2]),
      'test_data_set_9/input_0.pb': pb([1], [1]),
      'test_data_set_9/input_1.pb': pb([2, 3], [2]),
      'test_data_set_9/output_0.pb': pb([4], [1]),
    });
    const source = await openSource(path, inputs);
    expect(source.count).toBe(2);
    expect(lines(await collect(source))).toEqual([
      'test_data_set_9: a[1] 1; b[2] 2,3',
      'test_data_set_10: a[1] 5; b[2] 6,7',
    ]);
  });

  it('are fed by their own names where all of these are inputs', async () => {
    const path = await folder({ 'input_0.pb': pb([2, 3], [2], 'b'), 'input_1.pb': pb([1], [1], 'a') });
    expect(lines(await collect(await openSource(path, inputs)))).toEqual(['input_0.pb: a[1] 1; b[2] 2,3']);
    const foreign = await folder({ 'input_0.pb': pb([1], [1], 'b'), 'input_1.pb': pb([2, 3], [2], 'other') });
    expect(lines(await collect(await openSource(foreign, inputs)))).toEqual(['input_0.pb: a[1] 1; b[2] 2,3']);
  });

  it('may have any name for a model with one input', async () => {
    const path = await folder({ 'x.pb': pb([1], [1]), 'y.pb': pb([2], [1]), 'output_0.pb': pb([3], [1]) });
    expect(lines(await collect(await openSource(path, [input('a', [1])])))).toEqual(['x.pb: a[1] 1', 'y.pb: a[1] 2']);
    expect(lines(await collect(await openSource(join(path, 'output_0.pb'), [input('a', [1])])))).toHaveLength(1);
    expect((await diagnosticOf(openSource(path, inputs))).code).toBe('data/unknown-input');
  });

  it('are no samples where all are outputs', async () => {
    const path = await folder({ 'output_0.pb': pb([1], [1]), 'output_1.pb': pb([2], [1]) });
    expect((await diagnosticOf(openSource(path, [input('a', [1])]))).code).toBe('data/empty');
  });

  it('are refused past the last input, and where one is missing', async () => {
    const many = await folder({ 'input_0.pb': pb([1], [1]), 'input_2.pb': pb([1], [1]) });
    expect(await diagnosticOf(collect(await openSource(many, inputs)))).toMatchObject({
      code: 'data/unknown-input',
      where: 'input_2.pb',
    });
    const few = await folder({ 's/input_0.pb': pb([1], [1]) });
    expect(await diagnosticOf(collect(await openSource(few, inputs)))).toMatchObject({
      code: 'data/missing-input',
      where: 's',
    });
  });

  it('take labels from labels.npy', async () => {
    const path = await folder({
      's0/input_0.pb': pb([1], [1]),
      's1/input_0.pb': pb([2], [1]),
      'labels.npy': writeNpy(int64Tensor([3, 4])),
    });
    expect(lines(await collect(await openSource(path, [input('a', [1])])))).toEqual([
      's0: a[1] 1 = [1] 3',
      's1: a[1] 2 = [1] 4',
    ]);
  });

  it('are refused where they are malformed', async () => {
    const short = TensorProto.encode({ dims: [4], dataType: 1, rawData: new Uint8Array(8) }).finish();
    const outside = TensorProto.encode({ dims: [1], dataType: 1, dataLocation: 1 }).finish();
    for (const bytes of [short, outside, Buffer.from('no protobuf')]) {
      const path = await folder({ 'a.pb': bytes });
      expect(await diagnosticOf(collect(await openSource(path, [input('a')])))).toMatchObject({
        code: 'data/malformed-pb',
        where: 'a.pb',
      });
    }
    const path = await folder({ 'a.pb': pb([1, 2], [2]) });
    const source = await openSource(path, [input('a')], { maxBytes: 4 });
    expect((await diagnosticOf(collect(source))).code).toBe('data/too-large');
  });

  it('meet any cut or changed byte with a diagnostic or a sample', async () => {
    const bytes = TensorProto.encode({ dims: [2], dataType: 7, int64Data: [1, 2], name: 'a' }).finish();
    const mutations = [...bytes].flatMap((byte, at) =>
      [0, 0x7f, 0xff, byte ^ 1, byte ^ 0x80].map((value) =>
        Uint8Array.from(bytes, (old, i) => (i === at ? value : old)),
      ),
    );
    const cuts = [...bytes.keys()].map((length) => bytes.subarray(0, length));
    for (const hostile of [...mutations, ...cuts]) {
      const path = await folder({ 'a.pb': hostile });
      const source = await openSource(path, [input('a', [2], 'int64')]);
      await collect(source).catch((error: unknown) => expect(error).toBeInstanceOf(DiagnosticError));
    }
  });
});
