import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { DiagnosticError } from '../../../src/ir/diagnostic.js';
import { decodeModel } from '../../../src/ir/onnx/decode.js';
import { encodeModel } from '../../../src/ir/onnx/encode.js';
import type { GraphProto, ModelProto, NodeProto, TensorProto } from '../../../src/ir/onnx/messages.js';
import { encodeMessage } from '../../../src/ir/onnx/schema.js';
import { floatTensor, int64Tensor } from '../../../src/ir/tensor.js';
import { verifyModel } from '../../../src/ir/verifier.js';
import { ModelBuilder } from '../../build_model.js';

const repository = path.resolve(import.meta.dirname, '../../..');

/** The diagnostic that decoding ends with; anything else thrown is a fault of ours. */
function codeOf(bytes: Uint8Array): string {
  try {
    decodeModel(bytes);
  } catch (error) {
    if (!(error instanceof DiagnosticError)) throw error;
    expect(error.message).not.toContain('\n');
    return error.diagnostic.code;
  }
  return 'decoded';
}

function model(graph: GraphProto, more: Partial<ModelProto> = {}): Uint8Array {
  return encodeMessage('ModelProto', { ir_version: 8, opset_import: [{ domain: '', version: 17 }], graph, ...more });
}

const info = (name: string, elem_type = 1) => ({
  name,
  type: { tensor_type: { elem_type, shape: { dim: [{ dim_value: 2 }] } } },
});
const node = (op_type: string, input: string[], output: string[], more: Partial<NodeProto> = {}): NodeProto => ({
  op_type,
  input,
  output,
  ...more,
});
const tensor = (name: string, more: Partial<TensorProto> = {}): TensorProto => ({
  name,
  dims: [2],
  data_type: 1,
  raw_data: new Uint8Array(8),
  ...more,
});

const good: GraphProto = {
  name: 'g',
  input: [info('x')],
  node: [node('Add', ['x', 'w'], ['y'])],
  initializer: [tensor('w')],
  output: [info('y')],
};

const smallModel = (): Uint8Array => {
  const b = new ModelBuilder();
  const x = b.input('x', ['N', 4]);
  const y = b.op('MatMul', [x, b.constant('w', floatTensor([1, 2, 3, 4], [4, 1]))]);
  b.output(b.op('Reshape', [y, b.constant('s', int64Tensor([1, -1]))]), 'y');
  return encodeModel(b.editor.model);
};

