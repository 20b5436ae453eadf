import { describe, expect, it } from 'vitest';
import { intAttribute, intsAttribute } from '../../../src/ir/attribute.js';
import type { Model } from '../../../src/ir/graph.js';
import { floatTensor, type Tensor, tensorFromBytes, tensorFromData } from '../../../src/ir/tensor.js';
import { mergeCommonSubexpressions } from '../../../src/passes/simplify/merge_common_subexpressions.js';
import { mergeDuplicateInitializers } from '../../../src/passes/simplify/merge_duplicate_initializers.js';
import { applyPass, largestDifference, ModelBuilder, operatorsOf, randomTensor, reasonsOf } from '../../build_model.js';
import { addFunction, addIf } from './build_subgraphs.js';

const x = randomTensor([2, 3], 5);

/** A sum that reads all of `values`, so that none is a graph output. */
const sum = (b: ModelBuilder, values: Parameters<ModelBuilder['op']>[1]) => b.output(b.op('Sum', values), 'y');

const merged = async (model: Model) => operatorsOf((await applyPass(model, mergeCommonSubexpressions)).model);

describe('merge-common-subexpressions', () => {
  it('merges chains of equal nodes, constants compared by value and defaults spelled out or not', async () => {
    const b = new ModelBuilder();
    const a = b.input('a', [2, 3]);
    const chain = (name: string, spelled: boolean) => {
      const product = b.op('Mul', [a, b.constant(name, randomTensor([2, 3], 7))]);
      return b.op('Softmax', [product], { attributes: spelled ? [intAttribute('axis', -1)] : [] });
    };
    sum(b, [chain('k', true), chain('l', false)]);
    const model = b.build();
    const result = await applyPass(model, mergeCommonSubexpressions);
    expect(operatorsOf(result.model)).toEqual(['Mul', 'Softmax', 'Sum']);
    expect(await largestDifference(model, result.model, { a: x })).toBe(0);
  });

  it('takes the operands of a commutative operator in any order, those of others not', async () => {
    const b = new ModelBuilder();
    const a = b.input('a', [2, 3]);
    const c = b.input('c', [2, 3]);
    const both = (opType: string) => [b.op(opType, [a, c]), b.op(opType, [c, a])];
    sum(b, [...both('Add'), ...both('Sub'), ...both('Max')]);
    // Of 0 and −0, a maximum of floats may give either, by their order.
    expect(await merged(b.build())).toEqual(['Add', 'Sub', 'Sub', 'Max', 'Max', 'Sum']);
  });

  it('takes the order of integers in a maximum for nothing, and that of an Add with a broadcast axis for much', async () => {
    const b = new ModelBuilder(12);
    const a = b.input('a', [2], 'int64');
    const c = b.input('c', [2], 'int64');
    b.output(b.op('Add', [b.op('Max', [a, c]), b.op('Max', [c, a])]), 'y', 'int64');
    expect(await merged(b.build())).toEqual(['Max', 'Add']);
    const old = new ModelBuilder(6);
    const d = old.input('d', [2, 2]);
    const attributes = [intAttribute('broadcast', 1), intAttribute('axis', 0)];
    const k = old.constant('k', randomTensor([2, 2], 1));
    old.output(
      old.op('Mul', [old.op('Add', [d, k], { attributes }), old.op('Add', [k, d], { attributes })], {
        attributes: [intAttribute('broadcast', 0)],
      }),
      'y',
    );
    expect(await merged(old.build())).toEqual(['Add', 'Add', 'Mul']);
  });

  it('keeps nodes that differ in an attribute, an input left out, an output given or a constant’s sign of zero', async () => {
    const b = new ModelBuilder();
    const a = b.input('a', [2, 3]);
    const low = b.constant('low', floatTensor([0], []));
    const clips = [b.op('Clip', [a, low]), b.op('Clip', [a, null, low])];
    const zero = b.constant('zero', floatTensor([-0], []));
    const divisions = [b.op('Div', [a, low]), b.op('Div', [a, zero])];
    const softmax = [0, 1].map((axis) => b.op('Softmax', [a], { attributes: [intAttribute('axis', axis)] }));
    sum(b, [...clips, ...divisions, ...softmax]);
    expect(await merged(b.build())).toEqual(['Clip', 'Clip', 'Div', 'Div', 'Softmax', 'Softmax', 'Sum']);

    const pool = new ModelBuilder();
    const image = pool.input('i', [1, 1, 4, 4]);
    const attributes = [intsAttribute('kernel_shape', [2, 2])];
    const [plain] = pool.ops('MaxPool', [image], { attributes });
    const [pooled, indices] = pool.ops('MaxPool', [image], { attributes, outputs: 2 });
    pool.output(pool.op('Add', [plain!, pooled!]), 'y');
    pool.output(indices!, 'z', 'int64');
    expect(await merged(pool.build())).toEqual(['MaxPool', 'MaxPool', 'Add']);
  });

  it('never merges what is random, unknown, or runs graphs, nor the DequantizeLinear of two readers', async () => {
    const b = new ModelBuilder();
    b.editor.setOpsetImport('custom', 1);
    const a = b.input('a', [2, 3]);
    const noise = () => b.op('RandomNormalLike', [a]);
    const custom = () => b.op('Custom', [a], { domain: 'custom' });
    const bytes = b.constant('bytes', tensorFromData('uint8', [2, 3], Uint8Array.from([1, 2, 3, 4, 5, 6])));
    const scale = b.constant('scale', floatTensor([0.5], []));
    const dequantized = () => b.op('DequantizeLinear', [bytes, scale]);
    sum(b, [noise(), noise(), custom(), custom(), dequantized(), dequantized()]);
    expect(await merged(b.build())).toHaveLength(7);
  });

  it('keeps both of two graph outputs, and merges where one is', async () => {
    const b = new ModelBuilder();
    const a = b.input('a', [2, 3]);
    b.output(b.op('Neg', [a]), 'y');
    b.output(b.op('Neg', [a]), 'z');
    const kept = await applyPass(b.build(), mergeCommonSubexpressions);
    expect(operatorsOf(kept.model)).toEqual(['Neg', 'Neg']);
    expect(reasonsOf(kept.report)).toEqual(['each feeds a graph output of its own']);

    const c = new ModelBuilder();
    const d = c.input('a', [2, 3]);
    c.output(c.op('Exp', [c.op('Neg', [d])]), 'y');
    c.output(c.op('Neg', [d]), 'z');
    const model = c.build();
    const result = await applyPass(model, mergeCommonSubexpressions);
    expect(operatorsOf(result.model)).toEqual(['Neg', 'Exp']);
    expect(result.model.graph.outputs.map(({ name }) => name)).toEqual(['y', 'z']);
    expect(await largestDifference(model, result.model, { a: x })).toBe(0);
  });

  it('lets a branch read what was computed before it, not what comes after or in the other branch', async () => {
    const b = new ModelBuilder();
    const a = b.input('a', [2, 3]);
    const before = b.op('Exp', [a]);
    const branch = (opType: string) => (inner: ModelBuilder) =>
      inner.output(inner.op(opType, [inner.op('Add', [inner.op('Exp', [a]), inner.op('Cos', [a])])]));
    const [chosen] = addIf(b, b.input('c', [], 'bool'), branch('Neg'), branch('Abs'));
    const after = b.op('Cos', [a]);
    sum(b, [before, chosen!, after]);
    const model = b.build();
    const result = await applyPass(model, mergeCommonSubexpressions);
    expect(operatorsOf(result.model)).toEqual(['Exp', 'If', 'Cos', 'Sum', 'Cos', 'Add', 'Neg', 'Cos', 'Add', 'Abs']);
    const c = tensorFromData('bool', [], Uint8Array.of(1));
    expect(await largestDifference(model, result.model, { a: x, c })).toBe(0);
  });

  it('keeps what a branch gives back, which must be produced inside it', async () => {
    const b = new ModelBuilder();
    const a = b.input('a', [2, 3]);
    const before = b.op('Exp', [a]);
    const exp = (inner: ModelBuilder) => inner.output(inner.op('Exp', [a]));
    const neg = (inner: ModelBuilder) => inner.output(inner.op('Neg', [a]));
    sum(b, [before, addIf(b, b.input('c', [], 'bool'), exp, neg)[0]!]);
    expect(await merged(b.build())).toEqual(['Exp', 'If', 'Sum', 'Exp', 'Neg']);
  });

  it('merges in function bodies, references to attributes compared by name', async () => {
    const b = new ModelBuilder();
    addFunction(b, { name: 'F', inputs: ['v'], attributeNames: ['p', 'q'] }, (body, [v]) => {
      const softmax = (name: string) =>
        body.op('Softmax', [v!], { attributes: [{ name: 'axis', kind: 'reference', value: name }] });
      body.output(body.op('Sum', [softmax('p'), softmax('p'), softmax('q')]), 'out');
    });
    b.output(b.op('F', [b.input('a', [2, 3])], { domain: 'local', attributes: [intAttribute('p', 0)] }), 'y');
    expect(await merged(b.build())).toEqual(['F', 'Softmax', 'Softmax', 'Sum']);
  });
});

