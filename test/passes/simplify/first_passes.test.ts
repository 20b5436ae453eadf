import { describe, expect, it } from 'vitest';
import { floatAttribute, intAttribute, intsAttribute, tensorAttribute } from '../../../src/ir/attribute.js';
import { floatTensor, int64Tensor, tensorData, tensorFromData } from '../../../src/ir/tensor.js';
import { constantsToInitializers } from '../../../src/passes/simplify/constants_to_initializers.js';
import { demoteConstantInputs } from '../../../src/passes/simplify/demote_constant_inputs.js';
import { eliminateDeadNodes } from '../../../src/passes/simplify/eliminate_dead_nodes.js';
import { eliminateIdentities } from '../../../src/passes/simplify/eliminate_identities.js';
import { eliminateUnusedInitializers } from '../../../src/passes/simplify/eliminate_unused_initializers.js';
import { foldConstants } from '../../../src/passes/simplify/fold_constants.js';
import { applyPass, largestDifference, ModelBuilder, operatorsOf, randomTensor, reasonsOf } from '../../build_model.js';

const x = randomTensor([2, 3], 5);

/** An If whose branches are filled by `fill`; the condition is the input `c`. */
function withIf(b: ModelBuilder, fill: (branch: ModelBuilder) => void) {
  const condition = b.input('c', [], 'bool');
  const node = b.editor.draft({ graph: b.graph, opType: 'If', inputs: [condition], outputs: [{ name: 'chosen' }] });
  for (const name of ['then_branch', 'else_branch']) {
    const graph = b.editor.createSubgraph(node, name);
    fill(new ModelBuilder(17, graph, b.editor));
    b.editor.setAttribute(node, { name, kind: 'graph', value: graph });
  }
  b.editor.attach(node);
  return node.outputs[0]!;
}

describe('eliminate-dead-nodes', () => {
  it('removes chains that nobody reads, and what they captured inside subgraphs', async () => {
    const b = new ModelBuilder();
    const a = b.input('a', [2, 3]);
    b.op('Neg', [b.op('Exp', [a])]);
    withIf(b, (branch) => branch.output(branch.op('Neg', [a])));
    b.output(b.op('Relu', [a]), 'y');
    const { model } = await applyPass(b.build(), eliminateDeadNodes);
    expect(operatorsOf(model)).toEqual(['Relu']);
    expect(model.graph.inputs.map(({ name }) => name)).toEqual(['a', 'c']);
  });

  it('cleans inside branches', async () => {
    const b = new ModelBuilder();
    const a = b.input('a', [2, 3]);
    const chosen = withIf(b, (branch) => {
      branch.op('Exp', [a]);
      branch.output(branch.op('Neg', [a]));
    });
    b.output(chosen, 'y');
    const { model } = await applyPass(b.build(), eliminateDeadNodes);
    expect(operatorsOf(model)).toEqual(['If', 'Neg', 'Neg']);
  });

  it('keeps operators it does not know, alone or in a branch, and says so', async () => {
    const b = new ModelBuilder();
    b.editor.setOpsetImport('custom', 1);
    const a = b.input('a', [2, 3]);
    b.op('Log', [a], { domain: 'custom' });
    withIf(b, (branch) => branch.output(branch.op('Log', [a], { domain: 'custom' })));
    b.output(b.op('Relu', [a]), 'y');
    const { model, report } = await applyPass(b.build(), eliminateDeadNodes);
    expect(operatorsOf(model)).toEqual(['Log', 'If', 'Relu', 'Log', 'Log']);
    expect(new Set(reasonsOf(report))).toEqual(new Set(['unknown operator']));
  });
});

describe('eliminate-unused-initializers', () => {
  it('removes what nobody reads and keeps what subgraphs capture and callers can override', async () => {
    const b = new ModelBuilder();
    b.constant('unused', floatTensor([1]));
    const captured = b.constant('captured', floatTensor([1]));
    const given = b.editor.addInput(b.graph, 'given', { kind: 'tensor', dtype: 'float', shape: [1] });
    b.editor.setInitializer(given, floatTensor([2]));
    b.output(
      withIf(b, (branch) => branch.output(branch.op('Neg', [captured]))),
      'y',
    );
    const { model } = await applyPass(b.build(), eliminateUnusedInitializers);
    expect([...model.graph.initializers].map(({ name }) => name).sort()).toEqual(['captured', 'given']);
  });
});

