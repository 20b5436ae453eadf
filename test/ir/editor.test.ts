import { describe, expect, it } from 'vitest';
import { intAttribute } from '../../src/ir/attribute.js';
import { DiagnosticError, InvariantError } from '../../src/ir/diagnostic.js';
import { Editor } from '../../src/ir/editor.js';
import type { Graph, Node, Value } from '../../src/ir/graph.js';
import { floatTensor, int64Tensor } from '../../src/ir/tensor.js';
import { formatModel } from '../../src/ir/text.js';
import { tensorType } from '../../src/ir/value_type.js';
import { verifyModel } from '../../src/ir/verifier.js';

const float = tensorType('float', [2]);

/** A model with an input `x`. */
function start() {
  const editor = new Editor();
  editor.setOpsetImport('', 21);
  const { graph } = editor.model;
  return { editor, graph, x: editor.addInput(graph, 'x', float) };
}

type Options = { readonly graph?: Graph; readonly before?: Node | null; readonly outputs?: number };

/** A node that reads `inputs`; its outputs are named after it. */
function add(editor: Editor, name: string, inputs: readonly (Value | null)[], options: Options = {}): Node {
  const { graph = editor.model.graph, before = null, outputs = 1 } = options;
  const names = Array.from({ length: outputs }, (_, index) => ({ name: index === 0 ? name : `${name}_${index}` }));
  return editor.insertNode({ graph, opType: 'Sum', name, inputs, outputs: names }, before);
}

const out = (node: Node, index = 0): Value => node.outputs[index]!;

/** Gives a node a subgraph `body` with one node that reads `captured`, whose result is the subgraph's output. */
function addBody(editor: Editor, owner: Node, captured: readonly Value[], attribute = 'body'): Graph {
  const body = editor.createSubgraph(owner, attribute);
  const inner = add(editor, 'inner', captured, { graph: body });
  editor.addOutput(body, out(inner));
  editor.setAttribute(owner, { name: attribute, kind: 'graph', value: body });
  return body;
}

const draftOf = (editor: Editor, name: string, inputs: readonly (Value | null)[]): Node =>
  editor.draft({ graph: editor.model.graph, opType: 'If', name, inputs, outputs: [{ name }] });

/** A node with a body that reads `captured`. */
function addOwner(editor: Editor, name: string, inputs: readonly Value[], captured: readonly Value[]): Node {
  const owner = draftOf(editor, name, inputs);
  addBody(editor, owner, captured);
  editor.attach(owner);
  return owner;
}

const namesOf = (graph: Graph): string[] => Array.from(graph.nodes, ({ name }) => name);

/** Readers in words: `node:index`, or `=output`. */
const usesOf = (value: Value): string[] =>
  Array.from(value.uses, (use) => (use.kind === 'node' ? `${use.user.name}:${use.index}` : `=${use.user.name}`));

const expectSound = ({ model }: Editor): void => expect(verifyModel(model)).toEqual([]);

/** Refused, and nothing changed. */
function expectRefused(editor: Editor, edit: () => unknown, error = InvariantError as new (message: never) => Error) {
  const before = { text: formatModel(editor.model), revision: editor.revision, found: verifyModel(editor.model) };
  expect(edit).toThrow(error);
  expect(formatModel(editor.model)).toBe(before.text);
  expect(editor.revision).toBe(before.revision);
  expect(verifyModel(editor.model)).toEqual(before.found);
}

