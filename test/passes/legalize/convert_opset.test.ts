import { describe, expect, it } from 'vitest';
import { intAttribute, intsAttribute } from '../../../src/ir/attribute.js';
import type { DiagnosticError } from '../../../src/ir/diagnostic.js';
import type { Model } from '../../../src/ir/graph.js';
import { floatTensor, int64Tensor, tensorFromData } from '../../../src/ir/tensor.js';
import { tensorType } from '../../../src/ir/value_type.js';
import { convertOpset, leastIrVersion, opsetObstacles } from '../../../src/passes/legalize/convert_opset.js';
import { applyPass, largestDifference, ModelBuilder, operatorsOf, randomTensor } from '../../build_model.js';
import { convertsTo, modelOf, refusal } from './convert.js';

const squeeze = (opset: number) =>
  modelOf(opset, (b) => {
    b.output(b.op('Squeeze', [b.input('x', [2, 1])], { attributes: [intsAttribute('axes', [1])], name: 's' }), 'y');
  });

const feeds = { x: randomTensor([2, 1]) };

/** If(c) { Squeeze(x) } else { Relu(Squeeze(x)) }, each with the axes of its own graph. */
function branches(opset: number): Model {
  const b = new ModelBuilder(opset);
  const condition = b.input('c', [], 'bool');
  const x = b.input('x', [2, 1]);
  const node = b.editor.draft({ graph: b.graph, opType: 'If', inputs: [condition], outputs: [{ name: 'picked' }] });
  for (const name of ['then_branch', 'else_branch']) {
    const inner = new ModelBuilder(opset, b.editor.createSubgraph(node, name), b.editor);
    const squeezed = inner.op('Squeeze', [x], { attributes: [intsAttribute('axes', [1])] });
    inner.output(name === 'then_branch' ? squeezed : inner.op('Relu', [squeezed]), name);
    b.editor.setAttribute(node, { name, kind: 'graph', value: inner.graph });
  }
  b.editor.attach(node);
  b.output(node.outputs[0]!, 'y');
  return b.build();
}

/** y = f(x), f being a function of its own opset whose body is Squeeze. */
function withFunction(opset: number, functionOpset: number, axes: 'given' | 'referred to' = 'given'): Model {
  const b = new ModelBuilder(opset);
  b.editor.setOpsetImport('local', 1);
  const attributeNames = axes === 'given' ? [] : ['axes'];
  const fn = b.editor.addFunction({
    name: 'f',
    domain: 'local',
    overload: '',
    attributeNames,
    attributeDefaults: new Map(),
  });
  b.editor.setOpsetImport('', functionOpset, fn);
  const body = new ModelBuilder(functionOpset, fn.graph, b.editor);
  const input = b.editor.addInput(fn.graph, 'a', undefined);
  const own =
    axes === 'given' ? intsAttribute('axes', [1]) : ({ name: 'axes', kind: 'reference', value: 'axes' } as const);
  const result = body.op('Squeeze', [input], { attributes: [own] });
  b.editor.addOutput(fn.graph, result, 'r', undefined);
  const attributes = axes === 'given' ? [] : [intsAttribute('axes', [1])];
  b.output(b.op('f', [b.input('x', [2, 1])], { domain: 'local', attributes }), 'y');
  return b.build();
}

describe('conversion to an opset', () => {
  it('sets the import and raises the IR version that the opset asks for', async () => {
    const { irVersion } = await convertsTo(21, squeeze(11), feeds);
    expect(irVersion).toBe(10);
    expect((await convertsTo(12, squeeze(11), feeds)).irVersion).toBe(8);
  });

  it('changes nothing in a model of that opset', async () => {
    const { report } = await applyPass(squeeze(11), convertOpset(11));
    expect(report.passes[0]?.changes).toBe(0);
  });

  it('converts subgraphs', async () => {
    for (const [from, to] of [
      [11, 13],
      [11, 18],
    ] as const) {
      const c = tensorFromData('bool', [], Uint8Array.of(1));
      const converted = await convertsTo(to, branches(from), { ...feeds, c });
      expect(operatorsOf(converted)).toEqual(['If', 'Squeeze', 'Squeeze', 'Relu']);
      await convertsTo(9, converted, { ...feeds, c: tensorFromData('bool', [], Uint8Array.of(0)) });
    }
  });

  it('converts functions, each from the opset that it imports', async () => {
    for (const own of [9, 11, 12]) {
      const converted = await convertsTo(15, withFunction(11, own), feeds);
      const [fn] = [...converted.functions.values()];
      expect(fn?.opsetImports.get('')).toBe(15);
      expect(fn?.graph.initializers.size).toBe(0);
      expect([...(fn?.graph.nodes ?? [])].at(-1)?.inputs.length).toBe(2);
    }
  });

  it('refuses what only a function call tells', async () => {
    expect(await refusal(13, withFunction(13, 11, 'referred to'))).toMatch(/only known where the function is called/);
  });

  it('shares equal constants', async () => {
    const model = modelOf(11, (b) => {
      const x = b.input('x', [2, 1]);
      const attributes = [intsAttribute('axes', [1])];
      b.output(b.op('Unsqueeze', [b.op('Squeeze', [x], { attributes })], { attributes }), 'y');
    });
    expect((await convertsTo(13, model, feeds)).graph.initializers.size).toBe(1);
  });

  it('keeps weights of old models from being overridden', async () => {
    const b = new ModelBuilder(8);
    b.editor.setModelProperties({ irVersion: 3 });
    const weight = b.input('w', [2]);
    b.editor.setInitializer(weight, floatTensor([1, 2]));
    b.output(b.op('Add', [b.input('x', [2]), weight]), 'y');
    const converted = await convertsTo(13, b.build(), { x: randomTensor([2]) });
    expect(converted.graph.inputs.map(({ name }) => name)).toEqual(['x']);
    expect(converted.irVersion).toBe(7);
  });

  it('puts constants where the IR version of old opsets can hold them', async () => {
    const b = new ModelBuilder(7);
    b.editor.setModelProperties({ irVersion: 3 });
    b.output(
      b.op('Shape', [
        b.op('Upsample', [b.input('x', [1, 2])], {
          attributes: [{ name: 'scales', kind: 'floats', value: [1, 2] }],
        }),
      ]),
      'y',
      'int64',
    );
    const model = b.build();
    const { model: converted } = await applyPass(model, convertOpset(8));
    expect(converted.irVersion).toBe(3);
    expect(await largestDifference(model, converted, { x: randomTensor([1, 2]) })).toBe(0);
  });

  it('leaves other domains alone', async () => {
    const model = modelOf(11, (b) => {
      b.editor.setOpsetImport('com.microsoft', 1);
      b.output(b.op('Gelu', [b.input('x', [2, 1])], { domain: 'com.microsoft' }), 'y');
    });
    await convertsTo(20, model, feeds);
  });

  it('converts the domain under its longer name', async () => {
    const b = new ModelBuilder(11);
    b.editor.removeOpsetImport('');
    b.editor.setOpsetImport('ai.onnx', 11);
    b.output(
      b.op('Squeeze', [b.input('x', [2, 1])], { domain: 'ai.onnx', attributes: [intsAttribute('axes', [1])] }),
      'y',
    );
    const { model } = await applyPass(b.build(), convertOpset(13));
    expect([...model.opsetImports]).toEqual([['ai.onnx', 13]]);
    expect([...model.graph.nodes][0]?.inputs.length).toBe(2);
  });
});

