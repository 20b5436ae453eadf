import { describe, expect, it } from 'vitest';
import { floatAttribute, intAttribute } from '../../src/ir/attribute.js';
import { cloneGraphInto, cloneModel } from '../../src/ir/clone.js';
import { InvariantError } from '../../src/ir/diagnostic.js';
import { symbol } from '../../src/ir/dim.js';
import { Editor } from '../../src/ir/editor.js';
import type { Described, Graph, Model, Node, Value } from '../../src/ir/graph.js';
import { floatTensor, int64Tensor } from '../../src/ir/tensor.js';
import { formatGraph, formatModel } from '../../src/ir/text.js';
import { modelGraphs } from '../../src/ir/traversal.js';
import { tensorType } from '../../src/ir/value_type.js';
import { verifyModel } from '../../src/ir/verifier.js';

const float = tensorType('float', [symbol('N')]);

const out = (node: Node): Value => node.outputs[0]!;

const graphOf = (node: Node, attribute: string): Graph => node.attributes.get(attribute)!.value as Graph;

/** A node with a body that reads `captured` and gives the result out under the name of its value. */
function addOwner(editor: Editor, graph: Graph, name: string, captured: Value): Node {
  const owner = editor.draft({ graph, opType: 'If', name, inputs: [], outputs: [{ name }] });
  const body = editor.createSubgraph(owner, 'body');
  const inner = editor.insertNode({ graph: body, opType: 'Neg', inputs: [captured], outputs: [{ name: 'inner' }] });
  editor.addOutput(body, out(inner), 'inner', undefined);
  editor.setAttribute(owner, { name: 'body', kind: 'graph', value: body });
  editor.attach(owner);
  return owner;
}

/** Everything a model can have, described everywhere. */
function everything() {
  const editor = new Editor(undefined, { keepNames: true });
  const { model } = editor;
  const { graph } = model;
  editor.setModelProperties({
    irVersion: 10,
    producerName: 'torch',
    producerVersion: '2.9',
    domain: 'shop',
    modelVersion: 3n,
  });
  editor.setOpsetImport('', 21);
  editor.setOpsetImport('local', 1);
  editor.setGraphName(graph, 'main');
  const fn = editor.addFunction({
    domain: 'local',
    name: 'scale',
    overload: 'two',
    attributeNames: ['by'],
    attributeDefaults: new Map([['axis', intAttribute('axis', -1)]]),
  });
  editor.setOpsetImport('', 20, fn);
  const p = editor.addInput(fn.graph, 'p', undefined);
  const scaled = editor.insertNode({
    graph: fn.graph,
    opType: 'Elu',
    inputs: [p],
    outputs: [{ name: 'q' }],
    attributes: [{ name: 'alpha', kind: 'reference', value: 'by' }],
  });
  editor.addOutput(fn.graph, out(scaled));
  const w = editor.addInitializer(graph, floatTensor([1, 2]), 'w');
  const x = editor.addInput(graph, 'x', float);
  const limit = editor.addInput(graph, 'limit', tensorType('int64', []));
  editor.setInitializer(limit, int64Tensor([3], []));
  const untyped = editor.addInitializer(graph, floatTensor([1]), 'untyped');
  editor.setType(untyped, undefined);
  const a = editor.insertNode({
    graph,
    opType: 'Split',
    name: 'a',
    inputs: [x, null, w],
    outputs: [{ name: 'a', type: float }, null, { name: 'a2' }],
    attributes: [floatAttribute('alpha', 0.5), intAttribute('axis', 0)],
    provenance: ['fuse', 'fold'],
  });
  const owner = addOwner(editor, graph, 'if', out(a));
  const nested = addOwner(editor, graphOf(owner, 'body'), 'nested', out(a));
  const twin = addOwner(editor, graph, 'twin', out(owner));
  editor.addOutput(graph, out(twin), 'y', float);
  editor.addOutput(graph, out(twin), 'z', undefined);
  editor.setDeclared(out(a), true);
  editor.setDeclared(w, true);
  editor.pin(w);
  const parts: Described[] = [];
  for (const each of modelGraphs(model)) {
    parts.push(each, ...each.values.values(), ...each.outputs, ...each.nodes);
  }
  for (const [index, part] of [model, fn, ...parts].entries()) {
    const metadata = new Map([['number', String(index)]]);
    editor.describe(part as Model, { docString: `part ${index}`, metadata, wire: { index } });
  }
  return { editor, model, graph, a, owner, nested, fn };
}

