import { beforeEach, describe, expect, it } from 'vitest';
import { floatAttribute } from '../../src/ir/attribute.js';
import { cloneModel } from '../../src/ir/clone.js';
import { Editor } from '../../src/ir/editor.js';
import type { Graph, Node, OutputSlot, Use, Value } from '../../src/ir/graph.js';
import { floatTensor, type Tensor, tensorFromStrings } from '../../src/ir/tensor.js';
import { tensorType } from '../../src/ir/value_type.js';
import { verifyModel } from '../../src/ir/verifier.js';

/** What nobody outside the editor may do, so that there is something to find. */
type Broken<T> = { -readonly [K in keyof T]: T[K] extends ReadonlySet<infer E> ? Set<E> : T[K] };
const broken = <T>(part: T): Broken<T> => part as Broken<T>;
const list = <T>(items: readonly T[]): T[] => items as T[];
const map = <K, V>(items: ReadonlyMap<K, V>): Map<K, V> => items as Map<K, V>;

let editor: Editor;
let graph: Graph;
let body: Graph;
let x: Value;
let w: Value;
let a: Node;
let b: Node;
let owner: Node;
let inner: Node;
let slot: OutputSlot;

/** x, w → a → b → y; an If between them whose body reads a. */
beforeEach(() => {
  editor = new Editor();
  editor.setOpsetImport('', 21);
  graph = editor.model.graph;
  editor.setGraphName(graph, 'main');
  x = editor.addInput(graph, 'x', tensorType('float', [2]));
  w = editor.addInitializer(graph, floatTensor([1, 2]), 'w');
  a = add('a', [x, w]);
  owner = editor.draft({ graph, opType: 'If', name: 'if', inputs: [x], outputs: [{ name: 'c' }] });
  body = editor.createSubgraph(owner, 'then');
  inner = add('inner', [out(a)], body);
  editor.addOutput(body, out(inner));
  editor.setAttribute(owner, { name: 'then_branch', kind: 'graph', value: body });
  editor.attach(owner);
  b = add('b', [out(a), out(owner)]);
  slot = editor.addOutput(graph, out(b), 'y');
});

const add = (name: string, inputs: readonly (Value | null)[], inGraph = editor.model.graph): Node =>
  editor.insertNode({ graph: inGraph, opType: 'Sum', name, inputs, outputs: [{ name }] });

const out = (node: Node): Value => node.outputs[0]!;

const found = () => verifyModel(editor.model).map(({ code, where }) => `${code} at ${where}`);

const codes = () => [...new Set(verifyModel(editor.model).map(({ code }) => code))];

describe('verifyModel', () => {
  it('finds nothing in what the editor made, nor in an empty model', () => {
    expect(found()).toEqual([]);
    expect(verifyModel(new Editor().model)).toEqual([]);
  });

  it('says what is wrong, where, and how bad', () => {
    broken(x).uses.clear();
    expect(verifyModel(editor.model)[0]).toEqual({
      code: 'verify/missing-use',
      severity: 'error',
      message: '"x" does not list this reader',
      where: 'main > Sum "a"',
    });
  });

  it('does not recurse: graphs may lie a thousand deep', () => {
    let at = graph;
    for (let depth = 0; depth < 1_000; depth += 1) {
      const node = editor.insertNode({ graph: at, opType: 'If', inputs: [x], outputs: 1 });
      at = editor.createSubgraph(node, 'deep');
      editor.setAttribute(node, { name: 'body', kind: 'graph', value: at });
    }
    add('deepest', [x], at);
    expect(found()).toEqual([]);
    broken(out(at.nodes.first!)).index = 1;
    expect(codes()).toEqual(['verify/producer', 'verify/output']);
  });
});

