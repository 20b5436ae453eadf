import { describe, expect, it } from 'vitest';
import { getGraph } from '../../../src/ir/attribute.js';
import { Editor } from '../../../src/ir/editor.js';
import { decodeModel } from '../../../src/ir/onnx/decode.js';
import { encodeModel } from '../../../src/ir/onnx/encode.js';
import { encodeMessage } from '../../../src/ir/onnx/schema.js';
import { firstDifference } from '../../../src/ir/onnx/wire_compare.js';
import { floatTensor, tensorFromData } from '../../../src/ir/tensor.js';
import { largestDifference, ModelBuilder, operatorsOf } from '../../build_model.js';

describe('output names', () => {
  it('stay where two outputs come to share a value, and where one is an input', async () => {
    const b = new ModelBuilder();
    const x = b.input('x', [2]);
    const y = b.op('Neg', [x], { outputs: ['y'] });
    b.output(y);
    b.output(b.op('Neg', [x], { outputs: ['z'] }));
    b.output(b.op('Identity', [x], { outputs: ['w'] }));
    const before = b.build();
    const [, second, third] = b.graph.outputs;
    b.editor.setOutputValue(second!, y);
    b.editor.setOutputValue(third!, x);
    const after = b.build();
    expect(after.graph.outputs.map(({ name }) => name)).toEqual(['y', 'z', 'w']);
    expect(await largestDifference(before, after, { x: floatTensor([1, 2]) })).toBe(0);
  });

  it('of a branch do not hide an outer value that the branch reads', async () => {
    const b = new ModelBuilder();
    const x = b.input('x', [2]);
    const r = b.op('Neg', [x], { outputs: ['r'] });
    const node = b.editor.draft({ graph: b.graph, opType: 'If', inputs: [b.input('c', [], 'bool')], outputs: 2 });
    for (const name of ['then_branch', 'else_branch']) {
      const graph = b.editor.createSubgraph(node, name);
      const branch = new ModelBuilder(17, graph, b.editor);
      const twice = branch.op('Add', [r, r], { outputs: [`${name}_twice`] });
      const later = branch.op('Mul', [twice, r], { outputs: [`${name}_later`] });
      branch.output(later, `${name}_out`);
      branch.output(branch.op('Identity', [r], { outputs: [`${name}_r`] }), `${name}_r`);
      b.editor.setAttribute(node, { name, kind: 'graph', value: graph });
    }
    b.editor.attach(node);
    const second = b.editor.insertNode({ graph: b.graph, opType: 'Neg', inputs: [node.outputs[0]!], outputs: 1 });
    b.output(second.outputs[0]!, 'y');
    const before = b.build();
    // Feed the output that bears an outer value's name from something else.
    const editor = new Editor(before);
    const branch = getGraph(before.graph.nodes.last!.inputs[0]!.producer!, 'then_branch')!;
    const slot = branch.outputs[0]!;
    editor.removeOutput(slot);
    const first = [...branch.nodes][1]!.outputs[0]!;
    editor.removeOutput(branch.outputs[0]!);
    editor.addOutput(branch, first, 'r');
    editor.addOutput(branch, [...branch.nodes][2]!.outputs[0]!, 'other');
    const after = decodeModel(encodeModel(before));
    const feeds = { x: floatTensor([1, 2]), c: tensorFromData('bool', [], Uint8Array.of(1)) };
    expect(operatorsOf(after).filter((opType) => opType === 'Mul')).toHaveLength(2);
    expect(await largestDifference(b.build(), after, feeds)).toBe(0);
    expect([...getGraph(after.graph.nodes.last!.inputs[0]!.producer!, 'then_branch')!.nodes][1]!.inputs[1]!.graph).toBe(
      after.graph,
    );
  });

  it('without a type come back without one', () => {
    const bytes = encodeMessage('ModelProto', {
      ir_version: 8,
      opset_import: [{ domain: '', version: 17 }],
      graph: {
        name: 'g',
        initializer: [{ name: 'w', dims: [1], data_type: 1, raw_data: new Uint8Array(4) }],
        node: [{ op_type: 'Neg', input: ['w'], output: ['n'] }],
        value_info: [{ name: 'n', type: { tensor_type: { elem_type: 1 } } }],
        output: [{ name: 'w' }, { name: 'n' }],
      },
    });
    expect(firstDifference(bytes, encodeModel(decodeModel(bytes)))).toBeUndefined();
  });
});
