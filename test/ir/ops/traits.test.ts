import { describe, expect, it } from 'vitest';
import { type Attribute, intAttribute, stringAttribute } from '../../../src/ir/attribute.js';
import { Editor } from '../../../src/ir/editor.js';
import type { Node } from '../../../src/ir/graph.js';
import { allOperatorSchemas, operatorVersions } from '../../../src/ir/ops/operator_schema.js';
import {
  dataInputs,
  hasControlFlow,
  isOpaque,
  isRandom,
  keepsOrder,
  keepsRange,
  movesData,
  nodeTraits,
  operatorTraits,
  operatorTraitTable,
} from '../../../src/ir/ops/traits.js';
import { type Tensor, tensorFromData } from '../../../src/ir/tensor.js';

type Spec = {
  readonly domain?: string;
  readonly opset?: number;
  readonly inputs?: number;
  readonly attributes?: readonly Attribute[];
};

function makeNode(opType: string, { domain = '', opset = 22, inputs = 1, attributes = [] }: Spec = {}): Node {
  const editor = new Editor();
  editor.setOpsetImport(domain, opset);
  const { graph } = editor.model;
  const values = Array.from({ length: inputs }, (_, index) => editor.addInput(graph, `x${index}`, undefined));
  return editor.insertNode({ graph, domain, opType, inputs: values, outputs: 1, attributes });
}

function dropout(opset: number, training?: Tensor | 'input', attributes: readonly Attribute[] = []): Node {
  const editor = new Editor();
  editor.setOpsetImport('', opset);
  const { graph } = editor.model;
  const x = editor.addInput(graph, 'x', undefined);
  const mode =
    training === 'input'
      ? editor.addInput(graph, 'mode', undefined)
      : training && editor.addInitializer(graph, training, 'mode');
  const inputs = mode === undefined ? [x] : [x, null, mode];
  return editor.insertNode({ graph, opType: 'Dropout', inputs, outputs: 1, attributes });
}

const bool = (value: 0 | 1): Tensor => tensorFromData('bool', [], Uint8Array.of(value));

describe('the table', () => {
  const schemas = allOperatorSchemas();
  const label = ({ domain, name }: { domain: string; name: string }) => `${domain}:${name}`;

  it('calls random every operator that takes a seed', () => {
    const seeded = schemas.filter(
      ({ attributes, inputs }) => attributes.has('seed') || inputs.some((i) => i.name === 'seed'),
    );
    const missed = seeded.filter(
      ({ domain, name, since }) => operatorTraits(domain, name, since)?.random === undefined,
    );
    // The seed of a hash function only chooses among functions.
    expect(new Set(missed.map(label))).toEqual(new Set(['com.microsoft:MurmurHash3']));
    expect(seeded.length).toBeGreaterThan(10);
  });

  it('calls control flow every operator that takes a graph', () => {
    const holders = schemas.filter(({ attributes }) => [...attributes.values()].some(({ type }) => type === 'GRAPH'));
    const missed = holders.filter(
      ({ domain, name, since }) => operatorTraits(domain, name, since)?.controlFlow !== true,
    );
    expect(missed.map(label)).toEqual([]);
    expect(holders.length).toBeGreaterThan(20);
  });

  it('lists no operator that has no schema', () => {
    for (const [domain, operators] of Object.entries(operatorTraitTable)) {
      for (const opType of Object.keys(operators)) expect(operatorVersions(domain, opType), opType).not.toEqual([]);
    }
  });

  it('gives an elementwise operator one result', () => {
    for (const { domain, name, since, maxOutputs } of schemas) {
      if (operatorTraits(domain, name, since)?.elementwise !== undefined) expect(maxOutputs, name).toBe(1);
    }
  });

  it('gives data inputs that the operator has', () => {
    for (const { domain, name, since, maxInputs, minInputs } of schemas) {
      const source = operatorTraits(domain, name, since)?.source;
      if (typeof source !== 'object' || source.data === 'all') continue;
      for (const index of source.data) expect(index, name).toBeLessThan(Math.max(minInputs, maxInputs));
    }
  });
});