describe('a refused conversion', () => {
  const noEquivalent = modelOf(19, (b) => {
    const x = b.input('x', [2, 1]);
    b.output(b.op('Squeeze', [x, b.constant('axes', int64Tensor([1]))], { name: 'fine' }), 'y');
    const inputs = [x, b.constant('pads', int64Tensor([0, 0, 1, 0])), null];
    const wrap = { name: 'mode', kind: 'string', value: new TextEncoder().encode('wrap') } as const;
    b.output(b.op('Pad', inputs, { attributes: [wrap], name: 'pad' }), 'z');
    b.output(b.op('Shape', [x], { attributes: [intAttribute('start', 1)], name: 'also fine' }), 's', 'int64');
  });

  it('names the node of the model, and what can be done', async () => {
    const error = await applyPass(noEquivalent, convertOpset(13)).catch((thrown: unknown) => thrown);
    expect((error as DiagnosticError).diagnostic).toMatchObject({
      code: 'convert/no-equivalent',
      message: 'Pad has no equivalent in opset 13: mode "wrap" does not exist there',
      where: 'test > Pad "pad"',
      help: 'Stay at opset 19 or newer, or express this node by other operators',
    });
    const [obstacle] = opsetObstacles(noEquivalent, 13);
    expect(obstacle?.node.graph.model).toBe(noEquivalent);
  });

  it('lists every obstacle', () => {
    const twice = modelOf(18, (b) => {
      for (const name of ['a', 'b']) b.output(b.op('BitwiseNot', [b.input(name, [2], 'int32')]), `${name}_y`, 'int32');
    });
    const found = opsetObstacles(twice, 17).map(({ reason, version }) => `${version}: ${reason}`);
    expect(found).toEqual(['18: it does not exist there', '18: it does not exist there']);
  });

  it('says where an operator is not of the opset that the model imports', async () => {
    const early = modelOf(12, (b) => b.output(b.op('HardSwish', [b.input('x', [2])]), 'y'));
    expect(await refusal(17, early)).toBe('HardSwish exists from opset 14 on, the model imports 12');
    const unknown = modelOf(12, (b) => b.output(b.op('Affine', [b.input('x', [2])]), 'y'));
    expect(await refusal(17, unknown)).toBe('the standard has no operator Affine');
  });

  it('is told about the target before anything is looked at', () => {
    for (const version of [6, 29, 13.5]) {
      expect(() => convertOpset(version)).toThrow(/convert\/target-opset: models are not converted to opset/);
    }
  });

  it('knows that it does not know newer opsets', () => {
    expect(() => opsetObstacles(squeeze(40), 20)).toThrow(/convert\/unknown-opset/);
  });

  it('names a type that is not known where an older opset does not take all', async () => {
    const model = modelOf(14, (b) => {
      const x = b.editor.addInput(b.graph, 'x', tensorType(undefined, [2]));
      b.output(b.op('Add', [x, x]), 'y');
    });
    expect(opsetObstacles(model, 13)[0]?.reason).toBe('the type of input "x" is not known');
    expect(opsetObstacles(model, 15)).toEqual([]);
  });
});

describe('the least IR version of an opset', () => {
  it('is that of the release that had it', () => {
    const versions = [7, 8, 9, 10, 11, 12, 14, 15, 18, 19, 21, 23, 24, 25, 26, 28].map(leastIrVersion);
    expect(versions).toEqual([3, 3, 4, 5, 6, 7, 7, 8, 8, 9, 10, 11, 12, 13, 13, 14]);
  });
});
