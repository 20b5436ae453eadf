import { describe, expect, it } from 'vitest';
import {
  type Attribute,
  floatAttribute,
  intAttribute,
  intsAttribute,
  stringAttribute,
  tensorAttribute,
} from '../../src/ir/attribute.js';
import { symbol } from '../../src/ir/dim.js';
import { Editor } from '../../src/ir/editor.js';
import type { Node, Value } from '../../src/ir/graph.js';
import { elementCount, floatTensor, int64Tensor, type Tensor, tensorFromStrings } from '../../src/ir/tensor.js';
import { formatGraph, formatModel, formatNode } from '../../src/ir/text.js';
import { tensorType } from '../../src/ir/value_type.js';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

const zeros = (dims: readonly number[]): Tensor => floatTensor(new Float32Array(elementCount(dims)), dims);

function start() {
  const editor = new Editor();
  editor.setModelProperties({ irVersion: 10 });
  editor.setOpsetImport('', 21);
  const { graph } = editor.model;
  editor.setGraphName(graph, 'main');
  return { editor, graph, x: editor.addInput(graph, 'x', tensorType('float', [symbol('N'), 64])) };
}

/** The line of a node with these inputs and attributes. */
function lineOf(inputs: readonly (Value | null)[], attributes: readonly Attribute[], from = start()): string {
  return formatNode(
    from.editor.insertNode({ graph: from.graph, opType: 'Op', inputs, outputs: [{ name: 'y' }], attributes }),
    { types: false },
  );
}

const attributeText = (attribute: Attribute): string => /\{(.*)\}/s.exec(lineOf([], [attribute]))![1]!;

const constantText = (tensor: Tensor): string => {
  const from = start();
  return /const (.*)\)/.exec(lineOf([from.editor.addInitializer(from.graph, tensor, 'w')], [], from))![1]!;
};