describe('uses', () => {
  it('are counted for node inputs and graph outputs', () => {
    const { editor, graph, x } = start();
    add(editor, 'a', [x, null, x]);
    editor.addOutput(graph, x, 'y');
    expect(usesOf(x)).toEqual(['a:0', 'a:2', '=y']);
    expectSound(editor);
  });

  it('move with replaceAllUses, those of outputs and subgraphs too', () => {
    const { editor, graph, x } = start();
    const a = add(editor, 'a', [x]);
    const other = add(editor, 'other', [x]);
    add(editor, 'reader', [out(a), out(a)]);
    const slot = editor.addOutput(graph, out(a), 'y');
    addOwner(editor, 'if', [x], [out(a)]);
    editor.replaceAllUses(out(a), out(other));
    expect(usesOf(out(a))).toEqual([]);
    expect(usesOf(out(other))).toEqual(['reader:0', 'reader:1', '=y', 'inner:0']);
    expect([slot.name, slot.value]).toEqual(['y', out(other)]);
    expectSound(editor);
  });

  it('are not registered by a draft', () => {
    const { editor, graph, x } = start();
    const { revision } = editor;
    const draft = draftOf(editor, 'a', [x]);
    expect([x.uses.size, graph.nodes.size, graph.values.size, editor.revision]).toEqual([0, 0, 1, revision]);
    expect([draft.attached, draft.inputs]).toEqual([false, [x]]);
    editor.attach(draft);
    expect([usesOf(x), namesOf(graph), draft.attached]).toEqual([['a:0'], ['a'], true]);
    expectSound(editor);
  });

  it('of what the subgraphs of a draft captured are given back when it is discarded', () => {
    const { editor, x } = start();
    const draft = draftOf(editor, 'if', [x]);
    addBody(editor, draft, [x]);
    expect(usesOf(x)).toEqual(['inner:0']);
    editor.discard(draft);
    editor.discard(draft);
    expect(usesOf(x)).toEqual([]);
    expect(editor.freshName('inner')).toBe('inner');
    expectSound(editor);
  });

  it('of captured values are given back when an If is erased, however deep', () => {
    const { editor, graph, x } = start();
    const a = add(editor, 'a', [x]);
    const outer = draftOf(editor, 'outer', [x]);
    const body = addBody(editor, outer, [out(a)]);
    const nested = editor.draft({ graph: body, opType: 'If', name: 'nested', inputs: [x], outputs: 1 });
    editor.addOutput(addBody(editor, nested, [out(a)]), out(a), 'direct');
    editor.attach(nested);
    editor.attach(outer);
    expect(usesOf(out(a))).toEqual(['inner:0', 'inner:0', '=direct']);
    editor.eraseNode(outer);
    expect([usesOf(out(a)), usesOf(x), namesOf(graph)]).toEqual([[], ['a:0'], ['a']]);
    expect(['inner', 'direct'].map((name) => editor.freshName(name))).toEqual(['inner', 'direct']);
    expectSound(editor);
  });

  it('keep a node from being erased', () => {
    const { editor, graph, x } = start();
    const a = add(editor, 'a', [x]);
    const slot = editor.addOutput(graph, out(a), 'y');
    expectRefused(editor, () => editor.eraseNode(a));
    editor.removeOutput(slot);
    editor.pin(out(a));
    expectRefused(editor, () => editor.eraseNode(a));
  });

  it('follow setInput, which fills positions between with nothing', () => {
    const { editor, x } = start();
    const a = add(editor, 'a', [x]);
    const b = add(editor, 'b', [x]);
    editor.setInput(b, 0, out(a));
    editor.setInput(b, 2, x);
    expect(b.inputs).toEqual([out(a), null, x]);
    editor.setInput(b, 0, null);
    expect([usesOf(x), usesOf(out(a))]).toEqual([['a:0', 'b:2'], []]);
    expectSound(editor);
  });

  it('leave no trace where setInput leaves out what is not there', () => {
    const { editor, x } = start();
    const a = add(editor, 'a', [x]);
    const { revision } = editor;
    editor.setInput(a, 3, null);
    expect([a.inputs, editor.revision]).toEqual([[x], revision]);
  });

  it('go with truncateInputs', () => {
    const { editor, x } = start();
    const a = add(editor, 'a', [x, x, null, x]);
    editor.truncateInputs(a, 1);
    expect([a.inputs, usesOf(x)]).toEqual([[x], ['a:0']]);
    expectSound(editor);
  });
});

