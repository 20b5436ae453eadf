import { describe, expect, it } from 'vitest';
import { type Attribute, intAttribute, intsAttribute } from '../../../../src/ir/attribute.js';
import type { DataType } from '../../../../src/ir/data_type.js';
import type { Editor } from '../../../../src/ir/editor.js';
import type { Graph, Node, Value } from '../../../../src/ir/graph.js';
import { int64Tensor, type Tensor, tensorFromData } from '../../../../src/ir/tensor.js';
import type { ValueType } from '../../../../src/ir/value_type.js';
import { type Given, inferOne, type OperatorOptions, type Size, typed } from './infer_one.js';

const bool = (value: 0 | 1): Tensor => tensorFromData('bool', [], Uint8Array.of(value));
const trips = (count: number | bigint): Tensor => int64Tensor([count], []);

type Body = {
  readonly graph: Graph;
  readonly inputs: readonly Value[];
  /** A node with one output. */
  op(opType: string, inputs: readonly Value[], attributes?: readonly Attribute[]): Value;
  constant(tensor: Tensor): Value;
};

type BuildBody = (body: Body, outer: readonly (Value | null)[]) => readonly Value[];

/** Gives a node a subgraph whose outputs are what `build` returns. */
function addGraph(
  node: Node,
  editor: Editor,
  outer: readonly (Value | null)[],
  name: string,
  inputTypes: readonly (ValueType | undefined)[],
  build: BuildBody,
): void {
  const graph = editor.createSubgraph(node, name);
  editor.setAttribute(node, { name, kind: 'graph', value: graph });
  const inputs = inputTypes.map((type, index) => editor.addInput(graph, `${name}_in${index}`, type));
  const body: Body = {
    graph,
    inputs,
    op: (opType, operands, attributes = []) =>
      editor.insertNode({ graph, opType, inputs: operands, outputs: 1, attributes }).outputs[0]!,
    constant: (tensor) => editor.addInitializer(graph, tensor, 'c'),
  };
  for (const output of build(body, outer)) editor.addOutput(graph, output, undefined, undefined);
}

type Outputs = Pick<OperatorOptions, 'outputs' | 'attributes' | 'opset'>;

const inferIf = (condition: Given, inputs: readonly Given[], thenBody: BuildBody, elseBody: BuildBody, outputs = 1) =>
  inferOne('If', [condition, ...inputs], {
    outputs,
    prepare(node, editor, all) {
      addGraph(node, editor, all, 'then_branch', [], thenBody);
      addGraph(node, editor, all, 'else_branch', [], elseBody);
      editor.truncateInputs(node, 1);
    },
  });

const inferBody = (
  opType: string,
  inputs: readonly Given[],
  bodyInputs: number | readonly (ValueType | undefined)[],
  build: BuildBody,
  options: Outputs = {},
) =>
  inferOne(opType, inputs, {
    ...options,
    prepare(node, editor, all) {
      const types = typeof bodyInputs === 'number' ? Array.from({ length: bodyInputs }, () => undefined) : bodyInputs;
      addGraph(node, editor, all, 'body', types, build);
    },
  });

/** A value of a shape that does not depend on anything. */
const made = (body: Body, shape: readonly number[], dtype = 1): Value =>
  body.op('RandomNormal', [], [intsAttribute('shape', shape), intAttribute('dtype', dtype)]);

describe('If', () => {
  const condition = typed('bool', []);
  const x = (sizes: readonly Size[], dtype: DataType = 'float') => typed(dtype, sizes);

  it('keeps what both branches agree on', () => {
    const { types, codes } = inferIf(
      condition,
      [x(['N', 3, 4]), x(['N', 3, 5])],
      (body, [, a]) => [body.op('Relu', [a!])],
      (body, [, , b]) => [body.op('Relu', [b!])],
    );
    expect(types).toEqual(['float[N, 3, ?]']);
    expect(codes).toEqual([]);
  });

  it('gives up the rank or the element type where branches differ in it', () => {
    const differ = (a: ValueType, b: ValueType) =>
      inferIf(
        condition,
        [a, b],
        (body, [, left]) => [body.op('Relu', [left!])],
        (body, [, , right]) => [body.op('Relu', [right!])],
      ).types;
    expect(differ(x([3]), x([3, 3]))).toEqual(['float[*]']);
    expect(differ(x([3]), x([3], 'double'))).toEqual(['?[3]']);
  });

  it('takes the branch that a known condition takes, and only looks at that one', () => {
    const run = (value: 0 | 1) =>
      inferIf(
        bool(value),
        [x(['N'])],
        (body, [, a]) => [body.op('Relu', [a!])],
        (body) => [body.op('DFT', [made(body, [4])])],
      );
    expect(run(1)).toMatchObject({ types: ['float[N]'], codes: [] });
    expect(run(0).codes).toEqual(['infer/axis']);
  });

  it('keeps elements that both branches give', () => {
    const give =
      (values: readonly number[]): BuildBody =>
      (body) => [body.constant(int64Tensor(values))];
    const { types, contents } = inferIf(condition, [], give([1, 2, 3]), give([1, 5, 3]));
    expect(types).toEqual(['int64[3]']);
    expect(contents).toEqual(['1, ?, 3']);
    expect(inferIf(condition, [], give([1]), give([1, 2])).contents).toEqual([undefined]);
  });

  it('reports branches that do not have its number of outputs', () => {
    const one: BuildBody = (body) => [made(body, [2])];
    const two: BuildBody = (body) => [made(body, [2]), made(body, [3])];
    expect(inferIf(condition, [], one, two).codes).toEqual(['infer/if-outputs']);
    expect(inferIf(condition, [], one, one, 3).types).toEqual(['float[2]', '?', '?']);
  });
});