describe('decoding what is no model', () => {
  it('accepts the model that the others are broken from', () => {
    expect(codeOf(model(good))).toBe('decoded');
  });

  it('names each fault', () => {
    const broken: readonly (readonly [string, Uint8Array])[] = [
      ['load/empty', new Uint8Array(0)],
      ['load/not-protobuf', Buffer.from('The quick brown fox jumps over the lazy dog. '.repeat(9))],
      ['load/not-protobuf', Buffer.from('{"graph": {}}')],
      ['load/no-graph', encodeMessage('ModelProto', { ir_version: 8 })],
      ['load/no-opset', encodeMessage('ModelProto', { ir_version: 8, graph: good })],
      ['load/duplicate-name', model({ ...good, node: [...good.node!, node('Neg', ['x'], ['y'])] })],
      ['load/duplicate-name', model({ ...good, node: [node('Split', ['x'], ['y', 'y'])] })],
      ['load/duplicate-name', model({ ...good, initializer: [tensor('w'), tensor('w')] })],
      ['load/duplicate-name', model({ ...good, input: [info('x'), info('x')] })],
      ['load/undefined-value', model({ ...good, initializer: [] })],
      ['load/undefined-value', model({ ...good, output: [info('nowhere')] })],
      ['load/cyclic-graph', model({ ...good, node: [node('Add', ['x', 'b'], ['y']), node('Neg', ['y'], ['b'])] })],
      ['load/unknown-data-type', model({ ...good, initializer: [tensor('w', { data_type: 99 })] })],
      ['load/unknown-data-type', model({ ...good, input: [info('x', 99)] })],
      ['load/tensor-size-mismatch', model({ ...good, initializer: [tensor('w', { raw_data: new Uint8Array(7) })] })],
      ['load/tensor-size-mismatch', model({ ...good, initializer: [tensor('w', { dims: [3] })] })],
      ['load/bad-shape', model({ ...good, initializer: [tensor('w', { dims: [-1] })] })],
      ['load/bad-shape', model({ ...good, initializer: [tensor('w', { dims: [2 ** 40, 2 ** 40] })] })],
      ['load/external-data-no-folder', model({ ...good, initializer: [tensor('w', { data_location: 1 })] })],
    ];
    for (const [code, bytes] of broken) expect(codeOf(bytes)).toBe(code);
  });

  it('sorts nodes that are out of order', () => {
    const decoded = decodeModel(model({ ...good, node: [node('Neg', ['a'], ['y']), node('Add', ['x', 'w'], ['a'])] }));
    expect([...decoded.graph.nodes].map(({ opType }) => opType)).toEqual(['Add', 'Neg']);
  });

  it('refuses graphs nested a thousand deep without running out of stack', () => {
    let inner: GraphProto = { node: [node('Neg', ['x'], ['y'])], output: [info('y')] };
    for (let depth = 0; depth < 30; depth += 1) {
      inner = {
        node: [node('If', ['x'], ['y'], { attribute: [{ name: 'then_branch', type: 5, g: inner }] })],
        output: [info('y')],
      };
    }
    expect(codeOf(model({ ...inner, input: [info('x')] }))).toBe('decoded');
    let raw: Uint8Array = encodeMessage('GraphProto', inner);
    const wrap = (id: number, bytes: Uint8Array): Uint8Array => {
      const length: number[] = [];
      for (let rest = bytes.length; ; rest = Math.floor(rest / 128)) {
        if (rest < 128) {
          length.push(rest);
          break;
        }
        length.push((rest % 128) + 128);
      }
      return Buffer.concat([Uint8Array.of(id * 8 + 2), Uint8Array.from(length), bytes]);
    };
    for (let depth = 0; depth < 1000; depth += 1) raw = wrap(1, wrap(5, wrap(6, raw)));
    expect(codeOf(Buffer.concat([encodeMessage('ModelProto', { ir_version: 8 }), wrap(7, raw)]))).toBe('load/too-deep');
  });

  it('knows every cut of a model, ours and a foreign one', () => {
    const foreign = fs.readFileSync(path.join(repository, 'fixtures/digits/digits.onnx'));
    const ours = smallModel();
    for (let length = 0; length < ours.length; length += 1) {
      expect(codeOf(ours.subarray(0, length)), `cut at ${length}`).toMatch(
        /^load\/(truncated|empty|no-graph|not-protobuf)$/,
      );
    }
    for (let length = 1; length < foreign.length; length += 4999) {
      expect(codeOf(foreign.subarray(0, length)), `cut at ${length}`).toMatch(/^load\//);
    }
  });
});

describe('fuzzing', () => {
  /** The same numbers each time. */
  function* randomNumbers(seed: number): Generator<number, never> {
    let state = seed;
    for (;;) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      yield state / 2 ** 32;
    }
  }

  it('mutated bytes give diagnostics or models that verify and encode, and nothing else', () => {
    const seed = 20260701;
    const random = randomNumbers(seed);
    const below = (limit: number) => Math.floor(random.next().value * limit);
    const originals = [
      smallModel(),
      model(good),
      model({ ...good, value_info: [info('y')], quantization_annotation: [{ tensor_name: 'w' }] }),
    ];
    const memory = process.memoryUsage().rss;
    let decoded = 0;
    for (let round = 0; round < 6000; round += 1) {
      const bytes = Buffer.from(originals[round % originals.length]!);
      for (let edits = 1 + below(4); edits > 0; edits -= 1) bytes[below(bytes.length)] = below(256);
      const cut = below(4) === 0 ? bytes.subarray(0, below(bytes.length)) : bytes;
      try {
        const result = decodeModel(cut);
        const errors = verifyModel(result).filter(
          ({ severity, code }) =>
            severity === 'error' && code !== 'verify/missing-opset' && code !== 'verify/duplicate-output',
        );
        expect(errors, `seed ${seed}, round ${round}`).toEqual([]);
        encodeModel(result);
        decoded += 1;
      } catch (error) {
        if (!(error instanceof DiagnosticError)) throw new Error(`seed ${seed}, round ${round}`, { cause: error });
      }
    }
    expect(decoded).toBeGreaterThan(100);
    expect(process.memoryUsage().rss - memory).toBeLessThan(512 * 2 ** 20);
  });
});