describe('a subgraph', () => {
  it('that setAttribute replaces gives back what it captured', () => {
    const { editor, x } = start();
    const a = add(editor, 'a', [x]);
    const b = add(editor, 'b', [x]);
    const owner = addOwner(editor, 'if', [x], [out(a)]);
    const old = owner.attributes.get('body')!.value as Graph;
    addBody(editor, owner, [out(b)]);
    expect([usesOf(out(a)), usesOf(out(b))]).toEqual([[], ['inner:0']]);
    expectSound(editor);
    expectRefused(editor, () => add(editor, 'late', [out(a)], { graph: old }));
    expectRefused(editor, () => editor.setAttribute(owner, { name: 'again', kind: 'graph', value: old }));
  });

  it('that setAttribute keeps stays as it was', () => {
    const { editor, x } = start();
    const owner = addOwner(editor, 'if', [], [x]);
    const body = owner.attributes.get('body')!.value as Graph;
    const second = editor.createSubgraph(owner, 'second');
    editor.setAttribute(owner, { name: 'body', kind: 'graphs', value: [body, second] });
    expect(usesOf(x)).toEqual(['inner:0']);
    expectSound(editor);
  });

  it('gives back what it captured when its attribute is removed', () => {
    const { editor, x } = start();
    const owner = addOwner(editor, 'if', [], [x]);
    editor.removeAttribute(owner, 'body');
    expect([usesOf(x), owner.attributes.size]).toEqual([[], 0]);
    expectSound(editor);
  });

  it('of another node is refused', () => {
    const { editor, x } = start();
    const owner = addOwner(editor, 'if', [], [x]);
    const other = addOwner(editor, 'other', [], [x]);
    const value = other.attributes.get('body')!.value as Graph;
    expectRefused(editor, () => editor.setAttribute(owner, { name: 'body', kind: 'graph', value }));
  });

  it('reads around itself but nobody reads into it', () => {
    const { editor, x } = start();
    const owner = addOwner(editor, 'if', [], [x]);
    const body = owner.attributes.get('body')!.value as Graph;
    const inner = body.values.get('inner')!;
    expectRefused(editor, () => add(editor, 'a', [inner]));
    const a = add(editor, 'a', [x]);
    expectRefused(editor, () => editor.setInput(a, 0, inner));
    expectRefused(editor, () => editor.replaceAllUses(x, inner));
    expectRefused(editor, () => editor.addOutput(editor.model.graph, inner, 'y'));
  });
});