describe('Loop', () => {
  const loop = (
    inputs: readonly Given[],
    build: BuildBody,
    outputs: number,
    bodyInputs: number | readonly (ValueType | undefined)[] = inputs.length,
  ) => inferBody('Loop', inputs, bodyInputs, build, { outputs });
  const x = typed('float', ['N', 3]);

  it('keeps what every iteration keeps of a carried value', () => {
    const relu: BuildBody = (body) => [body.inputs[1]!, body.op('Relu', [body.inputs[2]!])];
    expect(loop([trips(3), bool(1), x], relu, 1).types).toEqual(['float[N, 3]']);
  });

  it('gives up the size that changes between iterations', () => {
    const replace: BuildBody = (body) => [body.inputs[1]!, made(body, [4, 3])];
    const open = typed('int64', []);
    expect(loop([open, bool(1), x], replace, 1).types).toEqual(['float[?, 3]']);
    expect(loop([open, bool(1), typed('float', [4])], replace, 1).types).toEqual(['float[*]']);
  });

  it('gives what comes out of an iteration where there certainly is one', () => {
    const replace: BuildBody = (body) => [body.inputs[1]!, made(body, [4, 3])];
    expect(loop([trips(2), bool(1), x], replace, 1).types).toEqual(['float[4, 3]']);
    expect(loop([null, bool(1), x], replace, 1).types).toEqual(['float[4, 3]']);
    expect(loop([trips(2), typed('bool', []), x], replace, 1).types).toEqual(['float[?, 3]']);
  });

  it('gives what it starts with where there is no iteration', () => {
    const replace: BuildBody = (body) => [body.inputs[1]!, made(body, [4, 3]), body.inputs[2]!];
    for (const inputs of [
      [trips(0), bool(1), x],
      [trips(-1), null, x],
      [trips(5), bool(0), x],
    ]) {
      expect(loop(inputs, replace, 2).types).toEqual(['float[N, 3]', 'float[0, ?, 3]']);
    }
  });

  it('follows values that swap places to a fixed point', () => {
    const swap: BuildBody = ({ inputs }) => [inputs[1]!, inputs[3]!, inputs[4]!, inputs[2]!];
    const three = [typed('float', [1, 7]), typed('float', [2, 7]), typed('float', [3, 7])];
    const { types } = loop([typed('int64', []), bool(1), ...three], swap, 3);
    expect(types).toEqual(['float[?, 7]', 'float[?, 7]', 'float[?, 7]']);
  });

  it('gives up all shapes where they go on changing', () => {
    const count = 8;
    const rotate: BuildBody = ({ inputs }) => [inputs[1]!, ...inputs.slice(3), inputs[2]!];
    const carried = Array.from({ length: count }, (_, index) => typed('float', index === 0 ? [1, 7] : [2, 7]));
    const { types } = loop([typed('int64', []), bool(1), ...carried], rotate, count);
    expect(new Set(types)).toEqual(new Set(['float[*]']));
  });

  it('does not take a counter for a constant', () => {
    const count: BuildBody = (body) => [body.inputs[1]!, body.inputs[0]!, body.inputs[3]!];
    const { contents, types } = loop([typed('int64', []), bool(1), trips(0), trips(7)], count, 2);
    expect(types).toEqual(['int64[]', 'int64[]']);
    expect(contents).toEqual([undefined, '7']);
  });

  it('collects results along a new first axis of as many as there are iterations', () => {
    const scan: BuildBody = (body) => [
      body.inputs[1]!,
      body.inputs[2]!,
      body.op('Relu', [body.inputs[2]!]),
      made(body, [5]),
    ];
    expect(loop([trips(4), bool(1), x], scan, 3).types.slice(1)).toEqual(['float[4, N, 3]', 'float[4, 5]']);
    expect(loop([trips(4), null, x], scan, 3).types.slice(1)).toEqual(['float[4, N, 3]', 'float[4, 5]']);
    // Without an iteration ONNX Runtime makes the sizes it does not know 0.
    expect(loop([typed('int64', []), bool(1), x], scan, 3).types.slice(1)).toEqual(['float[?, ?, 3]', 'float[?, 5]']);
    expect(loop([trips(4), typed('bool', []), x], scan, 3).types.slice(1)).toEqual(['float[?, ?, 3]', 'float[?, 5]']);
  });

  it('does not count iterations where the body may end them', () => {
    const scan: BuildBody = (body) => [
      body.op('RegexFullMatch', [body.op('RandomNormal', [], [intsAttribute('shape', []), intAttribute('dtype', 8)])]),
      made(body, [5]),
    ];
    expect(loop([trips(4), bool(1)], scan, 1).types).toEqual(['float[?, 5]']);
    expect(loop([trips(4), null], scan, 1).types).toEqual(['float[?, 5]']);
  });

  it('tells the body that a condition it was given is true', () => {
    const { types } = inferOne('Loop', [trips(3), typed('bool', [])], {
      prepare(node, editor) {
        addGraph(node, editor, [], 'body', [undefined, undefined], ({ graph, inputs }) => {
          const branch = editor.insertNode({ graph, opType: 'If', inputs: [inputs[1]!], outputs: 1 });
          addGraph(branch, editor, [], 'then_branch', [], (body) => [made(body, [5])]);
          addGraph(branch, editor, [], 'else_branch', [], (body) => [made(body, [6])]);
          return [inputs[1]!, branch.outputs[0]!];
        });
      },
    });
    expect(types).toEqual(['float[?, 5]']);
  });

  it('gives the body the scalars that it asks for', () => {
    const scan: BuildBody = ({ inputs }) => [inputs[1]!, inputs[0]!];
    const types = (index: ValueType | undefined) =>
      loop([trips(2), bool(1)], scan, 1, [index, typed('bool', [])]).types;
    expect(types(undefined)).toEqual(['int64[2]']);
    expect(types(typed('int64', []))).toEqual(['int64[2]']);
    expect(types(typed('int64', [1]))).toEqual(['int64[2, 1]']);
  });

  it('carries sequences', () => {
    const insert: BuildBody = (body) => [
      body.inputs[1]!,
      body.op('SequenceInsert', [body.inputs[2]!, made(body, [4, 3])]),
    ];
    const start: ValueType = { kind: 'sequence', element: typed('float', [2, 3]) };
    expect(loop([typed('int64', []), bool(1), start], insert, 1).types).toEqual(['sequence(float[?, 3])']);
  });

  it('reports a carried value whose element type changes', () => {
    const replace: BuildBody = (body) => [body.inputs[1]!, made(body, [4, 3], 11)];
    const { codes, messages } = loop([trips(2), bool(1), x], replace, 1);
    expect(codes).toEqual(['infer/loop-type']);
    expect(messages[0]).toBe('carried value 0 is float[N, 3] before the first iteration and double[4, 3] after it');
  });

  it('reports a body that does not fit', () => {
    const build: BuildBody = ({ inputs }) => [inputs[0]!];
    expect(loop([trips(2), bool(1), x], build, 1, 2)).toMatchObject({ types: ['?'], codes: ['infer/loop-body'] });
    expect(loop([trips(2), bool(1), x], build, 1, 3)).toMatchObject({ types: ['?'], codes: ['infer/loop-body'] });
  });

  it('stays within bounds where loops nest deeply', () => {
    const nest = (editor: Editor, node: Node, depth: number): void => {
      addGraph(node, editor, [], 'body', [undefined, undefined, undefined], (body) => {
        const { graph, inputs } = body;
        if (depth === 0) return [inputs[1]!, made(body, [depth + 4, 3])];
        const inner = editor.insertNode({ graph, opType: 'Loop', inputs: [null, inputs[1]!, inputs[2]!], outputs: 1 });
        nest(editor, inner, depth - 1);
        return [inputs[1]!, inner.outputs[0]!];
      });
    };
    const { types } = inferOne('Loop', [typed('int64', []), bool(1), x], {
      prepare: (node, editor) => nest(editor, node, 20),
    });
    expect(types).toEqual(['float[*]']);
  });

  it('survives trip counts past all bounds', () => {
    const scan: BuildBody = (body) => [body.inputs[1]!, made(body, [5])];
    expect(loop([trips(2n ** 63n - 1n), bool(1)], scan, 1).types).toEqual(['float[?, 5]']);
    expect(loop([int64Tensor([1, 2]), bool(1)], scan, 1).types).toEqual(['float[?, 5]']);
    expect(loop(['untyped', 'untyped'], scan, 1).types).toEqual(['float[?, 5]']);
    expect(inferOne('Loop', []).types).toEqual(['?']);
  });
});

