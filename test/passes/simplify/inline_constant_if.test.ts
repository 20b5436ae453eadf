import { describe, expect, it } from 'vitest';
import { intAttribute, intsAttribute } from '../../../src/ir/attribute.js';
import { cloneModel } from '../../../src/ir/clone.js';
import { Editor } from '../../../src/ir/editor.js';
import { floatTensor, int64Tensor, tensorFromData } from '../../../src/ir/tensor.js';
import { eliminateDeadNodes } from '../../../src/passes/simplify/eliminate_dead_nodes.js';
import { inlineConstantIf } from '../../../src/passes/simplify/inline_constant_if.js';
import { applyPass, largestDifference, ModelBuilder, operatorsOf, randomTensor, reasonsOf } from '../../build_model.js';
import { addFunction, addIf, addLoop } from './build_subgraphs.js';

const x = randomTensor([2, 3], 5);
const bool = (value: boolean) => tensorFromData('bool', [], Uint8Array.of(value ? 1 : 0));
const neg = (value: Parameters<ModelBuilder['op']>[1][number]) => (branch: ModelBuilder) =>
  branch.output(branch.op('Neg', [value]));
const exp = (value: Parameters<ModelBuilder['op']>[1][number]) => (branch: ModelBuilder) =>
  branch.output(branch.op('Exp', [value]));