describe('topological order', () => {
  it('takes the place that attach is told', () => {
    const { editor, graph, x } = start();
    const b = add(editor, 'b', [x]);
    add(editor, 'd', [x]);
    add(editor, 'a', [x], { before: b });
    add(editor, 'c', [x], { before: graph.nodes.last });
    expect(namesOf(graph)).toEqual(['a', 'b', 'c', 'd']);
    expectSound(editor);
  });

  it('puts a node behind what it reads where the place it is told comes before', () => {
    const { editor, graph, x } = start();
    const a = add(editor, 'a', [x]);
    const b = add(editor, 'b', [out(a)]);
    add(editor, 'c', [out(b)], { before: a });
    expect(namesOf(graph)).toEqual(['a', 'b', 'c']);
    const owner = draftOf(editor, 'if', []);
    addBody(editor, owner, [out(b)]);
    editor.attach(owner, a);
    expect(namesOf(graph)).toEqual(['a', 'b', 'if', 'c']);
    expectSound(editor);
  });

  it('moves a reader of a later value, with what depends on it, and nothing else', () => {
    const { editor, graph, x } = start();
    const reader = add(editor, 'reader', [x]);
    add(editor, 'stays', [x]);
    const dependent = add(editor, 'dependent', [out(reader)]);
    addOwner(editor, 'if', [], [out(dependent)]);
    const later = add(editor, 'later', [x]);
    add(editor, 'end', [out(dependent)]);
    editor.setInput(reader, 1, out(later));
    expect(namesOf(graph)).toEqual(['stays', 'later', 'reader', 'dependent', 'if', 'end']);
    expectSound(editor);
  });

  it('moves the owner of a subgraph that reads a later value', () => {
    const { editor, graph, x } = start();
    const owner = addOwner(editor, 'if', [], [x]);
    const body = owner.attributes.get('body')!.value as Graph;
    const later = add(editor, 'later', [x]);
    editor.setInput(body.nodes.first!, 0, out(later));
    expect(namesOf(graph)).toEqual(['later', 'if']);
    const last = add(editor, 'last', [x]);
    editor.setOutputValue(body.outputs[0]!, out(last));
    expect(namesOf(graph)).toEqual(['later', 'last', 'if']);
    const added = add(editor, 'added', [x]);
    editor.addOutput(body, out(added));
    expect(namesOf(graph)).toEqual(['later', 'last', 'added', 'if']);
    expectSound(editor);
  });

  it('leaves drafts where they are: nowhere', () => {
    const { editor, graph, x } = start();
    const reader = add(editor, 'reader', [x]);
    const later = add(editor, 'later', [x]);
    const draft = draftOf(editor, 'if', []);
    addBody(editor, draft, [out(reader)]);
    editor.setInput(reader, 0, out(later));
    expect(namesOf(graph)).toEqual(['later', 'reader']);
    editor.attach(draft, later);
    expect(namesOf(graph)).toEqual(['later', 'reader', 'if']);
    expectSound(editor);
  });

  it('refuses a circle before anything changed', () => {
    const { editor, x } = start();
    const a = add(editor, 'a', [x]);
    const b = add(editor, 'b', [out(a)]);
    const owner = addOwner(editor, 'if', [], [out(b)]);
    const c = add(editor, 'c', [out(owner)]);
    const body = owner.attributes.get('body')!.value as Graph;
    const refused = (edit: () => unknown) => expectRefused(editor, edit, DiagnosticError);
    refused(() => editor.setInput(a, 0, out(a)));
    refused(() => editor.setInput(a, 0, out(c)));
    refused(() => editor.setInput(body.nodes.first!, 0, out(c)));
    refused(() => editor.setInput(body.nodes.first!, 0, out(owner)));
    refused(() => editor.setOutputValue(body.outputs[0]!, out(c)));
    refused(() => editor.addOutput(body, out(c), 'circle'));
    refused(() => add(editor, 'late', [x, out(c)], { graph: body }));
    refused(() => editor.replaceAllUses(x, out(c)));
    refused(() => editor.replaceAllUses(out(a), out(b)));
    expectSound(editor);
  });

  it('refuses a subgraph that reads what its own node gives', () => {
    const { editor } = start();
    const draft = draftOf(editor, 'if', []);
    addBody(editor, draft, [out(draft)]);
    expect(() => editor.attach(draft)).toThrow(InvariantError);
  });

  it('holds however often a node is inserted at one place', () => {
    const { editor, graph, x } = start();
    const last = add(editor, 'last', [x]);
    for (let index = 0; index < 20_000; index += 1) add(editor, `n${index}`, [x], { before: last });
    for (let index = 0; index < 20_000; index += 1) add(editor, `m${index}`, [x], { before: graph.nodes.first });
    expect(namesOf(graph).slice(20_000, -1)).toEqual(Array.from({ length: 20_000 }, (_, index) => `n${index}`));
    expectSound(editor);
  });
});