describe('constants-to-initializers', () => {
  it('takes every form of Constant, under the same name', async () => {
    const b = new ModelBuilder();
    const a = b.input('a', [2, 3]);
    const constant = (name: string, attribute: ReturnType<typeof floatAttribute>) =>
      b.op('Constant', [], { attributes: [attribute], outputs: [name] });
    const sum = b.op('Add', [a, constant('tensor', tensorAttribute('value', randomTensor([2, 3])))]);
    const product = b.op('Mul', [sum, constant('float', floatAttribute('value_float', 0.5))]);
    b.output(b.op('Reshape', [product, constant('ints', intsAttribute('value_ints', [3, 2]))]), 'y');
    const model = b.build();
    const result = await applyPass(model, constantsToInitializers);
    expect(operatorsOf(result.model)).toEqual(['Add', 'Mul', 'Reshape']);
    expect([...result.model.graph.initializers].map(({ name }) => name)).toEqual(['tensor', 'float', 'ints']);
    expect(await largestDifference(model, result.model, { a: x })).toBe(0);
  });

  it('leaves a constant that a branch gives back, which must be produced inside it', async () => {
    const b = new ModelBuilder();
    const attributes = [tensorAttribute('value', floatTensor([1, 2]))];
    b.output(
      withIf(b, (branch) => branch.output(branch.op('Constant', [], { attributes }))),
      'y',
    );
    const { model } = await applyPass(b.build(), constantsToInitializers);
    expect(operatorsOf(model)).toEqual(['If', 'Constant', 'Constant']);
  });

  it('turns a constant graph output into an initializer that has its name', async () => {
    const b = new ModelBuilder();
    const a = b.input('a', [2]);
    b.output(b.op('Neg', [a]), 'y');
    b.output(b.op('Constant', [], { attributes: [tensorAttribute('value', floatTensor([1, 2]))] }), 'k');
    const model = b.build();
    const result = await applyPass(model, constantsToInitializers);
    expect(operatorsOf(result.model)).toEqual(['Neg']);
    expect(await largestDifference(model, result.model, { a: floatTensor([1, 2]) })).toBe(0);
  });
});

describe('demote-constant-inputs', () => {
  it('lifts an old model to IR version 4 without the inputs that nobody could feed', async () => {
    const b = new ModelBuilder(9);
    const a = b.input('a', [2]);
    const weight = b.editor.addInput(b.graph, 'w', { kind: 'tensor', dtype: 'float', shape: [2] });
    b.editor.setInitializer(weight, floatTensor([3, 4]));
    b.editor.setModelProperties({ irVersion: 3 });
    b.output(b.op('Add', [a, weight]), 'y');
    const model = b.build();
    const result = await applyPass(model, demoteConstantInputs);
    expect(result.model.graph.inputs.map(({ name }) => name)).toEqual(['a']);
    expect(result.model.irVersion).toBe(4);
    expect(await largestDifference(model, result.model, { a: floatTensor([1, 2]) })).toBe(0);
  });
});

