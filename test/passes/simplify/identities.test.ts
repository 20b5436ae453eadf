import { describe, expect, it } from 'vitest';
import { intAttribute, intsAttribute } from '../../../src/ir/attribute.js';
import type { DataType } from '../../../src/ir/data_type.js';
import type { Value } from '../../../src/ir/graph.js';
import { floatTensor, int64Tensor, type Tensor, tensorFromData } from '../../../src/ir/tensor.js';
import { dropEmptyConcatInputs } from '../../../src/passes/simplify/drop_empty_concat_inputs.js';
import { eliminateIdentities } from '../../../src/passes/simplify/eliminate_identities.js';
import { ModelBuilder, operatorsOf, randomTensor, reasonsOf } from '../../build_model.js';
import { expectExact, withFunction, withIf } from './rewriting.js';

/** x of shape [n, 3], what `build` makes of it between two Exp, and zeros, ones and specials as feeds. */
function model(build: (b: ModelBuilder, x: Value) => Value, opset = 17): ModelBuilder {
  const b = new ModelBuilder(opset);
  const x = b.op('Neg', [b.input('x', ['n', 3])]);
  b.output(b.op('Neg', [build(b, x)]), 'y');
  return b;
}

const feeds = [2, 1, 0].map((n) => ({ x: randomTensor([n, 3], n + 1) }));
const specials = { x: floatTensor([Number.NaN, Number.POSITIVE_INFINITY, -0], [1, 3]) };
const scalar = (value: number): Tensor => floatTensor([value], []);

describe('eliminate-identities', () => {
  const gone: Record<string, (b: ModelBuilder, x: Value) => Value> = {
    'x · 1': (b, x) => b.op('Mul', [x, b.constant('c', scalar(1))]),
    '1 · x': (b, x) => b.op('Mul', [b.constant('c', floatTensor([1, 1, 1])), x]),
    'x / 1': (b, x) => b.op('Div', [x, b.constant('c', scalar(1))]),
    'x − 0': (b, x) => b.op('Sub', [x, b.constant('c', scalar(0))]),
    'x + (−0)': (b, x) => b.op('Add', [b.constant('c', scalar(-0)), x]),
    'x¹': (b, x) => b.op('Pow', [x, b.constant('c', scalar(1))]),
    'a Slice of everything': (b, x) =>
      b.op('Slice', [x, b.constant('s', int64Tensor([0, 0])), b.constant('e', int64Tensor([2n ** 63n - 1n, 3]))]),
    'an Expand by 1': (b, x) => b.op('Expand', [x, b.constant('s', int64Tensor([1]))]),
    'a Tile by 1': (b, x) => b.op('Tile', [x, b.constant('s', int64Tensor([1, 1]))]),
    'a Pad by 0': (b, x) => b.op('Pad', [x, b.constant('s', int64Tensor([0, 0, 0, 0]))]),
    'a Flatten of a matrix': (b, x) => b.op('Flatten', [x]),
    'a Split into one': (b, x) => b.op('Split', [x], { attributes: [intAttribute('axis', 1)] }),
    'a sum over no axes': (b, x) => b.op('ReduceSum', [x], { attributes: [intAttribute('noop_with_empty_axes', 1)] }),
    'a choice between the same': (b, x) => b.op('Where', [b.constant('c', bools([1, 0, 1])), x, x]),
    'a choice that is made': (b, x) => b.op('Where', [b.constant('c', bools([0])), b.constant('d', scalar(1)), x]),
  };
  for (const [title, build] of Object.entries(gone)) {
    it(`sees through ${title}`, async () => {
      const b = model(build);
      await expectExact(b.build(), eliminateIdentities, ['Neg', 'Neg'], [...feeds, specials]);
    });
  }

  for (const opType of ['ReduceSum', 'ReduceMean', 'ReduceProd', 'ReduceMax', 'ReduceMin']) {
    it(`sees through ${opType} along an axis of size 1, or along none`, async () => {
      const b = new ModelBuilder(18);
      const x = b.op('Neg', [b.input('x', ['n', 1])]);
      const reduced = b.op(opType, [x, b.constant('axes', int64Tensor([1]))]);
      const none = b.op(opType, [reduced], { attributes: [intAttribute('noop_with_empty_axes', 1)] });
      b.output(b.op('Neg', [none]), 'y');
      await expectExact(
        b.build(),
        eliminateIdentities,
        ['Neg', 'Neg'],
        [{ x: floatTensor([Number.NaN, Number.NEGATIVE_INFINITY, -0, 3], [4, 1]) }, { x: floatTensor([], [0, 1]) }],
      );
    });
  }

  it('sees through what is done twice, and what is undone', async () => {
    const b = new ModelBuilder();
    const x = b.input('x', ['n', 3]);
    b.output(b.op('Relu', [b.op('Relu', [x])]), 'relu');
    b.output(b.op('Exp', [b.op('Neg', [b.op('Neg', [x])])]), 'exp');
    await expectExact(b.build(), eliminateIdentities, ['Relu', 'Neg', 'Exp'], feeds);
  });

  const kept: Record<string, [build: (b: ModelBuilder, x: Value) => Value, reason: string | undefined]> = {
    'x + 0, which turns −0 into 0': [
      (b, x) => b.op('Add', [x, b.constant('c', scalar(0))]),
      'the result for −0 would be −0 instead of 0',
    ],
    'x − (−0)': [(b, x) => b.op('Sub', [x, b.constant('c', scalar(-0))]), 'the result for −0 would be −0 instead of 0'],
    'x · 1 that adds an axis': [
      (b, x) => b.op('Mul', [x, b.constant('c', floatTensor([1], [1, 1, 1]))]),
      'the constant changes the shape',
    ],
    'x · 1 that stretches a size or fixes it': [
      (b, x) => b.op('Mul', [x, b.constant('c', floatTensor([1, 1], [2, 1]))]),
      'the constant changes the shape',
    ],
    '0 − x and 1 / x': [
      (b, x) => b.op('Div', [b.constant('one', scalar(1)), b.op('Sub', [b.constant('zero', scalar(0)), x])]),
      undefined,
    ],
    'a Slice that reverses': [
      (b, x) =>
        b.op('Slice', [
          x,
          b.constant('s', int64Tensor([-1])),
          b.constant('e', int64Tensor([-(2n ** 63n - 1n)])),
          b.constant('a', int64Tensor([1])),
          b.constant('t', int64Tensor([-1])),
        ]),
      undefined,
    ],
    'a choice that stretches': [
      (b, x) => b.op('Where', [b.constant('c', bools([1, 1, 1], [1, 1, 3])), x, x]),
      'the condition changes the shape',
    ],
    'a reduction of a dynamic axis': [
      (b, x) => b.op('ReduceMax', [x], { attributes: [intsAttribute('axes', [0])] }),
      undefined,
    ],
  };
  for (const [title, [build, reason]] of Object.entries(kept)) {
    it(`keeps ${title}`, async () => {
      const built = model(build).build();
      const { report } = await expectExact(built, eliminateIdentities, operatorsOf(built), [
        { x: randomTensor([1, 3]) },
      ]);
      expect(reasonsOf(report)).toEqual(reason === undefined ? [] : [reason]);
    });
  }

  it('is exact on integers past 2^53, and leaves their powers', async () => {
    const dtype: DataType = 'int64';
    const b = new ModelBuilder();
    const x = b.input('x', ['n'], dtype);
    const zero = b.constant('zero', int64Tensor([0]));
    const one = b.constant('one', int64Tensor([1], []));
    b.output(b.op('Neg', [b.op('Pow', [b.op('Mul', [b.op('Add', [x, zero]), one]), one])]), 'y', dtype);
    await expectExact(
      b.build(),
      eliminateIdentities,
      ['Pow', 'Neg'],
      [{ x: int64Tensor([2n ** 53n + 1n, 7n]) }, { x: int64Tensor([]) }],
    );
  });

  it('works inside branches and functions', async () => {
    const b = new ModelBuilder();
    const x = b.input('x', ['n', 3]);
    const chosen = withIf(b, 17, (branch) =>
      branch.output(branch.op('Neg', [branch.op('Mul', [x, branch.constant('one', scalar(1))])])),
    );
    b.output(chosen, 'y');
    const condition = tensorFromData('bool', [], Uint8Array.from([1]));
    await expectExact(
      b.build(),
      eliminateIdentities,
      ['If', 'Neg', 'Neg'],
      feeds.map((each) => ({ ...each, c: condition })),
    );
    const f = new ModelBuilder();
    const y = f.input('x', ['n', 3]);
    const called = withFunction(f, 17, y, (body, z) => body.op('Relu', [body.op('Relu', [body.op('Identity', [z])])]));
    f.output(called, 'y');
    await expectExact(f.build(), eliminateIdentities, ['twice', 'Relu'], feeds);
  });

  it('does not guess an attribute that the caller of a function gives', async () => {
    const f = new ModelBuilder();
    const y = f.input('x', [1, 3]);
    const called = withFunction(
      f,
      17,
      y,
      (body, z) => body.op('Transpose', [z], { attributes: [{ name: 'perm', kind: 'reference', value: 'p' }] }),
      [intsAttribute('p', [1, 0])],
    );
    f.output(called, 'y');
    await expectExact(f.build(), eliminateIdentities, ['twice', 'Transpose'], [{ x: randomTensor([1, 3]) }]);
  });
});