describe('isOpaque', () => {
  it('is false for an operator that the imported opset has', () => {
    expect(isOpaque(makeNode('Relu'))).toBe(false);
    expect(isOpaque(makeNode('Relu', { domain: 'ai.onnx' }))).toBe(false);
    expect(isOpaque(makeNode('LabelEncoder', { domain: 'ai.onnx.ml', opset: 2 }))).toBe(false);
    expect(isOpaque(makeNode('FusedConv', { domain: 'com.microsoft', opset: 1 }))).toBe(false);
  });

  it('is true for an operator, a domain or a version that we do not know', () => {
    expect(isOpaque(makeNode('Frobnicate'))).toBe(true);
    expect(isOpaque(makeNode('Relu', { domain: 'my.ops', opset: 1 }))).toBe(true);
    expect(isOpaque(makeNode('Gelu', { opset: 19 }))).toBe(true);
    expect(isOpaque(makeNode('constructor'))).toBe(true);
    expect(isOpaque(makeNode('Relu', { domain: '__proto__', opset: 1 }))).toBe(true);
  });

  it('is true for a domain that is not imported, save the default one', () => {
    const editor = new Editor();
    const insert = (domain: string, opType: string) =>
      editor.insertNode({ graph: editor.model.graph, domain, opType, inputs: [], outputs: 1 });
    expect(isOpaque(insert('com.microsoft', 'FusedConv'))).toBe(true);
    expect(isOpaque(insert('', 'Relu'))).toBe(false);
  });

  it('is true for operators with effects', () => {
    expect(isOpaque(makeNode('PagedAttention', { domain: 'com.microsoft', opset: 1 }))).toBe(true);
    expect(isOpaque(makeNode('Gradient', { domain: 'ai.onnx.preview.training', opset: 1 }))).toBe(true);
  });

  it('is true for a call of a function, even where it hides a standard operator', () => {
    const editor = new Editor();
    editor.setOpsetImport('', 22);
    editor.addFunction({ name: 'Relu', domain: '', overload: '', attributeNames: [], attributeDefaults: new Map() });
    const { graph } = editor.model;
    const x = editor.addInput(graph, 'x', undefined);
    const node = editor.insertNode({ graph, opType: 'Relu', inputs: [x], outputs: 1 });
    expect(isOpaque(node)).toBe(true);
    expect(nodeTraits(node)).toBeUndefined();
  });
});

describe('isRandom', () => {
  it('is true for what draws numbers, whatever its seed', () => {
    expect(isRandom(makeNode('RandomNormal', { inputs: 0 }))).toBe(true);
    expect(isRandom(makeNode('Bernoulli', { attributes: [{ name: 'seed', kind: 'float', value: 1 }] }))).toBe(true);
    expect(isRandom(makeNode('Sampling', { domain: 'com.microsoft', opset: 1, inputs: 2 }))).toBe(true);
    expect(isRandom(makeNode('Relu'))).toBe(false);
  });

  it('is true for Dropout where it may train', () => {
    expect(isRandom(dropout(22))).toBe(false);
    expect(isRandom(dropout(22, bool(0)))).toBe(false);
    expect(isRandom(dropout(22, bool(1)))).toBe(true);
    expect(isRandom(dropout(13, 'input'))).toBe(true);
    expect(isRandom(dropout(10))).toBe(false);
    expect(isRandom(dropout(6))).toBe(true);
    expect(isRandom(dropout(6, undefined, [intAttribute('is_test', 1)]))).toBe(false);
    expect(isRandom(dropout(6, undefined, [{ name: 'is_test', kind: 'reference', value: 'test' }]))).toBe(true);
  });

  it('looks into subgraphs and called functions', () => {
    const editor = new Editor();
    editor.setOpsetImport('', 22);
    editor.setOpsetImport('my.ops', 1);
    const fn = editor.addFunction({
      name: 'Noise',
      domain: 'my.ops',
      overload: '',
      attributeNames: [],
      attributeDefaults: new Map(),
    });
    editor.setOpsetImport('', 22, fn);
    editor.insertNode({ graph: fn.graph, opType: 'RandomNormal', inputs: [], outputs: 1 });
    const { graph } = editor.model;
    const condition = editor.addInput(graph, 'c', undefined);
    const node = editor.insertNode({ graph, opType: 'If', inputs: [condition], outputs: 1 });
    expect(isRandom(node)).toBe(false);
    const branch = editor.createSubgraph(node, 'then');
    editor.setAttribute(node, { name: 'then_branch', kind: 'graph', value: branch });
    editor.insertNode({ graph: branch, domain: 'my.ops', opType: 'Noise', inputs: [], outputs: 1 });
    expect(isRandom(node)).toBe(true);
    expect(hasControlFlow(node)).toBe(true);
  });
});

