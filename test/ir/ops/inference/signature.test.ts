import { describe, expect, it } from 'vitest';
import { intsAttribute, stringAttribute } from '../../../../src/ir/attribute.js';
import { Editor } from '../../../../src/ir/editor.js';
import type { Value } from '../../../../src/ir/graph.js';
import { Inference } from '../../../../src/ir/ops/inference/inference.js';
import { formatType, tensorType, type ValueType } from '../../../../src/ir/value_type.js';
import { inferOne, typed } from './infer_one.js';

/** A node exactly as it is given. */
function infer(opType: string, types: readonly (ValueType | 'untyped' | null)[], outputs = 1, opset = 21) {
  const editor = new Editor();
  const { graph } = editor.model;
  editor.setOpsetImport('', opset);
  const inputs = types.map((type, index) =>
    type === null ? null : editor.addInput(graph, `x${index}`, type === 'untyped' ? undefined : type),
  );
  const node = editor.insertNode({ graph, opType, name: 'it', inputs, outputs });
  const inference = new Inference(editor.model);
  return {
    types: node.outputs.map((output) => formatType(inference.typeOf(output!))),
    messages: inference.diagnostics.map(({ code, message, where }) => `${code}: ${message} (${where})`),
  };
}

const x = typed('float', [2, 3]);

describe('a node that its schema does not allow', () => {
  it('has too few or too many inputs', () => {
    expect(infer('Add', [x])).toEqual({
      types: ['?'],
      messages: ['infer/wrong-arity: Add takes 2 inputs, given 1 (graph > Add "it")'],
    });
    expect(infer('Clip', [x, x, x, x]).messages).toEqual([
      'infer/wrong-arity: Clip takes 1 to 3 inputs, given 4 (graph > Clip "it")',
    ]);
    expect(infer('Concat', []).messages[0]).toContain('Concat takes at least 1 inputs, given 0');
    expect(infer('Relu', [x, null, null]).messages).toEqual([]);
  });

  it('leaves an input out that is needed', () => {
    expect(infer('Add', [null, x])).toEqual({
      types: ['?'],
      messages: ['infer/wrong-arity: input A is left out (graph > Add "it")'],
    });
    expect(infer('Clip', [x, null, typed('float', [])]).messages).toEqual([]);
  });

  it('has more outputs than there are', () => {
    expect(infer('Relu', [x], 2).messages[0]).toContain('Relu has 1 outputs at most, not 2');
    expect(infer('TopK', [x, typed('int64', [1])], 1).messages).toEqual([]);
  });

  it('reads an element type that is not among those it takes, in its version', () => {
    expect(infer('Sqrt', [typed('int32', [2])])).toEqual({
      types: ['?'],
      messages: ['infer/wrong-type: input X is a tensor of int32, which Sqrt does not take there (graph > Sqrt "it")'],
    });
    expect(infer('Relu', [typed('int32', [2])], 1, 13).messages[0]).toContain('a tensor of int32');
    expect(infer('Relu', [typed('int32', [2])], 1, 14)).toEqual({ types: ['int32[2]'], messages: [] });
  });

  it('reads a sequence where tensors are wanted, or a tensor where a sequence is', () => {
    const sequence: ValueType = { kind: 'sequence', element: x };
    expect(infer('Relu', [sequence]).messages[0]).toContain('a sequence, which Relu does not take');
    expect(infer('SequenceLength', [x]).messages[0]).toContain('a tensor of float');
    expect(infer('SequenceLength', [sequence]).messages).toEqual([]);
    expect(infer('Relu', [{ kind: 'optional', element: x }]).messages[0]).toContain('an optional');
  });

  it('has an attribute of another kind than its schema says', () => {
    const options = { attributes: [stringAttribute('axis', '1')] };
    expect(inferOne('Softmax', [x], options)).toMatchObject({
      types: ['?'],
      messages: ['attribute axis is of kind string, not int'],
    });
    expect(inferOne('Softmax', [x], { attributes: [intsAttribute('unheard_of', [1])] }).codes).toEqual([]);
  });

  it('is not found where types are not known, or where the schemas do not reach', () => {
    expect(infer('Sqrt', ['untyped'])).toEqual({ types: ['?[*]'], messages: [] });
    expect(infer('Sqrt', [tensorType(undefined, [2])])).toEqual({ types: ['?[2]'], messages: [] });
    expect(infer('Sqrt', [typed('int32', [2])], 1, 1000).messages).toEqual([]);
    expect(infer('NoSuchOperator', [], 3).messages).toEqual([]);
  });

  it('is looked for once a node', () => {
    const editor = new Editor();
    const { graph } = editor.model;
    editor.setOpsetImport('', 21);
    let value: Value = editor.addInput(graph, 'x', x);
    for (let index = 0; index < 10_000; index += 1) {
      value = editor.insertNode({ graph, opType: 'Add', inputs: [value, value], outputs: 1 }).outputs[0]!;
    }
    const inference = new Inference(editor.model);
    inference.inferAll();
    expect(inference.inferredNodes).toBe(10_000);
    expect(inference.diagnostics).toEqual([]);
  });
});