describe('iteration over nodes', () => {
  it('goes on where nodes are erased: the one it stands on, the next, and the one before', () => {
    const { editor, graph, x } = start();
    const nodes = ['a', 'b', 'c', 'd', 'e'].map((name) => add(editor, name, [x]));
    const seen: string[] = [];
    for (const node of graph.nodes) {
      seen.push(node.name);
      if (node.name === 'b') for (const gone of nodes.slice(0, 4)) editor.eraseNode(gone);
    }
    expect(seen).toEqual(['a', 'b', 'e']);
    expectSound(editor);
  });

  it('meets nodes inserted ahead and not those inserted behind', () => {
    const { editor, graph, x } = start();
    for (const name of ['a', 'b', 'c']) add(editor, name, [x]);
    const seen: string[] = [];
    for (const node of graph.nodes) {
      seen.push(node.name);
      if (node.name !== 'b') continue;
      add(editor, 'behind', [x], { before: node });
      add(editor, 'ahead', [x], { before: graph.nodes.after(node) });
    }
    expect(seen).toEqual(['a', 'b', 'ahead', 'c']);
    expect(Array.from(graph.nodes.reversed(), ({ name }) => name)).toEqual(['c', 'ahead', 'b', 'behind', 'a']);
  });

  it('goes backwards while nodes are erased', () => {
    const { editor, graph, x } = start();
    const a = add(editor, 'a', [x]);
    add(editor, 'b', [out(a)]);
    add(editor, 'unread', [x]);
    for (const node of graph.nodes.reversed()) if (out(node).uses.size === 0) editor.eraseNode(node);
    expect(namesOf(graph)).toEqual([]);
    expect([graph.nodes.size, graph.nodes.first, graph.nodes.last]).toEqual([0, null, null]);
    expectSound(editor);
  });

  it('finds the node behind an erased one', () => {
    const { editor, graph, x } = start();
    const [a, b, c] = ['a', 'b', 'c'].map((name) => add(editor, name, [x])) as [Node, Node, Node];
    editor.eraseNode(a);
    editor.eraseNode(b);
    expect(graph.nodes.after(a)).toBe(c);
    expect(graph.nodes.after(c)).toBe(null);
  });
});

describe('names', () => {
  it('are fresh and unique over all graphs of the model, outputs included', () => {
    const { editor, graph, x } = start();
    editor.addOutput(graph, x, 'y');
    const owner = addOwner(editor, 'if', [x], [x]);
    const body = owner.attributes.get('body')!.value as Graph;
    expect(out(add(editor, 'x', [x])).name).toBe('x_1');
    expect(out(add(editor, 'x', [x])).name).toBe('x_2');
    expect(out(add(editor, 'y', [x])).name).toBe('y_1');
    expect(out(add(editor, 'y_1', [x], { graph: body })).name).toBe('y_1_1');
    expect(editor.addInitializer(graph, floatTensor([1]), 'inner').name).toBe('inner_1');
    const unnamed = editor.insertNode({ graph, opType: 'Relu', inputs: [x], outputs: 2 });
    expect(unnamed.outputs.map((value) => value?.name)).toEqual(['Relu_0', 'Relu_1']);
    expectSound(editor);
  });

  it('are free again when their value is gone', () => {
    const { editor, x } = start();
    editor.eraseNode(add(editor, 'a', [x]));
    expect(out(add(editor, 'a', [x])).name).toBe('a');
  });

  it('stay as given where the editor keeps them, unique only in their graph', () => {
    const editor = new Editor(undefined, { keepNames: true });
    const x = editor.addInput(editor.model.graph, 'x', float);
    const owner = addOwner(editor, 'if', [], [x]);
    const body = owner.attributes.get('body')!.value as Graph;
    expect(out(add(editor, 'x', [x], { graph: body })).name).toBe('x');
    expect(out(add(editor, 'x', [x], { graph: body })).name).toBe('x_1');
  });

  it('change with renameValue, and get a number where they are taken', () => {
    const { editor, graph, x } = start();
    const a = add(editor, 'a', [x]);
    expect(editor.renameValue(out(a), 'b')).toBe('b');
    expect([graph.values.get('b'), graph.values.has('a')]).toEqual([out(a), false]);
    expect(editor.renameValue(out(a), 'x')).toBe('x_1');
    expect(editor.renameValue(out(a), 'x_1')).toBe('x_1');
    editor.pin(x);
    expectRefused(editor, () => editor.renameValue(x, 'z'));
    expectSound(editor);
  });

  it('of values in the model are no affair of a draft', () => {
    const { editor, graph, x } = start();
    const a = add(editor, 'a', [x]);
    const draft = draftOf(editor, 'a', [x]);
    editor.renameValue(out(draft), 'b');
    expect(graph.values.get('a')).toBe(out(a));
    const other = editor.draft({ graph, opType: 'Sum', inputs: [x], outputs: [{ name: 'c' }, { name: 'a' }] });
    editor.omitOutput(out(other, 1));
    editor.attach(draft);
    editor.attach(other);
    expect(editor.freshName('a')).toBe('a_1');
    expect([out(draft).name, out(other).name, other.outputs.length]).toEqual(['b', 'c', 1]);
    expectSound(editor);
  });

  it('of outputs stay whatever feeds them, and are given once', () => {
    const { editor, graph, x } = start();
    const a = add(editor, 'a', [x]);
    const slot = editor.addOutput(graph, out(a));
    editor.setOutputValue(slot, x);
    editor.eraseNode(a);
    expect([slot.name, slot.value]).toEqual(['a', x]);
    expectRefused(editor, () => editor.addOutput(graph, x, 'a'));
    expect(out(add(editor, 'a', [x])).name).toBe('a_1');
    editor.removeOutput(slot);
    expectRefused(editor, () => editor.removeOutput(slot));
    expectRefused(editor, () => editor.setOutputValue(slot, x));
    expectSound(editor);
  });
});

