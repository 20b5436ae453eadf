import { describe, expect, it } from 'vitest';
import { ortRunner } from '../../../src/backends/ort/run.js';
import { intAttribute, intsAttribute } from '../../../src/ir/attribute.js';
import { symbol } from '../../../src/ir/dim.js';
import type { Model } from '../../../src/ir/graph.js';
import { decodeModel } from '../../../src/ir/onnx/decode.js';
import { encodeModel } from '../../../src/ir/onnx/encode.js';
import { floatTensor, int64Tensor } from '../../../src/ir/tensor.js';
import { formatType, type Shape, tensorType } from '../../../src/ir/value_type.js';
import { declareInferredTypes } from '../../../src/passes/annotate/declare_inferred_types.js';
import { ModelBuilder, randomTensor } from '../../build_model.js';

/** The types a file states for results and outputs, after inference and a way through the file format. */
function declared(model: Model) {
  const { graphs, diagnostics } = declareInferredTypes(model);
  const read = decodeModel(encodeModel(model));
  return {
    graphs,
    messages: diagnostics.map(({ code, message, where }) => `${code} at ${where}: ${message}`),
    read,
    values: Object.fromEntries(Array.from(read.graph.declared, ({ name, type }) => [name, formatType(type)])),
    outputs: read.graph.outputs.map(({ name, type }) => `${name}: ${formatType(type)}`),
  };
}

const loads = async (model: Model): Promise<void> => (await ortRunner()(model, { optimize: false })).close();

/** x[n, 3, h, w] => Conv of stride 2 => a => Relu => Flatten => y */
function convolution() {
  const build = new ModelBuilder();
  const x = build.input('x', ['n', 3, 'h', 'w']);
  const weight = build.constant('weight', randomTensor([4, 3, 3, 3]));
  const a = build.op('Conv', [x, weight], {
    attributes: [intsAttribute('strides', [2, 2]), intsAttribute('pads', [1, 1, 1, 1])],
    outputs: ['a'],
  });
  const b = build.op('Relu', [a], { outputs: ['b'] });
  const y = build.op('Flatten', [b], { attributes: [intAttribute('axis', 1)], outputs: ['y'] });
  return { build, x, a, b, y };
}

