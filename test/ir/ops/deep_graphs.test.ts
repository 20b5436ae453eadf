import { describe, expect, it } from 'vitest';
import { summarizeModel } from '../../../src/evaluate/summary.js';
import { cloneModel } from '../../../src/ir/clone.js';
import { DiagnosticError } from '../../../src/ir/diagnostic.js';
import { Editor } from '../../../src/ir/editor.js';
import type { Graph, Model, ModelFunction, Value } from '../../../src/ir/graph.js';
import { decodeModel } from '../../../src/ir/onnx/decode.js';
import { encodeModel } from '../../../src/ir/onnx/encode.js';
import { Inference } from '../../../src/ir/ops/inference/inference.js';
import { countNodes, modelGraphs } from '../../../src/ir/traversal.js';
import { formatType, tensorType } from '../../../src/ir/value_type.js';
import { verifyModel } from '../../../src/ir/verifier.js';
import { declareInferredTypes } from '../../../src/passes/annotate/declare_inferred_types.js';

const first = (editor: Editor, graph: Graph, opType: string, inputs: readonly Value[], domain = ''): Value =>
  editor.insertNode({ graph, domain, opType, inputs, outputs: 1 }).outputs[0]!;

function start() {
  const editor = new Editor();
  const { graph } = editor.model;
  editor.setModelProperties({ irVersion: 10 });
  editor.setOpsetImport('', 21);
  editor.setGraphName(graph, 'main');
  return { editor, graph, x: editor.addInput(graph, 'x', tensorType('float', [2, 3])) };
}

/** If in If, or Loop in Loop, so many deep, with a Relu at the bottom. */
function nested(opType: 'If' | 'Loop', depth: number): Model {
  const { editor, graph, x } = start();
  const condition = editor.addInput(graph, 'condition', tensorType('bool', []));
  const count = editor.addInput(graph, 'count', tensorType('int64', []));
  let at = graph;
  let carried = x;
  for (let level = 0; level < depth; level += 1) {
    const inputs = opType === 'If' ? [condition] : [count, condition, carried];
    const node = editor.insertNode({ graph: at, opType, name: `n${level}`, inputs, outputs: 1 });
    editor.addOutput(at, node.outputs[0]!, `o${level}`, undefined);
    const add = (name: string): Graph => {
      const body = editor.createSubgraph(node, `${name}${level}`);
      editor.setAttribute(node, { name, kind: 'graph', value: body });
      return body;
    };
    if (opType === 'If') {
      const other = add('else_branch');
      editor.addOutput(other, first(editor, other, 'Neg', [x]));
      at = add('then_branch');
    } else {
      at = add('body');
      editor.addInput(at, 'i', tensorType('int64', []));
      const goesOn = editor.addInput(at, 'goes_on', tensorType('bool', []));
      carried = editor.addInput(at, 'carried', tensorType('float'));
      editor.addOutput(at, first(editor, at, 'Identity', [goesOn]));
    }
  }
  editor.addOutput(at, first(editor, at, 'Relu', [carried]), 'bottom', undefined);
  return editor.model;
}

const codeOf = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    if (error instanceof DiagnosticError) return error.diagnostic.code;
    throw error;
  }
  return 'done';
};

describe.each(['If', 'Loop'] as const)('%s in itself', (opType) => {
  it('a thousand deep is followed 64 deep, said once, in bounded work', () => {
    const model = nested(opType, 1000);
    const inference = new Inference(model);
    inference.inferAll();
    expect(inference.diagnostics).toHaveLength(1);
    expect(inference.diagnostics[0]).toMatchObject({ code: 'infer/too-deep', severity: 'warning' });
    expect(inference.diagnostics[0]?.where).toMatch(new RegExp(`${opType} "n64"$`));
    // Three levels of loops are settled in four passes each, and every level has two nodes.
    expect(inference.inferredNodes).toBeLessThan(2 * 64 * 4 ** 3);
    expect(formatType(inference.typeOf(model.graph.outputs[0]!.value))).toBe(opType === 'If' ? '?' : 'float[*]');
  });

  it('a thousand deep can be asked for what is at the bottom, from there', () => {
    const model = nested(opType, 1000);
    const inference = new Inference(model);
    const bottom = [...modelGraphs(model)].findLast(({ outputs }) => outputs.at(-1)?.name === 'bottom')!;
    expect(formatType(inference.typeOf(bottom.outputs.at(-1)!.value))).toBe(
      opType === 'If' ? 'float[2, 3]' : 'float[*]',
    );
    expect(inference.inferredNodes).toBeLessThan(2 * 1000 + 2 * 64 * 4 ** 3);
    expect(inference.diagnostics.map(({ code }) => code)).toEqual(['infer/too-deep']);
  });

  it('a thousand deep is verified, counted, cloned and stated, and refused where it is to be written', () => {
    const model = nested(opType, 1000);
    expect(verifyModel(model)).toEqual([]);
    const { nodes, subgraphs } = summarizeModel(model);
    expect({ nodes, subgraphs }).toEqual({ nodes: 2001, subgraphs: opType === 'If' ? 2000 : 1000 });
    const copy = cloneModel(model);
    expect(countNodes(copy)).toBe(2001);
    const { graphs, diagnostics } = declareInferredTypes(copy);
    expect(graphs).toHaveLength(subgraphs + 1);
    expect(diagnostics.map(({ code }) => code)).toEqual(['infer/too-deep']);
    expect(verifyModel(copy)).toEqual([]);
    expect(codeOf(() => encodeModel(model))).toBe('save/too-deep');
  });

  it('is written as deep as it can be read, and inferred to the bottom there', () => {
    let deepest = 0;
    for (let depth = 28; depth < 40; depth += 1) {
      const code = codeOf(() => encodeModel(nested(opType, depth)));
      if (code !== 'done') {
        expect(code).toBe('save/too-deep');
        continue;
      }
      deepest = depth;
      const read = decodeModel(encodeModel(nested(opType, depth)));
      const inference = new Inference(read);
      inference.inferAll();
      expect(inference.diagnostics).toEqual([]);
      // The shapes that loops carry are given up below three of them.
      const expected = opType === 'If' ? 'float[2, 3]' : 'float[*]';
      expect(formatType(inference.typeOf(read.graph.outputs[0]!.value))).toBe(expected);
    }
    expect(deepest).toBeGreaterThanOrEqual(31);
  });
});