describe('inputs, outputs and initializers', () => {
  it('renumber when an input is removed, with its default', () => {
    const { editor, graph, x } = start();
    const y = editor.addInput(graph, 'y', float);
    const z = editor.addInput(graph, 'z', float);
    editor.setInitializer(y, floatTensor([1, 2]));
    add(editor, 'a', [x]);
    editor.removeInput(y);
    expect([graph.inputs, z.index, graph.initializers.size]).toEqual([[x, z], 1, 0]);
    expectRefused(editor, () => editor.removeInput(x));
    expectRefused(editor, () => editor.removeInput(y));
    expectRefused(editor, () => add(editor, 'late', [y]));
    editor.pin(z);
    expectRefused(editor, () => editor.removeInput(z));
    expectSound(editor);
  });

  it('make an input with a default a plain initializer', () => {
    const { editor, graph, x } = start();
    const y = editor.addInput(graph, 'y', float);
    expectRefused(editor, () => editor.inputToInitializer(x));
    editor.setInitializer(x, floatTensor([1, 2]));
    editor.inputToInitializer(x);
    expect([graph.inputs, y.index, x.isInput, graph.initializers.has(x)]).toEqual([[y], 0, false, true]);
    expectSound(editor);
  });

  it('give and take defaults and tensors', () => {
    const { editor, graph, x } = start();
    editor.setInitializer(x, floatTensor([1, 2]));
    editor.setInitializer(x, null);
    expect([x.initializer, graph.initializers.size]).toEqual([null, 0]);
    const w = editor.addInitializer(graph, floatTensor([1]), 'w');
    expectRefused(editor, () => editor.setInitializer(w, null));
    editor.setInitializer(w, int64Tensor([1, 2]));
    expect(w.type).toEqual(tensorType('int64', [2]));
    const a = add(editor, 'a', [w]);
    expectRefused(editor, () => editor.setInitializer(out(a), floatTensor([1])));
    expectRefused(editor, () => editor.eraseInitializer(w));
    editor.eraseNode(a);
    editor.eraseInitializer(w);
    expect([graph.initializers.size, graph.values.has('w')]).toEqual([0, false]);
    expectSound(editor);
  });

  it('leave an output out: its position stays, except at the end', () => {
    const { editor, x } = start();
    const a = add(editor, 'a', [x], { outputs: 4 });
    const [first, second, third, fourth] = a.outputs as [Value, Value, Value, Value];
    editor.omitOutput(second);
    expect(a.outputs).toEqual([first, null, third, fourth]);
    editor.omitOutput(fourth);
    expect([a.outputs, third.index]).toEqual([[first, null, third], 2]);
    add(editor, 'b', [third]);
    expectRefused(editor, () => editor.omitOutput(third));
    expectRefused(editor, () => editor.setInput(a, 0, second));
    expectRefused(editor, () => editor.omitOutput(second));
    expectSound(editor);
  });

  it('drop an output: those behind it move up', () => {
    const { editor, graph, x } = start();
    const a = add(editor, 'a', [x], { outputs: 4 });
    const [first, second, third, fourth] = a.outputs as [Value, Value, Value, Value];
    editor.omitOutput(third);
    editor.dropOutput(second);
    expect(a.outputs).toEqual([first, null, fourth]);
    expect([fourth.index, graph.values.has(second.name)]).toEqual([2, false]);
    add(editor, 'b', [fourth]);
    expectRefused(editor, () => editor.dropOutput(fourth));
    expectRefused(editor, () => editor.dropOutput(second));
    expectSound(editor);
  });

  it('take in a constant of a draft with the first reader, whoever that is', () => {
    const { editor, graph, x } = start();
    const a = add(editor, 'a', [x]);
    const slot = editor.addOutput(graph, out(a), 'y');
    const constant = () => editor.draftConstant(graph, floatTensor([1, 2]), 'k');
    const [unread, attached, set, replacing, output] = Array.from({ length: 5 }, constant) as [
      Value,
      Value,
      Value,
      Value,
      Value,
    ];
    add(editor, 'b', [attached, attached]);
    editor.setInput(a, 0, set);
    editor.replaceAllUses(out(a), replacing);
    editor.setOutputValue(slot, output);
    expect([...graph.initializers]).toEqual([attached, set, replacing, output]);
    expect([...graph.initializers].map(({ name }) => name)).toEqual([
      'onnxopt::k',
      'onnxopt::k_1',
      'onnxopt::k_2',
      'onnxopt::k_3',
    ]);
    expect(unread.uses.size).toBe(0);
    expectSound(editor);
  });
});