/** All that a model says, cut where it would lead back. Shared parts stay themselves. */
function contents(model: Model): unknown {
  const described = ({ docString, metadata, wire }: Described) => ({ docString, metadata, wire });
  const nameOf = (value: Value | null) => value && [value.name, value.graph.name, value.graph.owner?.name];
  const describeValue = (value: Value) => ({
    ...described(value),
    type: value.type,
    index: value.index,
    isInput: value.isInput,
    initializer: value.initializer,
    pinned: value.pinned,
    uses: Array.from(value.uses, (use) => [use.user.name, use.kind === 'node' ? use.index : 'output']).sort(),
  });
  const graphs = [...modelGraphs(model)].map((graph) => ({
    ...described(graph),
    name: graph.name,
    owner: graph.owner?.name,
    fn: graph.ownerFunction?.name,
    inputs: graph.inputs.map(nameOf),
    initializers: [...graph.initializers].map(nameOf),
    declared: [...graph.declared].map(nameOf),
    values: Array.from(graph.values, ([name, value]) => [name, describeValue(value)]).sort(),
    outputs: graph.outputs.map((slot) => ({
      ...described(slot),
      name: slot.name,
      type: slot.type,
      value: nameOf(slot.value),
    })),
    nodes: Array.from(graph.nodes, (node) => ({
      ...described(node),
      name: node.name,
      operator: [node.domain, node.opType, node.overload],
      inputs: node.inputs.map(nameOf),
      outputs: node.outputs.map(nameOf),
      provenance: node.provenance,
      attributes: Array.from(node.attributes.values(), ({ name, kind, value }) =>
        kind === 'graph' ? [name, value.name] : [name, kind, value],
      ),
    })),
  }));
  const functions = Array.from(model.functions, ([key, fn]) => ({ ...fn, key, graph: fn.graph.name }));
  return { ...model, graph: null, functions, graphs, names: null, suffixes: null };
}

describe('cloneModel', () => {
  it('says the same, names, order, types, descriptions, pins and provenance included', () => {
    const { model } = everything();
    const clone = cloneModel(model);
    expect(contents(clone)).toEqual(contents(model));
    expect(formatModel(clone)).toBe(formatModel(model));
    expect(verifyModel(clone)).toEqual([]);
  });

  it('shares tensors, attributes and wire forms, and nothing that changes', () => {
    const { model, editor, a, owner } = everything();
    const clone = cloneModel(model);
    const [first] = clone.graph.nodes as Iterable<Node>;
    const value = model.graph.values.get('w')!;
    const copy = clone.graph.values.get('w')!;
    expect([copy.initializer, copy.wire, copy.metadata]).toEqual([value.initializer, value.wire, value.metadata]);
    expect(copy.initializer).toBe(value.initializer);
    expect(copy.wire).toBe(value.wire);
    expect(first!.attributes.get('axis')).toBe(a.attributes.get('axis'));
    const before = formatModel(clone);
    const revised = contents(clone);
    for (const slot of [...model.graph.outputs]) editor.removeOutput(slot);
    for (const node of model.graph.nodes.reversed()) editor.eraseNode(node);
    editor.setOpsetImport('', 5);
    expect(owner.attached).toBe(false);
    expect(formatModel(clone)).toBe(before);
    expect(contents(clone)).toEqual(revised);
  });

  it('goes on making names that nothing in the model has', () => {
    const { model } = everything();
    const editor = new Editor(cloneModel(model));
    const names = [...modelGraphs(model)].flatMap((graph) => [
      ...graph.values.keys(),
      ...graph.outputs.map(({ name }) => name),
    ]);
    for (const name of names) expect(names).not.toContain(editor.freshName(name));
  });

  it('copies graphs that lie a thousand deep', () => {
    const editor = new Editor();
    editor.setOpsetImport('', 21);
    const x = editor.addInput(editor.model.graph, 'x', float);
    let at = editor.model.graph;
    for (let depth = 0; depth < 1_000; depth += 1) {
      const node = editor.insertNode({ graph: at, opType: 'If', inputs: [x], outputs: 1 });
      at = editor.createSubgraph(node, 'deep');
      editor.setAttribute(node, { name: 'body', kind: 'graph', value: at });
    }
    const clone = cloneModel(editor.model);
    expect([...modelGraphs(clone)]).toHaveLength(1_001);
    expect(clone.graph.inputs[0]!.uses.size).toBe(1_000);
    expect(verifyModel(clone)).toEqual([]);
    new Editor(clone).eraseNode(clone.graph.nodes.first!);
    expect(clone.graph.inputs[0]!.uses.size).toBe(0);
  });
});