describe('declareInferredTypes', () => {
  it('states every result in value_info and completes the outputs, in expressions the runtime reads', async () => {
    const { build, y } = convolution();
    build.output(y);
    const model = build.build();
    const { values, outputs, read, graphs, messages } = declared(model);
    const pooled = 'float[n, 4, floor((h + 1)/2), floor((w + 1)/2)]';
    expect(values).toEqual({ a: pooled, b: pooled });
    expect(outputs).toEqual(['y: float[n, 4*floor((h + 1)/2)*floor((w + 1)/2)]']);
    expect(messages).toEqual([]);
    expect(graphs.map(({ graph }) => graph)).toEqual(['test']);
    expect(graphs[0]?.values.map(({ name, role, source }) => `${name} ${role} ${source}`)).toEqual([
      'x input declared',
      'weight initializer declared',
      'a value inferred',
      'b value inferred',
      'y output inferred',
    ]);
    const session = await ortRunner()(read, { optimize: false });
    const result = await session.run(new Map([['x', randomTensor([2, 3, 5, 7])]]));
    expect(result.get('y')?.dims).toEqual([2, 48]);
    await session.close();
  });

  it('says the same of a model that it has declared already, byte for byte', () => {
    const { build, y } = convolution();
    build.output(y);
    const { read } = declared(build.build());
    const before = encodeModel(read);
    const { graphs } = declareInferredTypes(read);
    expect(Buffer.compare(encodeModel(read), before)).toBe(0);
    expect(graphs.flatMap(({ values }) => values.filter(({ source }) => source !== 'declared'))).toEqual([]);
  });

  it('never touches inputs, whatever their readers need', () => {
    const build = new ModelBuilder();
    const x = build.editor.addInput(build.graph, 'x', tensorType('float', [undefined, undefined]));
    const y = build.op('MatMul', [x, build.constant('w', randomTensor([3, 4]))], { outputs: ['y'] });
    build.output(y);
    const { read, outputs } = declared(build.build());
    expect(formatType(read.graph.inputs[0]?.type)).toBe('float[?, ?]');
    expect(outputs).toEqual(['y: float[?, 4]']);
  });

  it.each<[string, Shape | undefined, string]>([
    ['takes the inferred type where none is declared', undefined, 'float[n, 3]'],
    ['keeps a declared name that is the inferred one', [symbol('n'), 3], 'float[n, 3]'],
    ['replaces a declared name by what is inferred', [symbol('unk__1'), symbol('unk__2')], 'float[n, 3]'],
    ['keeps a declared number of an output where a name is inferred', [8, 3], 'float[8, 3]'],
  ])('%s', (_, shape, expected) => {
    const build = new ModelBuilder();
    const y = build.op('Relu', [build.input('x', ['n', 3])], { outputs: ['y'] });
    build.editor.addOutput(build.graph, y, 'y', shape && tensorType('float', shape));
    const { outputs, messages } = declared(build.build());
    expect(outputs).toEqual([`y: ${expected}`]);
    expect(messages).toEqual([]);
  });

  it('keeps what is declared where nothing is inferred', () => {
    const build = new ModelBuilder();
    const x = build.input('x', ['n', 3]);
    const [a] = build.ops('Mystery', [x], { domain: 'example', outputs: ['a'] });
    build.editor.setOpsetImport('example', 1);
    build.editor.setType(a!, tensorType('float', [symbol('rows'), undefined, 5]));
    build.editor.setDeclared(a!, true);
    build.output(build.op('Relu', [a!], { outputs: ['y'] }));
    const { values, outputs } = declared(build.build());
    expect(values).toEqual({ a: 'float[rows, ?, 5]' });
    expect(outputs).toEqual(['y: float[?, ?, ?]']);
  });

  it('reports both sides where numbers contradict: a result becomes the inferred, an output stays', async () => {
    const build = new ModelBuilder();
    const x = build.input('x', [1, 4]);
    const a = build.op('Relu', [x], { outputs: ['a'] });
    build.editor.setType(a, tensorType('float', [1, 3]));
    build.editor.setDeclared(a, true);
    const y = build.op('Neg', [a], { outputs: ['y'] });
    build.editor.addOutput(build.graph, y, 'y', tensorType('float', [1, 5]));
    const { values, outputs, messages, read } = declared(build.build());
    expect(messages).toEqual([
      'infer/contradiction at test > Relu "a": output "a": declared float[1, 3] · inferred float[1, 4]',
      'infer/contradiction at test > Neg "y": output "y": declared float[1, 5] · inferred float[1, 4]',
    ]);
    expect(values).toEqual({ a: 'float[1, 4]' });
    expect(outputs).toEqual(['y: float[1, 5]']);
    await loads(read);
  });

  it('reports a number that the inferred expression never is, and none that it may be', () => {
    for (const [size, expected] of [
      [1, ['infer/contradiction at test > Concat "y": output "y": declared float[1] · inferred float[n + 2]']],
      [2, []],
    ] as const) {
      const build = new ModelBuilder();
      const two = build.constant('two', floatTensor([1, 2]));
      const y = build.op('Concat', [build.input('x', ['n']), two], {
        attributes: [intAttribute('axis', 0)],
        outputs: ['y'],
      });
      build.editor.addOutput(build.graph, y, 'y', tensorType('float', [size]));
      expect(declared(build.build()).messages).toEqual(expected);
    }
  });

  it('reports an element type that value_info gives an initializer wrongly', () => {
    const build = new ModelBuilder();
    const w = build.constant('w', floatTensor([1, 2]));
    build.editor.setType(w, tensorType('float', [3]));
    build.editor.setDeclared(w, true);
    build.output(build.op('Add', [build.input('x', [2]), w], { outputs: ['y'] }));
    expect(declared(build.build()).messages).toEqual([
      'infer/contradiction at test: initializer "w": declared float[3] · inferred float[2]',
    ]);
  });

  it('leaves a size open whose text would be read as another', () => {
    const build = new ModelBuilder();
    const odd = build.input('odd', ['batch-size', '2*n', 'n']);
    const x = build.input('x', ['n']);
    const doubled = build.op('Concat', [x, x], { attributes: [intAttribute('axis', 0)], outputs: ['doubled'] });
    build.output(doubled);
    const pairs = build.op('Concat', [odd, odd], { attributes: [intAttribute('axis', 0)], outputs: ['pairs'] });
    build.output(pairs);
    build.output(build.op('Neg', [odd], { outputs: ['same'] }), 'same');
    // "2*n" is an input's name for another size; 2*(batch-size) would read as a difference.
    expect(declared(build.build()).outputs).toEqual([
      'doubled: float[?]',
      'pairs: float[?, 2*n, n]',
      'same: float[batch-size, 2*n, n]',
    ]);
  });

  it('states types in subgraphs and leaves their inputs alone', async () => {
    const build = new ModelBuilder();
    const x = build.input('x', ['n', 3]);
    const count = build.constant('count', int64Tensor([4], []));
    const loop = build.editor.draft({
      graph: build.graph,
      opType: 'Loop',
      name: 'loop',
      inputs: [count, null, x],
      outputs: [{ name: 'last' }, { name: 'all' }],
    });
    const body = build.editor.createSubgraph(loop, 'body');
    build.editor.addInput(body, 'i', tensorType('int64', []));
    const goesOn = build.editor.addInput(body, 'goes_on', tensorType('bool', []));
    const carried = build.editor.addInput(body, 'carried', tensorType('float'));
    const inner = new ModelBuilder(17, body, build.editor);
    const a = inner.op('Neg', [carried], { outputs: ['inner_a'] });
    const b = inner.op('Exp', [a], { outputs: ['inner_b'] });
    const on = inner.op('Identity', [goesOn], { outputs: ['on'] });
    build.editor.addOutput(body, on, 'on', tensorType('bool'));
    build.editor.addOutput(body, b, 'inner_b', tensorType('float'));
    const c = inner.op('Neg', [b], { outputs: ['inner_c'] });
    build.editor.addOutput(body, c, 'inner_c', tensorType('float'));
    build.editor.setAttribute(loop, { name: 'body', kind: 'graph', value: body });
    build.editor.attach(loop);
    build.output(loop.outputs[0]!);
    build.output(loop.outputs[1]!);
    const { read, graphs, outputs } = declared(build.build());
    expect(outputs).toEqual(['last: float[n, 3]', 'all: float[4, n, 3]']);
    expect(graphs.map(({ graph }) => graph)).toEqual(['test', 'test > Loop "loop" > body']);
    expect(graphs[1]?.values.map(({ name, type, source }) => `${name}: ${formatType(type)} ${source}`)).toEqual([
      'i: int64[] declared',
      'goes_on: bool[] declared',
      'carried: float[n, 3] inferred',
      'inner_a: float[n, 3] inferred',
      'on: bool[] inferred',
      'inner_b: float[n, 3] inferred',
      'inner_c: float[n, 3] inferred',
    ]);
    const attribute = read.graph.nodes.first?.attributes.get('body');
    const written = attribute?.kind === 'graph' ? attribute.value : undefined;
    expect(formatType(written?.inputs[2]?.type)).toBe('float[*]');
    expect(Array.from(written?.declared ?? [], ({ name }) => name)).toEqual(['inner_a']);
    await loads(read);
  });

  it('leaves function bodies untouched and states the type of what they give back', async () => {
    const build = new ModelBuilder();
    const { editor } = build;
    editor.setOpsetImport('example', 1);
    const fn = editor.addFunction({
      name: 'Twice',
      domain: 'example',
      overload: '',
      attributeNames: [],
      attributeDefaults: new Map(),
    });
    editor.setOpsetImport('', 17, fn);
    const inside = new ModelBuilder(17, fn.graph, editor);
    const p = editor.addInput(fn.graph, 'p', undefined);
    const q = inside.op('Neg', [p], { outputs: ['q'] });
    editor.addOutput(fn.graph, inside.op('Neg', [q], { outputs: ['r'] }), 'r', undefined);
    const z = build.op('Twice', [build.input('x', ['n', 2])], { domain: 'example', outputs: ['z'] });
    build.output(build.op('Relu', [z], { outputs: ['y'] }));
    const { read, values, outputs } = declared(build.build());
    expect(values).toEqual({ z: 'float[n, 2]' });
    expect(outputs).toEqual(['y: float[n, 2]']);
    expect([...read.functions.values()][0]?.graph.declared.size).toBe(0);
    await loads(read);
  });

  it('writes no type whose element type is not known', () => {
    const build = new ModelBuilder();
    const x = build.editor.addInput(build.graph, 'x', tensorType(undefined, [2, 3]));
    const a = build.op('Relu', [x], { outputs: ['a'] });
    build.editor.addOutput(build.graph, build.op('Neg', [a], { outputs: ['y'] }), 'y', undefined);
    const { values, outputs, graphs } = declared(build.build());
    expect(values).toEqual({});
    expect(outputs).toEqual(['y: ?']);
    expect(graphs[0]?.values.map(({ type }) => formatType(type))).toEqual(['?[2, 3]', '?[2, 3]', '?[2, 3]']);
  });
});
