import { describe, expect, it } from 'vitest';
import { type Attribute, floatAttribute, intAttribute } from '../../../src/ir/attribute.js';
import type { Model } from '../../../src/ir/graph.js';
import { floatTensor, tensorFromData } from '../../../src/ir/tensor.js';
import { eliminateUnusedImports } from '../../../src/passes/simplify/eliminate_unused_imports.js';
import { inlineFunctions } from '../../../src/passes/simplify/inline_functions.js';
import { applyPass, largestDifference, ModelBuilder, operatorsOf, randomTensor, reasonsOf } from '../../build_model.js';
import { addFunction, addIf } from './build_subgraphs.js';

const x = randomTensor([2, 3], 5);
const local = { domain: 'local' };

/** Operators of the main graph and what is below it. */
const mainOperators = (model: Model): string[] => {
  const functions = [...model.functions.values()].flatMap((fn) => [...fn.graph.nodes].map(({ opType }) => opType));
  return operatorsOf(model).slice(0, operatorsOf(model).length - functions.length);
};

const reference = (name: string, to: string): Attribute => ({ name, kind: 'reference', value: to });

describe('inline-functions', () => {
  it('puts bodies in the place of calls, calls inside them too, under names that are unique', async () => {
    const b = new ModelBuilder();
    const a = b.input('a', [2, 3]);
    addFunction(b, { name: 'Inner', inputs: ['v'] }, (body, [v]) => body.output(body.op('Neg', [v!]), 'out'));
    addFunction(b, { name: 'Outer', inputs: ['v', 'w'] }, (body, [v, w]) => {
      const inner = body.op('Inner', [body.op('Mul', [v!, w!], { outputs: ['middle'] })], local);
      body.output(body.op('Exp', [inner]), 'out');
    });
    const once = b.op('Outer', [a, a], { ...local, name: 'first' });
    b.output(b.op('Outer', [once, a], { ...local, name: 'second' }), 'y');
    const model = b.build();
    const result = await applyPass(model, inlineFunctions);
    expect(mainOperators(result.model)).toEqual(['Mul', 'Neg', 'Exp', 'Mul', 'Neg', 'Exp']);
    expect([...result.model.graph.values.keys()].filter((name) => name.startsWith('middle'))).toHaveLength(2);
    expect(await largestDifference(model, result.model, { a: x })).toBe(0);
    const cleaned = await applyPass(result.model, eliminateUnusedImports);
    expect(cleaned.model.functions.size).toBe(0);
    expect([...cleaned.model.opsetImports.keys()]).toEqual(['']);
  });

  it('resolves attributes: what the call gives, else the default, else the operator’s own', async () => {
    const b = new ModelBuilder();
    const a = b.input('a', [2, 3]);
    const spec = {
      name: 'F',
      inputs: ['v'],
      attributeNames: ['axis'],
      attributeDefaults: [floatAttribute('slope', 0.5)],
    };
    addFunction(b, spec, (body, [v]) => {
      const leaky = body.op('LeakyRelu', [v!], { attributes: [reference('alpha', 'slope')] });
      body.output(body.op('Softmax', [leaky], { attributes: [reference('axis', 'axis')] }), 'out');
    });
    b.output(b.op('F', [a], { ...local, attributes: [intAttribute('axis', 0), floatAttribute('slope', 2)] }), 'given');
    b.output(b.op('F', [a], local), 'defaults');
    const model = b.build();
    const result = await applyPass(model, inlineFunctions);
    const nodes = [...result.model.graph.nodes];
    expect(nodes.map(({ attributes }) => [...attributes.values()].map(({ name, value }) => [name, value]))).toEqual([
      [['alpha', 2]],
      [['axis', 0n]],
      [['alpha', 0.5]],
      [],
    ]);
    expect(await largestDifference(model, result.model, { a: x })).toBe(0);
  });

  it('resolves attributes and constants inside the subgraphs of a body', async () => {
    const b = new ModelBuilder();
    const a = b.input('a', [2, 3]);
    const spec = { name: 'F', inputs: ['v', 'w'], attributeDefaults: [floatAttribute('slope', 0.5)] };
    addFunction(b, spec, (body, [v, w]) => {
      const leaky = (inner: ModelBuilder) =>
        inner.output(inner.op('LeakyRelu', [v!], { attributes: [reference('alpha', 'slope')] }), 'leaky');
      const scaled = (inner: ModelBuilder) =>
        inner.output(inner.op('Mul', [v!, inner.constant('k', floatTensor([3]))]), 'scaled');
      body.output(addIf(body, w!, leaky, scaled, ['out'])[0]!, 'out');
    });
    b.output(b.op('F', [a, b.input('c', [], 'bool')], local), 'y');
    const model = b.build();
    const result = await applyPass(model, inlineFunctions);
    for (const value of [0, 1]) {
      const c = tensorFromData('bool', [], Uint8Array.of(value));
      expect(await largestDifference(model, result.model, { a: x, c })).toBe(0);
    }
  });

  it('leaves inputs out that the call leaves out', async () => {
    const b = new ModelBuilder();
    const a = b.input('a', [2, 3]);
    addFunction(b, { name: 'F', inputs: ['v', 'low', 'high'] }, (body, [v, low, high]) =>
      body.output(body.op('Clip', [v!, low!, high!]), 'out'),
    );
    b.output(b.op('F', [a, null, b.constant('k', floatTensor([0.25], []))], local), 'y');
    b.output(b.op('F', [a], local), 'z');
    const result = await applyPass(b.build(), inlineFunctions);
    const [first, second] = [...result.model.graph.nodes];
    expect(first!.inputs.map((input) => input?.name ?? null)).toEqual(['a', null, 'k']);
    expect(second!.inputs.every((input, index) => (index === 0) === (input !== null))).toBe(true);
  });

  it('passes an input through to an output', async () => {
    const b = new ModelBuilder();
    const a = b.input('a', [2, 3]);
    addFunction(b, { name: 'F', inputs: ['v'] }, (body, [v]) => body.output(v!, 'out'));
    b.output(b.op('F', [a], local), 'y');
    const result = await applyPass(b.editor.model, inlineFunctions);
    expect(mainOperators(result.model)).toEqual(['Identity']);
    expect(result.model.graph.outputs.map(({ name }) => name)).toEqual(['y']);
  });

  it('takes a body of another opset where its operators are the same there, and declines where they are not', async () => {
    const b = new ModelBuilder(17);
    const a = b.input('a', [2, 3]);
    addFunction(b, { name: 'Same', inputs: ['v'], opset: 14 }, (body, [v]) =>
      body.output(body.op('Relu', [v!]), 'out'),
    );
    addFunction(b, { name: 'Other', inputs: ['v'], opset: 12 }, (body, [v]) =>
      body.output(body.op('Softmax', [v!]), 'out'),
    );
    b.output(b.op('Other', [b.op('Same', [a], local)], local), 'y');
    const { model, report } = await applyPass(b.build(), inlineFunctions);
    expect(mainOperators(model)).toEqual(['Relu', 'Other']);
    expect(reasonsOf(report)).toEqual(['Softmax of opset 12 is another operator in opset 17']);
  });

  it('imports a domain that only the function knew', async () => {
    const b = new ModelBuilder();
    const a = b.input('a', [2, 3]);
    const fn = addFunction(b, { name: 'F', inputs: ['v'] }, (body, [v]) =>
      body.output(body.op('QuickGelu', [v!], { domain: 'com.microsoft' }), 'out'),
    );
    b.editor.setOpsetImport('com.microsoft', 1, fn);
    b.output(b.op('F', [a], local), 'y');
    const result = await applyPass(b.build(), inlineFunctions);
    expect(result.model.opsetImports.get('com.microsoft')).toBe(1);
    expect(mainOperators(result.model)).toEqual(['QuickGelu']);
  });

  it('leaves recursion alone, and what hides an operator of the standard', async () => {
    const b = new ModelBuilder();
    const a = b.input('a', [2, 3]);
    addFunction(b, { name: 'Ping', inputs: ['v'] }, (body, [v]) => body.output(body.op('Pong', [v!], local), 'out'));
    addFunction(b, { name: 'Pong', inputs: ['v'] }, (body, [v]) => body.output(body.op('Ping', [v!], local), 'out'));
    b.output(b.op('Ping', [a], local), 'y');
    const ping = await applyPass(b.build(), inlineFunctions, { verifyTypes: false });
    expect(mainOperators(ping.model)).toEqual(['Ping']);
    expect(reasonsOf(ping.report)).toEqual(['the function calls itself']);

    const c = new ModelBuilder();
    c.editor.setOpsetImport('com.microsoft', 1);
    const fn = c.editor.addFunction({
      name: 'QuickGelu',
      domain: 'com.microsoft',
      overload: '',
      attributeNames: [],
      attributeDefaults: new Map(),
    });
    c.editor.setOpsetImport('', 17, fn);
    const body = new ModelBuilder(17, fn.graph, c.editor);
    body.output(body.op('Relu', [c.editor.addInput(fn.graph, 'v', undefined)]), 'out');
    c.output(c.op('QuickGelu', [c.input('a', [2])], { domain: 'com.microsoft' }), 'y');
    const hidden = await applyPass(c.build(), inlineFunctions);
    expect(mainOperators(hidden.model)).toEqual(['QuickGelu']);
    expect(reasonsOf(hidden.report)).toEqual(['an operator of the standard has the same name']);
  });

  it('reaches calls in subgraphs', async () => {
    const b = new ModelBuilder();
    const a = b.input('a', [2, 3]);
    addFunction(b, { name: 'F', inputs: ['v'] }, (body, [v]) => body.output(body.op('Neg', [v!]), 'out'));
    const call = (branch: ModelBuilder) => branch.output(branch.op('F', [a], local));
    const exp = (branch: ModelBuilder) => branch.output(branch.op('Exp', [a]));
    b.output(addIf(b, b.input('c', [], 'bool'), call, exp)[0]!, 'y');
    const model = b.build();
    const result = await applyPass(model, inlineFunctions);
    expect(mainOperators(result.model)).toEqual(['If', 'Neg', 'Exp']);
    const c = tensorFromData('bool', [], Uint8Array.of(1));
    expect(await largestDifference(model, result.model, { a: x, c })).toBe(0);
  });
});