/** A function f(a) of one input and output. */
function addFunction(editor: Editor, name: string): { readonly fn: ModelFunction; readonly a: Value } {
  const fn = editor.addFunction({
    name,
    domain: 'example',
    overload: '',
    attributeNames: [],
    attributeDefaults: new Map(),
  });
  editor.setOpsetImport('', 21, fn);
  editor.setOpsetImport('example', 1, fn);
  return { fn, a: editor.addInput(fn.graph, 'a', undefined) };
}

function callOf(editor: Editor, graph: Graph, name: string, input: Value): Inference {
  editor.setOpsetImport('example', 1);
  first(editor, graph, name, [input], 'example');
  const inference = new Inference(editor.model);
  inference.inferAll();
  return inference;
}

describe('functions', () => {
  it('that call each other in a circle end with a diagnostic', () => {
    const { editor, graph, x } = start();
    const f = addFunction(editor, 'f');
    const g = addFunction(editor, 'g');
    editor.addOutput(f.fn.graph, first(editor, f.fn.graph, 'g', [f.a], 'example'));
    editor.addOutput(g.fn.graph, first(editor, g.fn.graph, 'f', [g.a], 'example'));
    const inference = callOf(editor, graph, 'f', x);
    expect(inference.diagnostics).toHaveLength(1);
    expect(inference.diagnostics[0]).toMatchObject({ code: 'infer/recursive-function', severity: 'warning' });
    expect(inference.inferredNodes).toBeLessThan(50);
    expect(codeOf(() => verifyModel(editor.model))).toBe('done');
    expect(codeOf(() => cloneModel(editor.model))).toBe('done');
  });

  it('that call themselves twice, inside subgraphs, end as well', () => {
    const { editor, graph, x } = start();
    const { fn, a } = addFunction(editor, 'f');
    const condition = editor.addInput(fn.graph, 'condition', undefined);
    const node = editor.insertNode({ graph: fn.graph, opType: 'If', inputs: [condition], outputs: 1 });
    for (const name of ['then_branch', 'else_branch']) {
      const body = editor.createSubgraph(node, name);
      editor.setAttribute(node, { name, kind: 'graph', value: body });
      const call = editor.insertNode({
        graph: body,
        domain: 'example',
        opType: 'f',
        inputs: [a, condition],
        outputs: 1,
      });
      editor.addOutput(body, call.outputs[0]!);
    }
    editor.addOutput(fn.graph, node.outputs[0]!);
    const inference = callOf(editor, graph, 'f', x);
    expect(inference.inferredNodes).toBeLessThan(1_001_000);
    expect(new Set(inference.diagnostics.map(({ code }) => code))).toContain('infer/recursive-function');
    expect(inference.diagnostics.length).toBeLessThanOrEqual(1000);
  });

  it('that each call the next one twice, forty deep, end after a million nodes', () => {
    const { editor, graph, x } = start();
    const functions = Array.from({ length: 40 }, (_, index) => addFunction(editor, `f${index}`));
    for (const [index, { fn, a }] of functions.entries()) {
      const call = (input: Value): Value =>
        index === 39
          ? first(editor, fn.graph, 'Relu', [input])
          : first(editor, fn.graph, `f${index + 1}`, [input], 'example');
      editor.addOutput(fn.graph, call(call(a)));
    }
    const inference = callOf(editor, graph, 'f0', x);
    expect(inference.inferredNodes).toBeLessThan(1_001_000);
    expect(inference.diagnostics.length).toBeLessThanOrEqual(1000);
    expect(new Set(inference.diagnostics.map(({ code }) => code))).toEqual(new Set(['infer/recursive-function']));
  });

  it('that hold loops which call them end after a million nodes', () => {
    const { editor, graph, x } = start();
    const { fn, a } = addFunction(editor, 'f');
    const loop = editor.insertNode({
      graph: fn.graph,
      opType: 'Loop',
      inputs: [null, null, a],
      outputs: 1,
    });
    const body = editor.createSubgraph(loop, 'body');
    editor.setAttribute(loop, { name: 'body', kind: 'graph', value: body });
    editor.addInput(body, 'i', undefined);
    const goesOn = editor.addInput(body, 'goes_on', undefined);
    const carried = editor.addInput(body, 'carried', undefined);
    editor.addOutput(body, goesOn);
    editor.addOutput(body, first(editor, body, 'f', [first(editor, body, 'f', [carried], 'example')], 'example'));
    editor.addOutput(fn.graph, loop.outputs[0]!);
    const inference = callOf(editor, graph, 'f', x);
    expect(inference.inferredNodes).toBeLessThan(1_001_000);
    expect(new Set(inference.diagnostics.map(({ code }) => code))).toContain('infer/recursive-function');
  });
});