describe('formatNode', () => {
  it('shows outputs with types, operator, inputs, constants, attributes, name and the rules that made it', () => {
    const { editor, graph, x } = start();
    const w = editor.addInitializer(graph, zeros([10, 64]), 'w');
    const node = editor.insertNode({
      graph,
      opType: 'Gemm',
      name: 'dense',
      inputs: [x, w, null],
      outputs: [{ name: 'y', type: tensorType('float', [symbol('N'), 10]) }, null, { name: 'z' }],
      attributes: [floatAttribute('alpha', 0.1), intAttribute('transB', 1)],
      provenance: ['fuse-a', 'fuse-b'],
    });
    expect(formatNode(node)).toBe(
      '%y: float[N, 10], _, %z: ? = Gemm(%x, %w: const float[10, 64] 2.5 KB, _) {alpha=0.1, transB=1} // dense (fuse-a, fuse-b)',
    );
    expect(formatNode(node, { types: false, constants: false })).toBe(
      '%y, _, %z = Gemm(%x, %w, _) {alpha=0.1, transB=1} // dense (fuse-a, fuse-b)',
    );
  });

  it('shows domain and overload', () => {
    const { editor, graph } = start();
    const node = editor.insertNode({
      graph,
      domain: 'com.microsoft',
      opType: 'Gelu',
      overload: 'fast',
      inputs: [],
      outputs: 0,
    });
    expect(formatNode(node)).toBe('com.microsoft:Gelu:fast()');
    editor.setOperator(node, { domain: 'ai.onnx', opType: 'Gelu' });
    expect(formatNode(node)).toBe('Gelu()');
  });

  it.each<[string, Attribute]>([
    ['a=-3', intAttribute('a', -3)],
    ['a=9223372036854775807', intAttribute('a', 2n ** 63n - 1n)],
    ['a=0.001', floatAttribute('a', 0.001)],
    ['a=16777217', { name: 'a', kind: 'float', value: 16777217 }],
    ['a=-Infinity', floatAttribute('a', Number.NEGATIVE_INFINITY)],
    ['a=NaN', floatAttribute('a', Number.NaN)],
    ['a="NOTSET"', stringAttribute('a', 'NOTSET')],
    ['a="two\\nlines"', stringAttribute('a', 'two\nlines')],
    [`a="${'k'.repeat(60)}"… 100 bytes`, stringAttribute('a', 'k'.repeat(100))],
    ['a=[1, 2]', intsAttribute('a', [1, 2])],
    ['a=[0, 1, 2, 3, 4, 5, 6, 7, … 10 in all]', intsAttribute('a', [...Array(10).keys()])],
    ['a=[0.5, 0.2]', { name: 'a', kind: 'floats', value: [0.5, Math.fround(0.2)] }],
    ['a=["p", "q"]', { name: 'a', kind: 'strings', value: [bytes('p'), bytes('q')] }],
    ['a=int64[2] {4, 5}', tensorAttribute('a', int64Tensor([4, 5]))],
    ['a=float[100] 400 B', tensorAttribute('a', zeros([100]))],
    ['a=[int64[1] {1}]', { name: 'a', kind: 'tensors', value: [int64Tensor([1])] }],
    ['a=float[2]', { name: 'a', kind: 'type', value: tensorType('float', [2]) }],
    ['a=[float[2], ?]', { name: 'a', kind: 'types', value: [tensorType('float', [2]), undefined] }],
    ['a=@alpha', { name: 'a', kind: 'reference', value: 'alpha' }],
    ['a=<unknown>', { name: 'a', kind: 'unknown', value: null }],
    ['"a b"=1', intAttribute('a b', 1)],
  ])('shows the attribute %s', (text, attribute) => {
    expect(attributeText(attribute)).toBe(text);
  });

  it.each<[string, Tensor]>([
    ['int64[2] {1, -1}', int64Tensor([1, -1])],
    ['int64[] {7}', int64Tensor([7], [])],
    ['int64[0] {}', int64Tensor([])],
    ['int64[9] 72 B', int64Tensor(Array(9).fill(0))],
    ['float[2] {0.1, 6}', floatTensor([0.1, 6])],
    ['string[1] {"k"}', tensorFromStrings([1], [bytes('k')])],
    ['float[1024, 1024] 4 MB', zeros([1024, 1024])],
    ['float[300, 1024] 1.2 MB', zeros([300, 1024])],
  ])('shows the constant %s', (text, tensor) => {
    expect(constantText(tensor)).toBe(text);
  });

  it('reads nothing from a data file', () => {
    const refuse = () => {
      throw new Error('read');
    };
    expect(constantText({ ...int64Tensor([1]), storage: { kind: 'external', bytes: refuse, range: refuse } })).toBe(
      'int64[1] 8 B',
    );
  });

  it('quotes names that could be misread, and lets nothing through that moves the cursor', () => {
    const { editor, graph } = start();
    const node = editor.insertNode({
      graph,
      opType: 'A b',
      name: 'line\nbreak',
      inputs: [editor.addInput(graph, 'größe/層.0:1', undefined), editor.addInput(graph, '', undefined)],
      outputs: [
        { name: 'with "quotes"' },
        { name: 'turn\u202earound\u009b2J', type: tensorType('float', [symbol('a\u001bb')]) },
      ],
    });
    expect(formatNode(node)).toBe(
      '%"with \\"quotes\\"": ?, %"turn\\u{202e}around\\u{9b}2J": float[a\\u{1b}b] = "A b"(%größe/層.0:1, %_1) // "line\\nbreak"',
    );
  });

  it('counts inputs and outputs past the eighth', () => {
    const from = start();
    expect(lineOf(Array(20).fill(from.x), [], from)).toBe(`%y = Op(${Array(8).fill('%x').join(', ')}, … 20 in all)`);
  });
});