describe('uses', () => {
  it('that a value does not list are missing', () => {
    broken(out(a)).uses.clear();
    expect(found()).toEqual([
      'verify/missing-use at main > Sum "b"',
      'verify/missing-use at main > If "if" > Sum "inner"',
    ]);
    broken(out(b)).uses.clear();
    expect(found()).toContain('verify/missing-use at main > output "y"');
  });

  it('of another input or value are stale', () => {
    list(b.inputs)[0] = x;
    expect(found()).toEqual(['verify/stale-use at main > value "a"', 'verify/missing-use at main > Sum "b"']);
  });

  it('of a reader that is gone are stale', () => {
    const gone = add('gone', [x]);
    editor.eraseNode(gone);
    broken(x).uses.add({ kind: 'node', user: gone, index: 0 });
    expect(found()).toEqual(['verify/stale-use at main > value "x"']);
  });

  it('of an output that is gone are stale', () => {
    const gone = editor.addOutput(graph, x, 'gone');
    const use = [...x.uses].find(({ user }) => user === gone) as Use;
    editor.removeOutput(gone);
    broken(x).uses.add(use);
    expect(found()).toEqual(['verify/stale-use at main > value "x"']);
  });

  it('of a subgraph that is gone are stale', () => {
    map(owner.attributes).clear();
    expect(found()).toEqual(['verify/stale-use at main > value "a"']);
  });

  it('are listed once', () => {
    broken(x).uses.add({ kind: 'node', user: a, index: 0 });
    expect(found()).toEqual(['verify/duplicate-use at main > value "x"']);
  });

  it('are told apart by input: one twice does not stand for another', () => {
    const twice = add('twice', [x, x]);
    const use = [...x.uses].find((each) => each.kind === 'node' && each.user === twice && each.index === 1) as Use;
    broken(x).uses.delete(use);
    broken(x).uses.add({ kind: 'node', user: twice, index: 0 });
    expect(found()).toEqual(['verify/duplicate-use at main > value "x"', 'verify/missing-use at main > Sum "twice"']);
  });
});

describe('what is read', () => {
  it('is in the model', () => {
    map(graph.values).delete('w');
    expect(codes()).toEqual(['verify/initializer', 'verify/erased-value']);
    const gone = add('gone', [x]);
    editor.eraseNode(gone);
    list(a.inputs)[0] = out(gone);
    broken(slot).value = out(gone);
    expect(found()).toEqual(
      expect.arrayContaining(['verify/erased-value at main > Sum "a"', 'verify/erased-value at main > output "y"']),
    );
  });

  it('is not of another model', () => {
    list(a.inputs)[0] = cloneModel(editor.model).graph.inputs[0]!;
    expect(found()).toContain('verify/erased-value at main > Sum "a"');
  });

  it('is in sight', () => {
    list(b.inputs)[0] = out(inner);
    broken(slot).value = out(inner);
    expect(found()).toEqual(
      expect.arrayContaining(['verify/scope at main > Sum "b"', 'verify/scope at main > output "y"']),
    );
  });

  it('is computed before', () => {
    list(a.inputs)[0] = out(b);
    list(inner.inputs)[0] = out(b);
    broken(body.outputs[0]!).value = out(owner);
    expect(found().filter((each) => each.startsWith('verify/topological-order'))).toEqual([
      'verify/topological-order at main > Sum "a"',
      'verify/topological-order at main > If "if" > Sum "inner"',
      'verify/topological-order at main > If "if" > then > output "inner"',
    ]);
  });
});

describe('the list of nodes', () => {
  it('counts its nodes', () => {
    broken(graph.nodes).size = 7;
    expect(codes()).toEqual(['verify/node-list']);
  });

  it('misses those that are said to be detached', () => {
    broken(b).attached = false;
    expect(codes()).toEqual(expect.arrayContaining(['verify/node-list', 'verify/producer']));
  });

  it('is linked the same both ways', () => {
    (b as unknown as { previous: Node }).previous = a;
    expect(found()).toEqual(['verify/node-list at main > Sum "a"']);
  });

  it('ends where a node comes again', () => {
    (b as unknown as { next: Node }).next = a;
    expect(found()).toContain('verify/node-list at main > Sum "a"');
  });

  it('begins and ends with its first and last node', () => {
    broken(graph.nodes).last = a;
    expect(codes()).toEqual(['verify/node-list']);
  });

  it('has growing order labels', () => {
    broken(owner).order = b.order;
    expect(found()).toContain('verify/node-order at main > Sum "b"');
  });

  it('holds nodes of its own graph', () => {
    broken(a).graph = body;
    expect(codes()).toContain('verify/foreign-node');
  });
});