describe('what is gone', () => {
  it('is not read again', () => {
    const { editor, graph, x } = start();
    const gone = add(editor, 'gone', [x]);
    const a = add(editor, 'a', [x]);
    const slot = editor.addOutput(graph, out(a), 'y');
    editor.eraseNode(gone);
    expectRefused(editor, () => add(editor, 'late', [out(gone)]));
    expectRefused(editor, () => editor.setInput(a, 0, out(gone)));
    expectRefused(editor, () => editor.setOutputValue(slot, out(gone)));
    expectRefused(editor, () => editor.addOutput(graph, out(gone), 'z'));
    expectRefused(editor, () => editor.replaceAllUses(x, out(gone)));
  });

  it('is not changed and does not come back', () => {
    const { editor, x } = start();
    const gone = addOwner(editor, 'if', [x], [x]);
    const body = gone.attributes.get('body')!.value as Graph;
    editor.eraseNode(gone);
    expectRefused(editor, () => editor.attach(gone));
    expectRefused(editor, () => editor.eraseNode(gone));
    expectRefused(editor, () => editor.setInput(gone, 0, x));
    expectRefused(editor, () => editor.createSubgraph(gone, 'body'));
    expectRefused(editor, () => editor.addOutput(body, x, 'late'));
    expectRefused(editor, () => editor.addInput(body, 'late', float));
    const discarded = draftOf(editor, 'discarded', [x]);
    editor.discard(discarded);
    expectRefused(editor, () => editor.attach(discarded));
  });

  it('counts neither as a draft nor as an anchor', () => {
    const { editor, x } = start();
    const a = add(editor, 'a', [x]);
    const draft = draftOf(editor, 'draft', [x]);
    expectRefused(editor, () => editor.setInput(a, 0, out(draft)));
    expectRefused(editor, () => editor.replaceAllUses(x, out(draft)));
    expectRefused(editor, () => add(editor, 'b', [out(draft)]));
    expectRefused(editor, () => add(editor, 'b', [x], { before: draft }));
    expectRefused(editor, () => editor.attach(a));
    expectRefused(editor, () => editor.discard(a));
  });

  it('may be another model', () => {
    const { editor, graph, x } = start();
    const other = start();
    const a = add(editor, 'a', [x]);
    expectRefused(editor, () => editor.setInput(a, 0, other.x));
    expectRefused(editor, () => add(editor, 'b', [x], { graph: other.graph }));
    expectRefused(editor, () => other.editor.eraseNode(a));
    expectRefused(editor, () => other.editor.addInput(graph, 'z', float));
    expectRefused(editor, () => other.editor.renameValue(out(a), 'z'));
  });
});