describe('merge-duplicate-initializers', () => {
  const count = (model: Model) => model.graph.initializers.size;

  it('keeps one of equal constants, other types, shapes and signs of zero apart', async () => {
    const b = new ModelBuilder();
    const a = b.input('a', [2, 3]);
    const add = (...constants: Tensor[]) =>
      constants.map((tensor, index) => b.op('Add', [a, b.constant(`k${index}`, tensor)]));
    sum(
      b,
      add(
        floatTensor([0]),
        floatTensor([0]),
        floatTensor([0], []),
        floatTensor([-0]),
        randomTensor([2, 3], 1),
        randomTensor([2, 3], 1),
      ),
    );
    const model = b.build();
    const result = await applyPass(model, mergeDuplicateInitializers);
    expect(count(result.model)).toBe(4);
    expect(await largestDifference(model, result.model, { a: x })).toBe(0);
  });

  it('compares past the ends of long tensors', async () => {
    const b = new ModelBuilder();
    const data = new Float32Array(1000);
    const other = Float32Array.from(data);
    other[500] = 1;
    const a = b.input('a', [1000]);
    sum(
      b,
      [floatTensor(data), floatTensor(data), floatTensor(other)].map((tensor) =>
        b.op('Add', [a, b.constant('k', tensor)]),
      ),
    );
    expect(count((await applyPass(b.build(), mergeDuplicateInitializers)).model)).toBe(2);
  });

  it('keeps what a caller can override, and what is a graph output', async () => {
    const b = new ModelBuilder();
    const a = b.input('a', [1]);
    const given = b.input('given', [1]);
    b.editor.setInitializer(given, floatTensor([1]));
    const output = b.constant('output', floatTensor([1]));
    b.output(output, 'output');
    sum(b, [b.op('Add', [a, given]), b.op('Mul', [a, b.constant('k', floatTensor([1]))])]);
    expect(count((await applyPass(b.build(), mergeDuplicateInitializers)).model)).toBe(3);
  });

  it('shares large constants of two branches around them, and leaves small ones where they are', async () => {
    const b = new ModelBuilder();
    const a = b.input('a', [16, 16]);
    const branch = (opType: string) => (inner: ModelBuilder) => {
      const weight = inner.constant(`${opType}_w`, randomTensor([16, 16], 4));
      const small = inner.constant(`${opType}_s`, floatTensor([2]));
      inner.output(inner.op(opType, [inner.op('Mul', [inner.op('MatMul', [a, weight]), small])]));
    };
    b.output(addIf(b, b.input('c', [], 'bool'), branch('Neg'), branch('Abs'))[0]!, 'y');
    const model = b.build();
    const result = await applyPass(model, mergeDuplicateInitializers);
    expect([...result.model.graph.initializers].map(({ name }) => name)).toEqual(['Neg_w']);
    const feeds = { a: randomTensor([16, 16], 8), c: tensorFromData('bool', [], Uint8Array.of(0)) };
    expect(await largestDifference(model, result.model, feeds)).toBe(0);
  });

  it('reads tensors of other files only up to a size', async () => {
    const external = (bytes: number): Tensor => {
      const tensor = tensorFromBytes('uint8', [bytes], new Uint8Array(bytes));
      return { ...tensor, storage: { ...tensor.storage, kind: 'external' } };
    };
    for (const [bytes, left] of [
      [1024, 1],
      [2 << 20, 2],
    ]) {
      const b = new ModelBuilder();
      const at = b.input('at', [], 'int64');
      for (const name of ['k', 'l'])
        b.output(b.op('Gather', [b.constant(name, external(bytes!)), at]), `${name}_y`, 'uint8');
      const { model } = await applyPass(b.editor.model, mergeDuplicateInitializers);
      expect(count(model)).toBe(left);
    }
  });
});