describe('eliminate-identities', () => {
  it('removes Identity, inference Dropout, casts to the same type and transposes that keep the order', async () => {
    const b = new ModelBuilder();
    const a = b.input('a', [2, 3]);
    const cast = b.op('Cast', [b.op('Identity', [a])], { attributes: [intAttribute('to', 1)] });
    const dropped = b.op('Dropout', [cast]);
    const transposed = b.op('Transpose', [dropped], { attributes: [intsAttribute('perm', [0, 1])] });
    b.output(b.op('Relu', [transposed]), 'y');
    const model = b.build();
    const result = await applyPass(model, eliminateIdentities);
    expect(operatorsOf(result.model)).toEqual(['Relu']);
    expect(await largestDifference(model, result.model, { a: x })).toBe(0);
  });

  it('keeps a transpose without perm, which reverses the axes', async () => {
    const b = new ModelBuilder();
    b.output(b.op('Transpose', [b.input('a', [2, 3])]), 'y');
    expect(operatorsOf((await applyPass(b.build(), eliminateIdentities)).model)).toEqual(['Transpose']);
  });

  it('keeps Dropout whose mask is read, or that may train', async () => {
    const b = new ModelBuilder();
    const a = b.input('a', [2, 3]);
    const [, mask] = b.ops('Dropout', [a], { outputs: ['kept', 'mask'] });
    b.output(b.graph.values.get('kept')!, 'kept');
    b.output(mask!, 'mask', 'bool');
    const training = b.constant('training', tensorFromData('bool', [], Uint8Array.of(1)));
    b.output(b.op('Relu', [b.op('Dropout', [a, null, training])]), 'y');
    const { model, report } = await applyPass(b.build(), eliminateIdentities);
    expect(operatorsOf(model)).toEqual(['Dropout', 'Dropout', 'Relu']);
    expect(reasonsOf(report)).toEqual(['another output is read']);
  });

  it('keeps an Identity that gives an input, an initializer or a shared value an output name', async () => {
    const b = new ModelBuilder();
    const a = b.input('a', [2, 3]);
    b.output(b.op('Identity', [a]), 'y');
    b.output(b.op('Identity', [b.constant('k', floatTensor([1]))]), 'z');
    const shared = b.op('Relu', [a]);
    b.output(shared, 'r');
    b.output(b.op('Identity', [shared]), 's');
    const model = b.build();
    const { model: after, report } = await applyPass(model, eliminateIdentities);
    expect(operatorsOf(after)).toEqual(['Identity', 'Identity', 'Relu', 'Identity']);
    expect(reasonsOf(report)).toEqual([
      'a graph output would be an input or initializer',
      'a graph output would be an input or initializer',
      'its input is a graph output under another name',
    ]);
  });

  it('gives the producer the name of the output behind an Identity', async () => {
    const b = new ModelBuilder();
    const a = b.input('a', [2, 3]);
    b.output(b.op('Identity', [b.op('Relu', [a], { outputs: ['inner'] })], { outputs: ['y'] }), 'y');
    const model = b.build();
    const { model: after } = await applyPass(model, eliminateIdentities);
    expect(operatorsOf(after)).toEqual(['Relu']);
    expect(after.graph.outputs[0]?.value.name).toBe('y');
    expect(await largestDifference(model, after, { a: x })).toBe(0);
  });

  it('removes an Identity inside a branch that captures an outer value', async () => {
    const b = new ModelBuilder();
    const a = b.input('a', [2, 3]);
    b.output(
      withIf(b, (branch) => branch.output(branch.op('Neg', [branch.op('Identity', [a])]))),
      'y',
    );
    expect(operatorsOf((await applyPass(b.build(), eliminateIdentities)).model)).toEqual(['If', 'Neg', 'Neg']);
  });
});