describe('inline-constant-if', () => {
  for (const condition of [true, false]) {
    it(`takes the branch of a constant ${condition} and keeps the output's name`, async () => {
      const b = new ModelBuilder();
      const a = b.input('a', [2, 3]);
      b.output(addIf(b, b.constant('c', bool(condition)), neg(a), exp(a))[0]!, 'y');
      const model = b.build();
      const result = await applyPass(model, inlineConstantIf);
      expect(operatorsOf(result.model)).toEqual([condition ? 'Neg' : 'Exp']);
      expect(result.model.graph.outputs.map(({ name }) => name)).toEqual(['y']);
      expect(await largestDifference(model, result.model, { a: x })).toBe(0);
    });
  }

  it('takes initializers, outer values and what the If captured out of the branch', async () => {
    const b = new ModelBuilder();
    const a = b.input('a', [2, 3]);
    const shared = b.op('Relu', [a]);
    const results = addIf(
      b,
      b.constant('c', bool(true)),
      (branch) => {
        const k = branch.constant('k', floatTensor([2]));
        branch.output(branch.op('Mul', [shared, k]), 'product');
        branch.output(k, 'constant');
        branch.output(shared, 'outer');
        branch.output(a, 'input');
      },
      (branch) => {
        for (const name of ['product', 'constant', 'outer', 'input']) branch.output(branch.op('Exp', [a]), name);
      },
      ['p', 'q', 'r', 's'],
    );
    for (const value of results) b.output(value, `y_${value.name}`);
    b.output(b.op('Neg', [results[1]!]), 'z');
    // As an editor leaves it: a file would have an Identity in front of each.
    const { model } = b.editor;
    const result = await applyPass(model, inlineConstantIf);
    // The input can only be given an output's name by an Identity; the initializer and the outer value have it.
    expect(operatorsOf(result.model).sort()).toEqual(['Identity', 'Mul', 'Neg', 'Relu']);
    expect(await largestDifference(model, result.model, { a: x })).toBe(0);
  });

  it('gives nodes names that the graph around the branch does not have', async () => {
    const b = new ModelBuilder();
    const a = b.input('a', [2, 3]);
    const before = b.op('Relu', [a], { name: 'same' });
    const branch = (inner: ModelBuilder) => inner.output(inner.op('Neg', [before], { name: 'same' }));
    b.output(addIf(b, b.constant('c', bool(true)), branch, exp(a))[0]!, 'y');
    const model = b.build();
    const result = await applyPass(model, inlineConstantIf);
    expect([...result.model.graph.nodes].map(({ name }) => name)).toEqual(['same', 'same_1']);
    expect(await largestDifference(model, result.model, { a: x })).toBe(0);
  });

  it('gives two outputs that share a value a producer each', async () => {
    const b = new ModelBuilder();
    const a = b.input('a', [2, 3]);
    const both = (branch: ModelBuilder) => {
      const value = branch.op('Neg', [a]);
      branch.output(value, 'one');
      branch.output(value, 'two');
    };
    const results = addIf(b, b.constant('c', bool(false)), both, both, ['p', 'q']);
    for (const value of results) b.output(value);
    const model = b.build();
    const result = await applyPass(model, inlineConstantIf);
    expect(operatorsOf(result.model)).toEqual(['Neg', 'Identity']);
    expect(await largestDifference(model, result.model, { a: x })).toBe(0);
  });

  it('follows conditions that shapes decide, through nested Ifs', async () => {
    const b = new ModelBuilder();
    const a = b.input('a', ['N', 3]);
    const size = b.op('Gather', [b.op('Shape', [a]), b.constant('one', int64Tensor([1], []))]);
    const isThree = b.op('Equal', [size, b.constant('three', int64Tensor([3], []))]);
    const inner = (branch: ModelBuilder) => {
      const [chosen] = addIf(branch, b.graph.values.get(isThree.name)!, neg(a), exp(a), ['inner']);
      branch.output(branch.op('Sqrt', [branch.op('Abs', [chosen!])]));
    };
    b.output(addIf(b, isThree, inner, exp(a))[0]!, 'y');
    const model = b.build();
    const { model: folded, report } = await applyPass(model, inlineConstantIf);
    const result = await applyPass(folded, eliminateDeadNodes);
    expect(operatorsOf(result.model)).toEqual(['Neg', 'Abs', 'Sqrt']);
    expect(reasonsOf(report)).toEqual([]);
    expect(await largestDifference(model, result.model, { a: x })).toBe(0);
  });

  it('keeps an If on a size that is only a symbol', async () => {
    const b = new ModelBuilder();
    const a = b.input('a', ['N', 3]);
    const size = b.op('Gather', [b.op('Shape', [a]), b.constant('zero', int64Tensor([0], []))]);
    b.output(addIf(b, b.op('Equal', [size, b.constant('two', int64Tensor([2], []))]), neg(a), exp(a))[0]!, 'y');
    const { model } = await applyPass(b.build(), inlineConstantIf);
    expect(operatorsOf(model)).toContain('If');
  });

  it('keeps an If on an initializer that a caller can override', async () => {
    const b = new ModelBuilder();
    const a = b.input('a', [2, 3]);
    const condition = b.input('c', [], 'bool');
    b.editor.setInitializer(condition, bool(true));
    b.output(addIf(b, condition, neg(a), exp(a))[0]!, 'y');
    expect(operatorsOf((await applyPass(b.build(), inlineConstantIf)).model)).toContain('If');
  });

  it('settles an inner If by the outer one, negated or not', async () => {
    const b = new ModelBuilder();
    const a = b.input('a', [2, 3]);
    const c = b.input('c', [], 'bool');
    const not = b.op('Not', [c]);
    const taken = (branch: ModelBuilder) => branch.output(addIf(branch, not, neg(a), exp(a), ['u'])[0]!);
    const other = (branch: ModelBuilder) => branch.output(addIf(branch, c, neg(a), exp(a), ['v'])[0]!);
    b.output(addIf(b, c, taken, other)[0]!, 'y');
    const model = b.build();
    const result = await applyPass((await applyPass(model, inlineConstantIf)).model, eliminateDeadNodes);
    // Both branches come to the same then.
    expect(operatorsOf(result.model)).toEqual(['Exp']);
    for (const value of [true, false]) {
      expect(await largestDifference(model, result.model, { a: x, c: bool(value) })).toBe(0);
    }
  });

  it('exchanges the branches of an If on a negation', async () => {
    const b = new ModelBuilder();
    const a = b.input('a', [2, 3]);
    const c = b.input('c', [], 'bool');
    b.output(addIf(b, b.op('Not', [c]), neg(a), exp(a))[0]!, 'y');
    const model = b.build();
    const result = await applyPass((await applyPass(model, inlineConstantIf)).model, eliminateDeadNodes);
    expect(operatorsOf(result.model)).toEqual(['If', 'Exp', 'Neg']);
    for (const value of [true, false]) {
      expect(await largestDifference(model, result.model, { a: x, c: bool(value) })).toBe(0);
    }
  });

  it('takes either of two branches that are alike, their constants compared by value', async () => {
    const b = new ModelBuilder();
    const a = b.input('a', [2, 3]);
    const branch = (name: string) => (inner: ModelBuilder) =>
      inner.output(inner.op('Add', [a, inner.constant(name, randomTensor([2, 3], 9))]), `${name}_out`);
    b.output(addIf(b, b.input('c', [], 'bool'), branch('k'), branch('l'))[0]!, 'y');
    const model = b.build();
    const result = await applyPass(model, inlineConstantIf);
    expect(operatorsOf(result.model)).toEqual(['Add']);
    expect(await largestDifference(model, result.model, { a: x, c: bool(true) })).toBe(0);
  });

  it('keeps branches that differ in one constant, one attribute or one operator', async () => {
    const differing: [(inner: ModelBuilder) => void, (inner: ModelBuilder) => void][] = [];
    const b = new ModelBuilder();
    const a = b.input('a', [2, 3]);
    const add = (value: number) => (inner: ModelBuilder) =>
      inner.output(inner.op('Add', [a, inner.constant('k', floatTensor([value]))]));
    const softmax = (axis: number) => (inner: ModelBuilder) =>
      inner.output(inner.op('Softmax', [a], { attributes: [intAttribute('axis', axis)] }));
    differing.push([add(0), add(-0)], [softmax(0), softmax(1)], [neg(a), exp(a)]);
    const c = b.input('c', [], 'bool');
    for (const [index, [taken, other]] of differing.entries()) {
      b.output(addIf(b, c, taken, other, [`r${index}`])[0]!, `y${index}`);
    }
    const { model } = await applyPass(b.build(), inlineConstantIf);
    expect(operatorsOf(model).filter((opType) => opType === 'If')).toHaveLength(3);
  });

  it('leaves like branches alone that draw random numbers, and says so', async () => {
    const b = new ModelBuilder();
    const noise = (inner: ModelBuilder) =>
      inner.output(inner.op('RandomNormal', [], { attributes: [intsAttribute('shape', [2])] }));
    b.output(addIf(b, b.input('c', [], 'bool'), noise, noise)[0]!, 'y');
    const { model, report } = await applyPass(b.build(), inlineConstantIf);
    expect(operatorsOf(model)).toContain('If');
    expect(reasonsOf(report)).toEqual(['the branches are alike, but random or unknown']);
  });

  it('replaces a result that both branches take from the same place', async () => {
    const b = new ModelBuilder();
    const a = b.input('a', [2, 3]);
    const same = b.op('Relu', [a]);
    const branch = (opType: string) => (inner: ModelBuilder) => {
      inner.output(same, `${opType}_same`);
      inner.output(inner.op(opType, [a]), `${opType}_own`);
    };
    const [one, two] = addIf(b, b.input('c', [], 'bool'), branch('Neg'), branch('Exp'), ['p', 'q']);
    b.output(b.op('Sqrt', [one!]), 'y');
    b.output(two!, 'z');
    const model = b.build();
    const result = await applyPass(model, inlineConstantIf);
    const sqrt = [...result.model.graph.nodes].find(({ opType }) => opType === 'Sqrt')!;
    expect(sqrt.inputs[0]?.producer?.opType).toBe('Relu');
    expect(await largestDifference(model, result.model, { a: x, c: bool(false) })).toBe(0);
  });

  it('leaves a branch alone inside which a kept part of the file names a value', async () => {
    const b = new ModelBuilder();
    const a = b.input('a', [2, 3]);
    b.output(addIf(b, b.constant('c', bool(true)), neg(a), exp(a))[0]!, 'y');
    const model = cloneModel(b.build());
    const branch = [...model.graph.nodes][0]!.attributes.get('then_branch');
    if (branch?.kind !== 'graph') throw new Error('no branch');
    new Editor(model).pin([...branch.value.values.values()][0]!);
    const { model: after, report } = await applyPass(model, inlineConstantIf);
    expect(operatorsOf(after)).toContain('If');
    expect(reasonsOf(report)).toEqual(['a kept part of the file names a value inside']);
  });

  it('works inside a Loop, and in a function, whose constants become nodes', async () => {
    const b = new ModelBuilder();
    const a = b.input('a', [2, 3]);
    addFunction(b, { name: 'F', inputs: ['v'] }, (body, [v]) => {
      const yes = body.op('Constant', [], { attributes: [{ name: 'value', kind: 'tensor', value: bool(true) }] });
      const scaled = (inner: ModelBuilder) =>
        inner.output(inner.op('Mul', [v!, inner.constant('k', floatTensor([3]))]), 'scaled');
      body.output(addIf(body, yes, scaled, exp(v!), ['w'])[0]!, 'w');
    });
    const called = b.op('F', [a], { domain: 'local' });
    const yes = b.constant('yes', bool(true));
    const [out] = addLoop(
      b,
      [b.constant('n', int64Tensor([2], [])), yes, called],
      (body) => {
        body.input('i', [], 'int64');
        const going = body.input('going', [], 'bool');
        const state = body.input('state', [2, 3]);
        body.output(body.op('Identity', [going]), 'go_on', 'bool');
        body.output(addIf(body, yes, neg(state), exp(state), ['next'])[0]!, 'next');
      },
      ['out'],
    );
    b.output(out!, 'y');
    const model = b.build();
    const result = await applyPass(model, inlineConstantIf);
    expect(operatorsOf(result.model)).not.toContain('If');
    expect(result.model.functions.values().next().value?.graph.initializers.size).toBe(0);
    expect(await largestDifference(model, result.model, { a: x })).toBe(0);
  });

  it('decides an If whose other branch a recurrent layer behind it would refuse', async () => {
    const b = new ModelBuilder();
    const a = b.input('a', ['S', 'B', 4, 'D']);
    const last = b.op('Gather', [b.op('Shape', [a]), b.constant('at', int64Tensor([-1]))]);
    const isOne = b.op('Equal', [last, b.constant('one', int64Tensor([1]))]);
    const squeezed = (inner: ModelBuilder) =>
      inner.output(inner.op('Squeeze', [a, inner.constant('axes', int64Tensor([-1]))]), 'squeezed');
    const same = (inner: ModelBuilder) => inner.output(inner.op('Identity', [a]), 'same');
    const [chosen] = addIf(b, isOne, squeezed, same);
    const weights = b.constant('w', randomTensor([1, 9, 4], 1));
    const recurrence = b.constant('r', randomTensor([1, 9, 3], 2));
    const attributes = [intAttribute('hidden_size', 3)];
    b.output(b.op('GRU', [chosen!, weights, recurrence], { attributes, outputs: ['all'] }), 'y');
    const model = b.build();
    const result = await applyPass((await applyPass(model, inlineConstantIf)).model, eliminateDeadNodes);
    expect(operatorsOf(result.model)).toEqual(['Squeeze', 'GRU']);
    expect(await largestDifference(model, result.model, { a: randomTensor([5, 2, 4, 1], 3) })).toBe(0);
  });

  it('does not decide an If in a Loop that way, where each iteration may have another condition', async () => {
    const b = new ModelBuilder();
    const a = b.input('a', [1, 2, 4, 1]);
    const [out] = addLoop(
      b,
      [b.input('n', [], 'int64'), b.constant('yes', bool(true)), b.input('start', [1])],
      (body) => {
        body.input('i', [], 'int64');
        const going = body.input('going', [], 'bool');
        const state = body.input('state', [1]);
        const positive = body.op('Greater', [state, body.constant('none', floatTensor([0]))]);
        const squeezed = (inner: ModelBuilder) =>
          inner.output(inner.op('Squeeze', [a, inner.constant('axes', int64Tensor([-1]))]), 'squeezed');
        const same = (inner: ModelBuilder) => inner.output(inner.op('Identity', [a]), 'same');
        const [chosen] = addIf(body, positive, squeezed, same, ['rank']);
        body.op('Conv', [chosen!, body.constant('w', randomTensor([1, 2, 1], 1))]);
        body.output(body.op('Identity', [going]), 'go_on', 'bool');
        body.output(body.op('Identity', [state]), 'next');
      },
      ['out'],
    );
    b.output(out!, 'y');
    expect(operatorsOf((await applyPass(b.build(), inlineConstantIf)).model)).toContain('If');
  });
});