describe('where elements come from', () => {
  it('names what moves data', () => {
    for (const opType of ['Reshape', 'Transpose', 'Slice', 'Gather', 'Split', 'Expand', 'Tile', 'Identity', 'Where']) {
      expect(movesData(makeNode(opType, { inputs: 3 })), opType).toBe(true);
    }
    for (const opType of ['MaxPool', 'Pad', 'Add', 'Shape', 'Frobnicate'])
      expect(movesData(makeNode(opType)), opType).toBe(false);
  });

  it('reads the modes that decide it', () => {
    const mode = (opType: string, value: string, name = 'mode') =>
      makeNode(opType, { inputs: 3, attributes: [stringAttribute(name, value)] });
    expect(movesData(mode('Pad', 'reflect'))).toBe(true);
    expect(movesData(mode('Resize', 'nearest'))).toBe(true);
    expect(movesData(mode('Resize', 'linear'))).toBe(false);
    expect(keepsRange(mode('Resize', 'linear'))).toBe(true);
    expect(keepsRange(mode('Resize', 'cubic'))).toBe(false);
    expect(keepsRange(mode('Resize', 'tf_crop_and_resize', 'coordinate_transformation_mode'))).toBe(false);
    expect(movesData(mode('ScatterND', 'add', 'reduction'))).toBe(false);
    expect(movesData(makeNode('ScatterND', { inputs: 3 }))).toBe(true);
  });

  it('takes nothing for granted of an attribute that a function leaves open', () => {
    const open = (opType: string, name: string) =>
      makeNode(opType, { inputs: 3, attributes: [{ name, kind: 'reference', value: 'a' }] });
    expect(movesData(open('ScatterElements', 'reduction'))).toBe(false);
    expect(movesData(open('Resize', 'mode'))).toBe(false);
    expect(keepsRange(open('AveragePool', 'count_include_pad'))).toBe(false);
  });

  it('tells moving from comparing and averaging', () => {
    expect(keepsOrder(makeNode('MaxPool'))).toBe(true);
    expect(keepsOrder(makeNode('AveragePool'))).toBe(false);
    expect(keepsRange(makeNode('AveragePool'))).toBe(true);
    expect(keepsRange(makeNode('AveragePool', { attributes: [intAttribute('count_include_pad', 1)] }))).toBe(false);
    expect(keepsRange(makeNode('Pad'))).toBe(false);
  });

  it('names the inputs that hold data', () => {
    expect(dataInputs(makeNode('Concat', { inputs: 3 }))).toEqual([0, 1, 2]);
    expect(dataInputs(makeNode('Where', { inputs: 3 }))).toEqual([1, 2]);
    expect(dataInputs(makeNode('Gather', { inputs: 2 }))).toEqual([0]);
    expect(dataInputs(makeNode('ScatterND', { inputs: 3 }))).toEqual([0, 2]);
    expect(dataInputs(makeNode('Add', { inputs: 2 }))).toEqual([]);
  });
});