describe('fold-constants', () => {
  it('computes what depends on constants only, in one model, and keeps what it feeds', async () => {
    const b = new ModelBuilder();
    const a = b.input('a', [2, 3]);
    const k = b.constant('k', randomTensor([3, 2]));
    const folded = b.op('Transpose', [b.op('Exp', [k])]);
    b.output(b.op('Add', [a, folded]), 'y');
    const model = b.build();
    const result = await applyPass(model, foldConstants);
    expect(operatorsOf(result.model)).toEqual(['Add']);
    expect(await largestDifference(model, result.model, { a: x })).toBeLessThan(1e-6);
  });

  it('keeps integers past 2^53 exact', async () => {
    const b = new ModelBuilder();
    const k = b.constant('k', int64Tensor([9007199254740993n, -9007199254740993n]));
    b.output(b.op('Add', [k, b.constant('one', int64Tensor([2n]))]), 'y', 'int64');
    b.output(b.op('Neg', [b.input('a', [1])]), 'z');
    const model = b.build();
    const { model: after } = await applyPass(model, foldConstants);
    expect(operatorsOf(after)).toEqual(['Neg']);
    expect(await largestDifference(model, after, { a: floatTensor([1]) })).toBe(0);
    const tensor = after.graph.outputs[0]!.value.initializer;
    expect(tensor?.kind === 'dense' && tensorData(tensor)).toEqual(
      BigInt64Array.of(9007199254740995n, -9007199254740991n),
    );
  });

  it('weighs what a result would add', async () => {
    const b = new ModelBuilder();
    const shape = b.constant('shape', int64Tensor([1000, 1000]));
    const a = b.input('a', [1000]);
    b.output(b.op('Add', [a, b.op('ConstantOfShape', [shape])]), 'y');
    const { model, report } = await applyPass(b.build(), foldConstants);
    expect(operatorsOf(model)).toEqual(['ConstantOfShape', 'Add']);
    expect(reasonsOf(report)).toEqual(['folding would add 3999984 bytes']);
    const grown = await applyPass(b.build(), foldConstants, { maxGrowthBytes: 1e7 });
    expect(operatorsOf(grown.model)).toEqual(['Add']);
  });

  it('leaves random operators, unknown ones, overridable inputs and weights behind DequantizeLinear', async () => {
    const b = new ModelBuilder();
    b.editor.setOpsetImport('custom', 1);
    const k = b.constant('k', floatTensor([1, 2]));
    const given = b.editor.addInput(b.graph, 'given', { kind: 'tensor', dtype: 'float', shape: [2] });
    b.editor.setInitializer(given, floatTensor([2, 3]));
    const quantized = b.constant('q', tensorFromData('int8', [2], Int8Array.of(1, 2)));
    const parts = [
      b.op('RandomNormalLike', [k]),
      b.op('Twice', [k], { domain: 'custom' }),
      b.op('Neg', [given]),
      b.op('DequantizeLinear', [quantized, b.constant('s', floatTensor([0.5], []))]),
    ];
    b.output(b.op('Sum', parts), 'y');
    const { model } = await applyPass(b.build(), foldConstants);
    expect(operatorsOf(model)).toEqual(['RandomNormalLike', 'Twice', 'Neg', 'DequantizeLinear', 'Sum']);
  });

  it('folds inside branches, and gives what a branch gives back a Constant of its own', async () => {
    const b = new ModelBuilder();
    const a = b.input('a', [2]);
    const k = b.constant('k', floatTensor([1, 2]));
    b.output(
      withIf(b, (branch) => {
        branch.output(branch.op('Add', [a, branch.op('Exp', [k])]));
      }),
      'y',
    );
    const model = b.build();
    const { model: after } = await applyPass(model, foldConstants);
    expect(operatorsOf(after)).toEqual(['If', 'Add', 'Add']);
    const c = tensorFromData('bool', [], Uint8Array.of(1));
    expect(await largestDifference(model, after, { a: floatTensor([5, 6]), c })).toBeLessThan(1e-6);
    const given = new ModelBuilder();
    const constant = given.constant('k', floatTensor([1, 2]));
    given.output(
      withIf(given, (branch) => branch.output(branch.op('Exp', [constant]))),
      'y',
    );
    expect(operatorsOf((await applyPass(given.build(), foldConstants)).model)).toEqual(['If', 'Constant', 'Constant']);
  });

  it('folds the rest where the runtime cannot compute one part', async () => {
    const b = new ModelBuilder();
    const k = b.constant('k', floatTensor([1, 2]));
    // A gather past the end fails when it runs.
    const broken = b.op('Gather', [k, b.constant('i', int64Tensor([7n]))]);
    b.output(
      b.op('Concat', [b.input('a', [2]), b.op('Exp', [k]), broken], { attributes: [intAttribute('axis', 0)] }),
      'y',
    );
    const { model, report } = await applyPass(b.build(), foldConstants);
    expect(operatorsOf(model)).toEqual(['Gather', 'Concat']);
    expect(reasonsOf(report)).toContain('the runtime cannot compute it');
  });
});