describe('drop-empty-concat-inputs', () => {
  it('joins what is there', async () => {
    const b = new ModelBuilder();
    const x = b.input('x', [2, 'n']);
    const empty = b.constant('empty', floatTensor([], [2, 0]));
    b.output(b.op('Concat', [empty, x, empty, b.op('Neg', [x])], { attributes: [intAttribute('axis', -1)] }), 'y');
    const { model: result } = await expectExact(
      b.build(),
      dropEmptyConcatInputs,
      ['Neg', 'Concat'],
      [{ x: randomTensor([2, 3]) }, { x: randomTensor([2, 0]) }],
    );
    expect([...result.graph.nodes].at(-1)!.inputs.length).toBe(2);
  });

  it('keeps one of several empty inputs, and inputs that may have elements', async () => {
    const b = new ModelBuilder();
    const x = b.input('x', [2, 'n']);
    const empty = b.constant('empty', floatTensor([], [2, 0]));
    b.output(b.op('Concat', [empty, empty], { attributes: [intAttribute('axis', 1)] }), 'none');
    b.output(b.op('Concat', [x, x], { attributes: [intAttribute('axis', 1)] }), 'all');
    const { model: result } = await expectExact(
      b.build(),
      dropEmptyConcatInputs,
      ['Concat', 'Concat'],
      [{ x: randomTensor([2, 0]) }, { x: randomTensor([2, 1]) }],
    );
    expect([...result.graph.nodes].map(({ inputs }) => inputs.length)).toEqual([1, 2]);
  });
});

function bools(values: readonly number[], dims: readonly number[] = [values.length]): Tensor {
  return tensorFromData('bool', dims, Uint8Array.from(values));
}