describe('values', () => {
  it('are listed under their names', () => {
    broken(x).name = 'z';
    expect(codes()).toEqual(expect.arrayContaining(['verify/name', 'verify/input']));
  });

  it('have a name', () => {
    map(graph.values).delete('w');
    broken(w).name = '';
    map(graph.values).set('', w);
    expect(found()).toEqual(['verify/name at main']);
  });

  it('belong to the graph that lists them', () => {
    broken(w).graph = body;
    expect(codes()).toContain('verify/name');
  });

  it('come from somewhere', () => {
    broken(w).initializer = null;
    expect(codes()).toEqual(expect.arrayContaining(['verify/no-source', 'verify/initializer']));
  });

  it('come from one place', () => {
    broken(out(a)).isInput = true;
    expect(codes()).toEqual(['verify/input', 'verify/producer']);
  });

  it('and their producers agree', () => {
    broken(out(a)).producer = b;
    expect(codes()).toEqual(expect.arrayContaining(['verify/producer', 'verify/output']));
    broken(out(a)).producer = a;
    list(a.outputs).length = 0;
    expect(codes()).toEqual(['verify/producer']);
  });

  it('have a producer that is there', () => {
    const gone = add('gone', [x]);
    const value = out(gone);
    editor.eraseNode(gone);
    map(graph.values).set('gone', value);
    expect(found()).toEqual(['verify/producer at main > value "gone"']);
  });

  it('that are declared are there', () => {
    editor.setDeclared(out(a), true);
    expect(found()).toEqual([]);
    const gone = add('gone', [x]);
    const value = out(gone);
    editor.eraseNode(gone);
    broken(graph).declared.add(value);
    expect(found()).toEqual(['verify/declared at main']);
  });

  it('that are inputs know their positions', () => {
    broken(x).index = 1;
    expect(codes()).toEqual(['verify/input']);
    broken(x).index = 0;
    broken(x).isInput = false;
    expect(codes()).toEqual(['verify/input', 'verify/no-source']);
    broken(x).isInput = true;
    list(graph.inputs).length = 0;
    expect(codes()).toEqual(['verify/input']);
  });
});

describe('outputs of a graph', () => {
  it('have names, each its own', () => {
    const second = editor.addOutput(graph, x, 'z');
    broken(second).name = 'y';
    expect(found()).toEqual(['verify/duplicate-output at main']);
    broken(second).name = '';
    expect(found()).toEqual(['verify/name at main']);
  });

  it('belong to it', () => {
    broken(slot).graph = body;
    expect(codes()).toContain('verify/output-slot');
  });
});

describe('initializers', () => {
  const withTensor = (tensor: Partial<Tensor>) => {
    broken(w).initializer = { ...floatTensor([1, 2]), ...tensor };
    return found();
  };

  it('have as many bytes as type and shape say', () => {
    expect(withTensor({ byteLength: 7 })).toEqual(['verify/tensor-size at main > value "w"']);
    expect(withTensor({ dims: [-1] })).toContain('verify/tensor-size at main > value "w"');
    expect(withTensor({ dtype: 'string' })).toContain('verify/tensor-size at main > value "w"');
  });

  it('of strings have as many as the shape says', () => {
    const text = new TextEncoder().encode('text');
    const value = editor.addInitializer(graph, tensorFromStrings([2], [text, text]), 'strings');
    expect(found()).toEqual([]);
    broken(value).initializer = { ...tensorFromStrings([2], [text, text]), strings: [text] };
    expect(found()).toEqual(['verify/tensor-size at main > value "strings"']);
  });

  it('of few coordinates hold values of their type', () => {
    const values = floatTensor([1]);
    const indices = floatTensor([0]);
    const sparse = { kind: 'sparse', dtype: 'float', dims: [9], byteLength: 4, values, indices } as const;
    const value = editor.addInitializer(graph, sparse, 'sparse');
    expect(found()).toEqual([]);
    broken(value).initializer = { ...sparse, values: { ...values, dtype: 'int32' } };
    expect(found()).toEqual(['verify/tensor-size at main > value "sparse"']);
    broken(value).initializer = { ...sparse, indices: { ...indices, byteLength: 5 } };
    expect(found()).toEqual(['verify/tensor-size at main > value "sparse"']);
  });

  it('agree with the types of their values', () => {
    const agreed = ['float', undefined].flatMap((dtype) =>
      [[2], [undefined], undefined].map((shape) => tensorType(dtype as 'float', shape)),
    );
    for (const type of [...agreed, undefined]) {
      editor.setType(w, type);
      expect(found()).toEqual([]);
    }
    for (const type of [tensorType('int64', [2]), tensorType('float', [3]), tensorType('float', [2, 1])]) {
      editor.setType(w, type);
      expect(found()).toEqual(['verify/initializer-type at main > value "w"']);
    }
    editor.setType(w, { kind: 'sequence', element: undefined });
    expect(found()).toEqual(['verify/initializer-type at main > value "w"']);
  });

  it('of inputs may be wrong in the file: a warning', () => {
    editor.setInitializer(x, floatTensor([1, 2, 3]));
    expect(verifyModel(editor.model).map(({ code, severity }) => [code, severity])).toEqual([
      ['verify/initializer-type', 'warning'],
    ]);
  });

  it('are listed on both sides', () => {
    broken(graph).initializers.delete(w);
    expect(found()).toEqual(['verify/initializer at main']);
    broken(graph).initializers.add(w).add(x);
    expect(found()).toEqual(['verify/initializer at main']);
  });
});