describe('functions', () => {
  const spec = { name: 'f', domain: 'local', overload: '', attributeNames: [], attributeDefaults: new Map() };

  it('are known by domain, name and overload', () => {
    const { editor } = start();
    const fn = editor.addFunction(spec);
    expectRefused(editor, () => editor.addFunction(spec));
    editor.addFunction({ ...spec, overload: 'two' });
    expect([...editor.model.functions.values()]).toHaveLength(2);
    editor.removeFunction(fn);
    expectRefused(editor, () => editor.removeFunction(fn));
    expect(editor.model.functions.size).toBe(1);
  });

  it('give back their names when they are removed', () => {
    const { editor } = start();
    const fn = editor.addFunction(spec);
    const input = editor.addInput(fn.graph, 'p', undefined);
    editor.addOutput(fn.graph, input, 'q');
    editor.removeFunction(fn);
    expect([editor.freshName('p'), editor.freshName('q')]).toEqual(['p', 'q']);
    expectSound(editor);
  });
});

describe('the revision', () => {
  it('grows with every change', () => {
    const { editor, graph, x } = start();
    const a = add(editor, 'a', [x]);
    const slot = editor.addOutput(graph, x, 'y');
    const edits: (() => unknown)[] = [
      () => add(editor, 'b', [x]),
      () => editor.setInput(a, 1, x),
      () => editor.truncateInputs(a, 1),
      () => editor.setOutputValue(slot, out(a)),
      () => editor.replaceAllUses(out(a), x),
      () => editor.setAttribute(a, intAttribute('axis', 1)),
      () => editor.removeAttribute(a, 'axis'),
      () => editor.setOperator(a, { domain: '', opType: 'Max' }),
      () => editor.setNodeName(a, 'c'),
      () => editor.setType(out(a), float),
      () => editor.setOutputType(slot, undefined),
      () => editor.setDeclared(out(a), true),
      () => editor.renameValue(out(a), 'c'),
      () => editor.setGraphName(graph, 'main'),
      () => editor.setOpsetImport('', 22),
      () => editor.eraseNode(a),
    ];
    for (const edit of edits) {
      const { revision } = editor;
      edit();
      expect(editor.revision, String(edit)).toBeGreaterThan(revision);
    }
    expectSound(editor);
  });

  it('stays where nothing changes', () => {
    const { editor, graph, x } = start();
    const a = add(editor, 'a', [x]);
    const b = add(editor, 'b', [x]);
    const slot = editor.addOutput(graph, x, 'y', float);
    const { revision } = editor;
    editor.setInput(a, 0, x);
    editor.setInput(a, 5, null);
    editor.truncateInputs(a, 1);
    editor.setOutputValue(slot, x);
    editor.setOutputType(slot, float);
    editor.replaceAllUses(x, x);
    editor.replaceAllUses(out(b), x);
    editor.removeAttribute(a, 'axis');
    editor.setOperator(a, { domain: '', opType: 'Sum' });
    editor.setNodeName(a, 'a');
    editor.setType(x, float);
    editor.setDeclared(x, false);
    editor.renameValue(x, 'x');
    editor.setGraphName(graph, '');
    editor.setOpsetImport('', 21);
    editor.removeOpsetImport('local');
    editor.discard(draftOf(editor, 'draft', [x]));
    editor.createSubgraph(a, 'body');
    expect(editor.revision).toBe(revision);
  });
});