describe('cloneGraphInto', () => {
  it('puts a branch in the place of its If, subgraphs and captured values included', () => {
    const { editor, graph, a, owner } = everything();
    const fresh = new Editor(editor.model);
    const body = graphOf(owner, 'body');
    const inner = body.nodes.first!;
    const values = cloneGraphInto(fresh, body, graph, new Map(), { before: owner, rule: 'inline-if' });
    fresh.replaceAllUses(out(owner), values.get(body.outputs[0]!.value)!);
    fresh.eraseNode(owner);
    expect(verifyModel(editor.model)).toEqual([]);
    expect(formatGraph(graph, { types: false }).split('\n').slice(3, 11)).toEqual([
      '  %inner_1 = Neg(%a) (inline-if)',
      '  %nested_1 = If() // nested (inline-if)',
      '    body =',
      '    graph body() {',
      '      %inner_2 = Neg(%a) (inline-if)',
      '      return %inner_2',
      '    }',
      '  %twin = If() // twin',
    ]);
    expect(Array.from(out(a).uses, ({ user }) => user.graph.name)).toEqual(['main', 'body']);
    expect(graph.nodes.after(a)!.wire).toBe(inner.wire);
  });

  it('puts a function in the place of its call, with its attributes', () => {
    const { editor, graph, fn } = everything();
    const fresh = new Editor(editor.model);
    const x = graph.values.get('x')!;
    const call = new Map([['by', floatAttribute('by', 2)]]);
    const values = cloneGraphInto(fresh, fn.graph, graph, new Map([[fn.graph.inputs[0]!, x]]), {
      attribute: (attribute) => {
        if (attribute.kind !== 'reference') return attribute;
        const given = call.get(attribute.value);
        return given === undefined ? undefined : { ...given, name: attribute.name };
      },
    });
    const copy = values.get(fn.graph.outputs[0]!.value)!;
    expect([copy.name, copy.producer?.opType, copy.producer?.inputs]).toEqual(['q_1', 'Elu', [x]]);
    expect([...copy.producer!.attributes.values()]).toEqual([floatAttribute('alpha', 2)]);
    call.clear();
    const again = cloneGraphInto(fresh, fn.graph, graph, new Map([[fn.graph.inputs[0]!, x]]), {
      attribute: () => undefined,
    });
    expect(again.get(fn.graph.outputs[0]!.value)!.producer!.attributes.size).toBe(0);
    expect(verifyModel(editor.model)).toEqual([]);
  });

  it('copies initializers, defaults that nothing stands for, and declared types', () => {
    const { editor, graph } = everything();
    const fn = editor.addFunction({
      domain: 'l',
      name: 'f',
      overload: '',
      attributeNames: [],
      attributeDefaults: new Map(),
    });
    editor.setOpsetImport('', 21, fn);
    const fresh = new Editor(editor.model);
    const p = fresh.addInput(fn.graph, 'p', float);
    const x = graph.values.get('x')!;
    const mapping = new Map([[x, p]]);
    const values = cloneGraphInto(fresh, graph, fn.graph, mapping);
    expect(mapping.size).toBe(1);
    expect(p.initializer).toBe(null);
    const limit = values.get(graph.values.get('limit')!)!;
    expect([limit.isInput, limit.initializer]).toEqual([false, graph.values.get('limit')!.initializer]);
    expect([...fn.graph.declared]).toEqual(['a', 'w'].map((name) => values.get(graph.values.get(name)!)));
    expect([...fn.graph.values.values()].some(({ pinned }) => pinned)).toBe(false);
    expect(fn.graph.outputs).toEqual([]);
    expect(verifyModel(editor.model)).toEqual([]);
  });

  it('may take another value for one that the graph captured', () => {
    const { editor, graph, a, owner } = everything();
    const fresh = new Editor(editor.model);
    const x = graph.values.get('x')!;
    const values = cloneGraphInto(fresh, graphOf(owner, 'body'), graph, new Map([[out(a), x]]));
    const copies = [...graph.nodes].slice(-2);
    expect(copies[0]!.inputs).toEqual([x]);
    expect(graphOf(copies[1]!, 'body').nodes.first!.inputs).toEqual([x]);
    expect(values.get(out(a))).toBe(x);
    expect(verifyModel(editor.model)).toEqual([]);
  });

  it('leaves out what nothing stands for, in subgraphs too', () => {
    const editor = new Editor();
    const { graph } = editor.model;
    const x = editor.addInput(graph, 'x', float);
    const fn = editor.addFunction({
      name: 'f',
      domain: 'local',
      overload: '',
      attributeNames: [],
      attributeDefaults: new Map(),
    });
    const [given, missing] = ['given', 'missing'].map((name) => editor.addInput(fn.graph, name, float));
    editor.insertNode({ graph: fn.graph, opType: 'Clip', inputs: [given!, missing!], outputs: 1 });
    addOwner(editor, fn.graph, 'owner', missing!);
    cloneGraphInto(editor, fn.graph, graph, new Map([[given!, x]]), { omitted: new Set([missing!]) });
    const [clip, owner] = [...graph.nodes];
    expect(clip!.inputs).toEqual([x, null]);
    expect([...graphOf(owner!, 'body').nodes][0]!.inputs).toEqual([null]);
    expect(verifyModel(editor.model).filter(({ code }) => code !== 'verify/missing-opset')).toEqual([]);
  });

  it('copies a graph twice under names of their own, output slots included', () => {
    const { editor, graph, owner } = everything();
    const fresh = new Editor(editor.model);
    for (let time = 0; time < 2; time += 1) cloneGraphInto(fresh, graphOf(owner, 'body'), graph, new Map());
    const names = [...modelGraphs(editor.model)].flatMap((each) => [...each.values.keys()]);
    const made = names.filter((name) => /_\d$/.test(name));
    expect(new Set(made).size).toBe(made.length);
    expect(verifyModel(editor.model)).toEqual([]);
  });

  it('refuses to copy a graph into itself or below, and what the target cannot see', () => {
    const { editor, graph, owner, fn } = everything();
    const fresh = new Editor(editor.model);
    const body = graphOf(owner, 'body');
    const before = formatModel(editor.model);
    expect(() => cloneGraphInto(fresh, graph, graph, new Map())).toThrow(InvariantError);
    expect(() => cloneGraphInto(fresh, graph, body, new Map())).toThrow(InvariantError);
    expect(() => cloneGraphInto(fresh, body, fn.graph, new Map())).toThrow(InvariantError);
    expect(formatModel(editor.model)).toBe(before);
  });
});