describe('subgraphs', () => {
  it('know their owners', () => {
    broken(body).owner = b;
    expect(codes()).toContain('verify/graph-owner');
    broken(body).owner = null;
    expect(codes()).toContain('verify/graph-owner');
  });

  it('stand in one place', () => {
    map(owner.attributes).set('else_branch', { name: 'else_branch', kind: 'graph', value: body });
    expect(codes()).toEqual(['verify/shared-graph']);
    map(inner.attributes).set('itself', { name: 'itself', kind: 'graph', value: graph });
    expect(codes()).toContain('verify/shared-graph');
  });

  it('are of this model', () => {
    broken(body).model = new Editor().model;
    expect(codes()).toEqual(['verify/foreign-graph']);
  });
});

describe('functions', () => {
  const addFunction = (domain: string, name: string) =>
    editor.addFunction({ domain, name, overload: '', attributeNames: [], attributeDefaults: new Map() });

  it('are listed under their keys and own their bodies', () => {
    const fn = addFunction('local', 'f');
    const other = addFunction('local', 'g');
    expect(found()).toEqual([]);
    broken(fn).name = 'h';
    expect(found()).toEqual(['verify/function-key at function local:h']);
    broken(fn).name = 'f';
    broken(fn.graph).ownerFunction = other;
    expect(codes()).toEqual(['verify/graph-owner']);
    broken(fn).graph = other.graph;
    expect(codes()).toEqual(['verify/graph-owner', 'verify/shared-graph']);
  });

  it('have bodies that are verified with their own opsets', () => {
    const fn = addFunction('local', 'f');
    add('p', [], fn.graph);
    add('q', [], fn.graph);
    expect(found()).toEqual(['verify/missing-opset at graph > Sum "p"']);
    editor.setOpsetImport('ai.onnx', 18, fn);
    expect(found()).toEqual([]);
  });
});

describe('opset imports', () => {
  const addOf = (domain: string, opType: string) =>
    editor.insertNode({ graph: body, domain, opType, name: opType, inputs: [], outputs: 0 });

  it('are there for every domain: an error for the default one, said once a graph', () => {
    editor.removeOpsetImport('');
    expect(verifyModel(editor.model)).toEqual([
      expect.objectContaining({ code: 'verify/missing-opset', severity: 'error', where: 'main > Sum "a"' }),
      expect.objectContaining({
        code: 'verify/missing-opset',
        severity: 'error',
        where: 'main > If "if" > Sum "inner"',
      }),
    ]);
  });

  it('may miss for a domain we do not know, with a warning', () => {
    addOf('vendor', 'One');
    addOf('vendor', 'Two');
    expect(verifyModel(editor.model)).toEqual([
      expect.objectContaining({
        code: 'verify/missing-opset',
        severity: 'warning',
        message: 'no opset of vendor is imported',
        where: 'main > If "if" > One "One"',
      }),
    ]);
  });

  it('are not needed for the domain of a function', () => {
    editor.addFunction({ domain: 'local', name: 'f', overload: '', attributeNames: [], attributeDefaults: new Map() });
    addOf('local', 'f');
    addOf('local', 'unknown');
    expect(found()).toEqual([]);
  });
});

describe('attributes', () => {
  it('are listed under their names', () => {
    map(a.attributes).set('beta', floatAttribute('alpha', 1));
    expect(found()).toEqual(['verify/attribute at main > Sum "a"']);
  });
});