describe('Scan', () => {
  const scan = (inputs: readonly Given[], count: number, build: BuildBody, options: Outputs = {}) =>
    inferBody('Scan', inputs, inputs.length, build, {
      ...options,
      attributes: [intAttribute('num_scan_inputs', count), ...(options.attributes ?? [])],
    });
  const both: BuildBody = (body) => [body.op('Relu', [body.inputs[0]!]), body.op('Relu', [body.inputs[1]!])];
  const state = typed('float', ['B', 8]);
  const sequence = typed('float', ['T', 'B', 4]);

  it('shows the body one element and collects its results', () => {
    expect(scan([state, sequence], 1, both, { outputs: 2 }).types).toEqual(['float[B, 8]', 'float[T, B, 4]']);
  });

  it('scans and collects along other axes, negative ones included', () => {
    const attributes = [intsAttribute('scan_input_axes', [-1]), intsAttribute('scan_output_axes', [-2])];
    const { types } = scan([state, sequence], 1, both, { outputs: 2, attributes });
    expect(types).toEqual(['float[B, 8]', 'float[T, 4, B]']);
  });

  it('takes the length from whichever input knows it', () => {
    const inputs = [typed('float', ['T', 2]), typed('float', [7, 3]), typed('float')];
    const build: BuildBody = (body) => [body.op('Relu', [body.inputs[1]!]), body.op('Relu', [body.inputs[2]!])];
    expect(scan(inputs, 3, build, { outputs: 2 }).types).toEqual(['float[7, 3]', 'float[*]']);
  });

  it('fills what the body leaves open of a state, which keeps its shape', () => {
    const build: BuildBody = (body) => [body.op('Frobnicate', [body.inputs[0]!])];
    expect(scan([state, sequence], 1, build).types).toEqual(['float[B, 8]']);
  });

  it('reports a state that changes and lengths that differ', () => {
    const change: BuildBody = (body) => [made(body, [3, 9])];
    expect(scan([state, sequence], 1, change).codes).toEqual(['infer/scan-state']);
    const lengths = [typed('float', [5]), typed('float', ['T']), typed('float', [6])];
    expect(scan(lengths, 3, both, { outputs: 2 })).toMatchObject({ types: ['?', '?'], codes: ['infer/scan-length'] });
  });

  it('hides the batch axis of opset 8 from the body', () => {
    const inputs = [null, typed('float', ['B', 8]), typed('float', ['B', 'T', 4])];
    const { types, codes } = inferBody('Scan', inputs, 2, both, {
      opset: 8,
      outputs: 2,
      attributes: [intAttribute('num_scan_inputs', 1)],
    });
    expect(types).toEqual(['float[B, 8]', 'float[B, T, 4]']);
    expect(codes).toEqual([]);
  });

  it('reports absurd attributes instead of throwing', () => {
    const huge = [intsAttribute('scan_input_axes', [2n ** 62n])];
    expect(scan([state, sequence], 1, both, { outputs: 2, attributes: huge }).codes).toEqual(['infer/axis']);
    const outside = [intsAttribute('scan_output_axes', [9])];
    expect(scan([state, sequence], 1, both, { outputs: 2, attributes: outside }).codes).toEqual(['infer/axis']);
    for (const count of [-1, 3, 2 ** 53]) {
      expect(scan([state, sequence], count, both, { outputs: 2 }).codes).toEqual(['infer/scan-body']);
    }
    expect(scan([typed('float', []), typed('float', [])], 1, both, { outputs: 2 }).codes).toEqual(['infer/axis']);
    expect(inferOne('Scan', [state]).types).toEqual(['?']);
  });
});

describe('SequenceMap', () => {
  it('shows the body an element of each sequence and gives sequences', () => {
    const images: ValueType = { kind: 'sequence', element: typed('float', ['H', null, 3]) };
    const build: BuildBody = (body) => [body.op('Relu', [body.inputs[0]!]), body.op('Relu', [body.inputs[1]!])];
    const { types } = inferBody('SequenceMap', [images, typed('float', [3])], 2, build, { outputs: 2 });
    expect(types).toEqual(['sequence(float[?, ?, 3])', 'sequence(float[3])']);
  });

  it('reports a body that does not fit', () => {
    const build: BuildBody = (body) => [body.inputs[0]!];
    expect(inferBody('SequenceMap', ['untyped'], 2, build).codes).toEqual(['infer/sequence-map-body']);
  });
});
