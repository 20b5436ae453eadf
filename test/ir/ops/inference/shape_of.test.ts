import { describe, expect, it } from 'vitest';
import {
  type Attribute,
  floatAttribute,
  intAttribute,
  intsAttribute,
  stringAttribute,
  tensorAttribute,
} from '../../../../src/ir/attribute.js';
import { Editor } from '../../../../src/ir/editor.js';
import { Inference } from '../../../../src/ir/ops/inference/inference.js';
import { int64Tensor } from '../../../../src/ir/tensor.js';
import { formatType } from '../../../../src/ir/value_type.js';
import { inferOne, typed } from './infer_one.js';

describe('Shape', () => {
  const part = (...attributes: readonly Attribute[]) =>
    inferOne('Shape', [typed('float', ['N', 3, null])], { attributes });

  it('gives the sizes', () => {
    expect(part()).toMatchObject({ types: ['int64[3]'], contents: ['N, 3, ?'] });
    expect(inferOne('Shape', [typed('float', [])])).toMatchObject({ types: ['int64[0]'], contents: [''] });
    expect(inferOne('Shape', [typed('float')])).toMatchObject({ types: ['int64[?]'], contents: [undefined] });
    expect(inferOne('Shape', ['untyped']).types).toEqual(['int64[?]']);
  });

  it('gives those from start to end since 15, clamped', () => {
    expect(part(intAttribute('start', -2)).contents).toEqual(['3, ?']);
    expect(part(intAttribute('end', -1)).contents).toEqual(['N, 3']);
    expect(part(intAttribute('start', -(2n ** 63n)), intAttribute('end', 2n ** 63n - 1n)).contents).toEqual([
      'N, 3, ?',
    ]);
    expect(part(intAttribute('start', 2), intAttribute('end', 1)).types).toEqual(['int64[0]']);
    const old = { opset: 13, attributes: [intAttribute('start', 1)] };
    expect(inferOne('Shape', [typed('float', ['N', 3])], old).contents).toEqual(['N, 3']);
  });
});

describe('Size', () => {
  it('gives the number of elements', () => {
    expect(inferOne('Size', [typed('float', ['N', 3, 4])])).toMatchObject({ types: ['int64[]'], contents: ['12*N'] });
    expect(inferOne('Size', [typed('float', [null, 0])]).contents).toEqual(['0']);
    expect(inferOne('Size', [typed('float', [null, 2])]).contents).toEqual([undefined]);
    expect(inferOne('Size', [typed('float')]).types).toEqual(['int64[]']);
  });
});

describe('Constant', () => {
  const constant = (attribute: Attribute) => inferOne('Constant', [], { attributes: [attribute] });

  it('has the type and the elements of its attribute', () => {
    expect(constant(tensorAttribute('value', int64Tensor([1, 2], [1, 2])))).toMatchObject({
      types: ['int64[1, 2]'],
      contents: ['1, 2'],
    });
    expect(constant(intAttribute('value_int', 2n ** 62n))).toMatchObject({
      types: ['int64[]'],
      contents: [String(2n ** 62n)],
    });
    expect(constant(intsAttribute('value_ints', [3])).contents).toEqual(['3']);
    expect(constant(floatAttribute('value_float', 1)).types).toEqual(['float[]']);
    expect(constant(stringAttribute('value_string', 'a')).types).toEqual(['string[]']);
    expect(inferOne('Constant', []).types).toEqual(['?']);
  });

  it('inside a function has what the call gives as its attribute', () => {
    const editor = new Editor();
    editor.setOpsetImport('', 21);
    editor.setOpsetImport('local', 1);
    const attributeDefaults = new Map();
    const fn = editor.addFunction({
      name: 'F',
      domain: 'local',
      overload: '',
      attributeNames: ['k'],
      attributeDefaults,
    });
    editor.setOpsetImport('', 21, fn);
    const inside = { graph: fn.graph, inputs: [], outputs: 1 };
    const reference = { name: 'value_ints', kind: 'reference', value: 'k' } as const;
    const body = editor.insertNode({ ...inside, opType: 'Constant', attributes: [reference] });
    editor.addOutput(fn.graph, body.outputs[0]!);
    const outside = { graph: editor.model.graph, inputs: [], outputs: 1 };
    const attributes = [intsAttribute('k', [5, 6])];
    const call = editor.insertNode({ ...outside, domain: 'local', opType: 'F', attributes });
    const inference = new Inference(editor.model);
    expect(formatType(inference.typeOf(call.outputs[0]!))).toBe('int64[2]');
    expect(inference.contentOf(call.outputs[0]!)?.elements).toEqual([5, 6]);
  });

  it('inside a function is open until a call tells, where the operator has a default as well', () => {
    const editor = new Editor();
    editor.setOpsetImport('', 21);
    const fn = editor.addFunction({
      name: 'F',
      domain: 'local',
      overload: '',
      attributeNames: ['to_shape'],
      attributeDefaults: new Map(),
    });
    editor.setOpsetImport('', 21, fn);
    const constant = editor.addInitializer(fn.graph, int64Tensor([2, 3]), 'shape');
    const start = { name: 'start', kind: 'reference', value: 'from' } as const;
    const node = editor.insertNode({
      graph: fn.graph,
      opType: 'Shape',
      inputs: [constant],
      outputs: 1,
      attributes: [start],
    });
    expect(new Inference(editor.model).contentOf(node.outputs[0]!)).toBeUndefined();
  });

  it('may be sparse', () => {
    const indices = int64Tensor([1]);
    const values = int64Tensor([7]);
    const sparse = { kind: 'sparse', dtype: 'int64', dims: [4], byteLength: 16, values, indices } as const;
    expect(constant({ name: 'sparse_value', kind: 'sparse', value: sparse }).types).toEqual(['int64[4]']);
  });
});