describe('eliminate-unused-imports', () => {
  it('keeps functions that others call, and the domains that nodes in subgraphs use', async () => {
    const b = new ModelBuilder();
    const a = b.input('a', [2, 3]);
    b.editor.setOpsetImport('com.microsoft', 1);
    b.editor.setOpsetImport('ai.onnx.ml', 3);
    addFunction(b, { name: 'Inner', inputs: ['v'] }, (body, [v]) => body.output(body.op('Neg', [v!]), 'out'));
    addFunction(b, { name: 'Outer', inputs: ['v'] }, (body, [v]) => body.output(body.op('Inner', [v!], local), 'out'));
    addFunction(b, { name: 'Idle', inputs: ['v'] }, (body, [v]) => body.output(body.op('Neg', [v!]), 'out'));
    const quick = (branch: ModelBuilder) => branch.output(branch.op('QuickGelu', [a], { domain: 'com.microsoft' }));
    const exp = (branch: ModelBuilder) => branch.output(branch.op('Exp', [a]));
    b.output(addIf(b, b.input('c', [], 'bool'), quick, exp)[0]!, 'y');
    b.output(b.op('Outer', [a], local), 'z');
    const { model } = await applyPass(b.build(), eliminateUnusedImports);
    expect([...model.functions.values()].map(({ name }) => name)).toEqual(['Inner', 'Outer']);
    expect([...model.opsetImports.keys()].sort()).toEqual(['', 'com.microsoft', 'local']);
  });
});