/** Everything there is to show. */
function everything() {
  const { editor, graph, x } = start();
  editor.setModelProperties({ producerName: 'torch', producerVersion: '2.9', domain: 'shop', modelVersion: 3n });
  editor.setOpsetImport('local', 1);
  const fn = editor.addFunction({
    domain: 'local',
    name: 'scale',
    overload: '',
    attributeNames: ['by'],
    attributeDefaults: new Map([['axis', intAttribute('axis', -1)]]),
  });
  editor.setOpsetImport('', 21, fn);
  const p = editor.addInput(fn.graph, 'p', undefined);
  editor.addOutput(fn.graph, p, 'q');
  const limit = editor.addInput(graph, 'limit', tensorType('int64', []));
  editor.setInitializer(limit, int64Tensor([3], []));
  const owner = editor.draft({ graph, opType: 'If', inputs: [x, limit], outputs: [{ name: 'c' }] });
  for (const branch of ['then_branch', 'else_branch']) {
    const body = editor.createSubgraph(owner, branch);
    const inner = editor.insertNode({ graph: body, opType: 'Neg', inputs: [x], outputs: [{ name: 'inner' }] });
    editor.addOutput(body, inner.outputs[0]!);
    editor.setAttribute(owner, { name: branch, kind: 'graph', value: body });
  }
  editor.attach(owner);
  const w = editor.addInitializer(graph, zeros([64]), 'w');
  const last = editor.insertNode({
    graph,
    domain: 'local',
    opType: 'scale',
    inputs: [owner.outputs[0]!, w],
    outputs: 1,
  });
  editor.addOutput(graph, last.outputs[0]!, 'y', tensorType('float', [symbol('N')]));
  editor.addOutput(graph, x);
  return editor.model;
}

describe('formatModel', () => {
  it('shows versions, inputs, initializers, nodes, subgraphs, outputs and functions', () => {
    expect(formatModel(everything()).split('\n')).toEqual([
      'model, IR version 10, opset ai.onnx 21, local 1, domain shop, version 3, by torch 2.9',
      'graph main(%x: float[N, 64], %limit: int64[] = default int64[] {3}) {',
      '  // 1 initializer, 256 B',
      '  %c: ? = If(%x, %limit)',
      '    then_branch =',
      '    graph then_branch() {',
      '      %inner: ? = Neg(%x)',
      '      return %inner: ?',
      '    }',
      '    else_branch =',
      '    graph else_branch() {',
      '      %inner_1: ? = Neg(%x)',
      '      return %inner_1: ?',
      '    }',
      '  %scale_0: ? = local:scale(%c, %w: const float[64] 256 B)',
      '  return y = %scale_0: float[N], %x: float[N, 64]',
      '}',
      '',
      'function local:scale, opset ai.onnx 21, attributes {by, axis=-1}',
      'graph ""(%p: ?) {',
      '  return q = %p: ?',
      '}',
    ]);
  });

  it('gives the same text each time', () => {
    expect(formatModel(everything())).toBe(formatModel(everything()));
  });

  it('stops after so many nodes of a graph and counts the rest', () => {
    const model = everything();
    expect(formatGraph(model.graph, { maxNodes: 1 }).split('\n').slice(-4)).toEqual([
      '    }',
      '  … 1 more node',
      '  return y = %scale_0: float[N], %x: float[N, 64]',
      '}',
    ]);
    expect(formatGraph(model.graph, { maxNodes: 0, constants: false, types: false })).toBe(
      'graph main(%x, %limit = default) {\n  … 2 more nodes\n  return y = %scale_0, %x\n}',
    );
    expect(formatGraph(model.graph, { maxNodes: 2 })).toBe(formatGraph(model.graph));
  });

  it('shows a model without anything', () => {
    expect(formatModel(new Editor().model)).toBe('model, IR version 0, opset none\ngraph ""() {\n}');
  });

  it('shows graphs that lie hundreds deep', () => {
    const { editor, graph, x } = start();
    let at = graph;
    let node: Node | undefined;
    for (let depth = 0; depth < 500; depth += 1) {
      node = editor.insertNode({ graph: at, opType: 'If', inputs: [x], outputs: 1 });
      at = editor.createSubgraph(node, 'deep');
      editor.setAttribute(node, { name: 'body', kind: 'graph', value: at });
    }
    expect(formatModel(editor.model).split('\n')).toHaveLength(3 + 500 * 4);
  });
});
