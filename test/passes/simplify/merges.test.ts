import { describe, expect, it } from 'vitest';
import { type Attribute, intAttribute, intsAttribute } from '../../../src/ir/attribute.js';
import { type DataType, dataTypeCode } from '../../../src/ir/data_type.js';
import type { Value } from '../../../src/ir/graph.js';
import { floatTensor, int64Tensor, type Tensor, tensorFromData, tensorIntegers } from '../../../src/ir/tensor.js';
import { rewritePass } from '../../../src/passes/rewrite/driver.js';
import { mergeChains } from '../../../src/passes/simplify/merge_chains.js';
import { slicesToSplit } from '../../../src/passes/simplify/merges/slices_to_split.js';
import { transposesToReshapes } from '../../../src/passes/simplify/merges/transposes_to_reshapes.js';
import { applyPass, largestDifference, ModelBuilder, operatorsOf, randomTensor, reasonsOf } from '../../build_model.js';
import { expectExact, withFunction, withIf } from './rewriting.js';

const perm = (...axes: number[]) => ({ attributes: [intsAttribute('perm', axes)] });
const ints = (b: ModelBuilder, values: readonly (number | bigint)[]): Value => b.constant('v', int64Tensor(values));
const axis = (value: number) => ({ attributes: [intAttribute('axis', value)] });

/** Constant operands of the one node of a type. */
function operands(model: ReturnType<ModelBuilder['build']>, opType: string) {
  const node = [...model.graph.nodes].find((each) => each.opType === opType)!;
  return node.inputs
    .slice(1)
    .map((input) => (input?.initializer?.kind === 'dense' ? tensorIntegers(input.initializer) : undefined));
}

type Case = {
  readonly dims: readonly (number | string)[];
  readonly build: (b: ModelBuilder, x: Value) => Value;
  readonly left: readonly string[];
  /** Shapes to try. */
  readonly feeds: readonly (readonly number[])[];
  readonly opset?: number;
  readonly reason?: string;
  readonly operands?: readonly (readonly bigint[] | undefined)[];
};

function runCases(cases: Readonly<Record<string, Case>>): void {
  for (const [title, each] of Object.entries(cases)) {
    it(title, async () => {
      const b = new ModelBuilder(each.opset ?? 17);
      b.output(each.build(b, b.input('x', each.dims)), 'y');
      const feeds = each.feeds.map((dims) => ({ x: randomTensor(dims) }));
      const { model, report } = await expectExact(b.build(), mergeChains, each.left, feeds);
      if (each.reason !== undefined) expect(reasonsOf(report)).toContain(each.reason);
      if (each.operands !== undefined) expect(operands(model, each.left.at(-1)!)).toEqual(each.operands);
    });
  }
}

const sizes = [
  [2, 3, 4],
  [1, 1, 1],
  [0, 3, 4],
  [2, 0, 1],
] as const;

describe('merge-transposes', () => {
  runCases({
    'multiplies permutations': {
      dims: ['a', 'b', 'c'],
      build: (b, x) => b.op('Transpose', [b.op('Transpose', [x], perm(1, 2, 0))], perm(0, 2, 1)),
      left: ['Transpose'],
      feeds: sizes,
    },
    'cancels a permutation and its inverse, and two reversals': {
      dims: ['a', 'b', 'c'],
      build: (b, x) => {
        const once = b.op('Transpose', [b.op('Transpose', [b.op('Neg', [x])], perm(1, 2, 0))], perm(2, 0, 1));
        return b.op('Neg', [b.op('Transpose', [b.op('Transpose', [once])])]);
      },
      left: ['Neg', 'Neg'],
      feeds: sizes,
    },
  });

  it('keeps a first Transpose that is a graph output or read by others, and the names of outputs', async () => {
    const b = new ModelBuilder();
    const x = b.input('x', ['a', 'b']);
    const once = b.op('Transpose', [x], perm(1, 0));
    b.output(once, 'once');
    b.output(b.op('Transpose', [b.op('Neg', [once])]), 'negated');
    b.output(b.op('Neg', [b.op('Transpose', [once], perm(1, 0))]), 'twice');
    await expectExact(b.build(), mergeChains, ['Transpose', 'Neg', 'Transpose', 'Neg'], [{ x: randomTensor([2, 3]) }]);
  });

  it('works inside branches and functions, and does not guess what a caller gives', async () => {
    const b = new ModelBuilder();
    const x = b.input('x', ['a', 'b', 'c']);
    const chosen = withIf(b, 17, (branch) =>
      branch.output(
        branch.op('Neg', [branch.op('Transpose', [branch.op('Transpose', [x], perm(1, 2, 0))], perm(2, 0, 1))]),
      ),
    );
    b.output(chosen, 'y');
    const condition = tensorFromData('bool', [], Uint8Array.from([1]));
    await expectExact(b.build(), mergeChains, ['If', 'Neg', 'Neg'], [{ x: randomTensor([2, 3, 4]), c: condition }]);
    const f = new ModelBuilder();
    const y = f.input('x', ['a', 'b', 'c']);
    const reference: Attribute[] = [{ name: 'perm', kind: 'reference', value: 'p' }];
    const called = withFunction(
      f,
      17,
      y,
      (body, z) => {
        const twice = body.op('Transpose', [body.op('Transpose', [z], perm(1, 2, 0))], perm(1, 0, 2));
        return body.op('Transpose', [body.op('Relu', [body.op('Transpose', [twice], { attributes: reference })])]);
      },
      [intsAttribute('p', [0, 2, 1])],
    );
    f.output(called, 'y');
    await expectExact(
      f.build(),
      mergeChains,
      ['twice', 'Transpose', 'Transpose', 'Relu', 'Transpose'],
      [{ x: randomTensor([2, 3, 4]) }],
    );
  });
});

describe('merge-views', () => {
  runCases({
    'reads a Reshape from what was reshaped before': {
      dims: ['n', 12],
      build: (b, x) => b.op('Reshape', [b.op('Reshape', [x, ints(b, [0, 3, 4])]), ints(b, [-1, 6])]),
      left: ['Reshape'],
      feeds: [
        [2, 12],
        [1, 12],
        [0, 12],
      ],
      operands: [[-1n, 6n]],
    },
    'copies a size of the middle as the number it is': {
      dims: ['n', 12],
      build: (b, x) => b.op('Reshape', [b.op('Reshape', [x, ints(b, [4, -1, 3])]), ints(b, [0, -1])]),
      left: ['Reshape'],
      feeds: [
        [2, 12],
        [1, 12],
        [0, 12],
      ],
      operands: [[4n, -1n]],
    },
    'writes −1 for a 0 that copies what the input does not have there': {
      dims: ['n', 'm'],
      build: (b, x) => b.op('Reshape', [b.op('Reshape', [x, ints(b, [-1, 2, 1])]), ints(b, [0, 2, 1, 1])]),
      left: ['Reshape'],
      feeds: [
        [2, 3],
        [1, 2],
        [0, 3],
      ],
      operands: [[-1n, 2n, 1n, 1n]],
    },
    'leaves two sizes that no constant gives': {
      dims: ['n', 'm'],
      build: (b, x) => b.op('Squeeze', [b.op('Reshape', [b.op('Transpose', [x]), ints(b, [0, 1, 0])]), ints(b, [1])]),
      left: ['Transpose', 'Reshape', 'Squeeze'],
      feeds: [],
    },
    'puts axes of two Unsqueezes in at once': {
      dims: ['a', 'b', 'c'],
      build: (b, x) => b.op('Unsqueeze', [b.op('Unsqueeze', [x, ints(b, [-1, 0])]), ints(b, [1, 5])]),
      left: ['Unsqueeze'],
      feeds: sizes,
      operands: [[0n, 1n, 5n, 6n]],
    },
    'takes axes of two Squeezes out at once, opset 11': {
      dims: [1, 'b', 1, 'c', 1],
      opset: 11,
      build: (b, x) =>
        b.op('Squeeze', [b.op('Squeeze', [x], { attributes: [intsAttribute('axes', [2])] })], {
          attributes: [intsAttribute('axes', [-1, 0])],
        }),
      left: ['Squeeze'],
      feeds: [
        [1, 2, 1, 3, 1],
        [1, 0, 1, 1, 1],
      ],
    },
    'undoes part of an Unsqueeze': {
      dims: ['a', 'b', 'c'],
      build: (b, x) => b.op('Squeeze', [b.op('Unsqueeze', [x, ints(b, [0, 2])]), ints(b, [0])]),
      left: ['Unsqueeze'],
      feeds: sizes,
      operands: [[1n]],
    },
    'undoes a Squeeze': {
      dims: ['a', 1, 'c'],
      build: (b, x) =>
        b.op('Neg', [b.op('Unsqueeze', [b.op('Squeeze', [b.op('Neg', [x]), ints(b, [1])]), ints(b, [1])])]),
      left: ['Neg', 'Neg'],
      feeds: [
        [2, 1, 3],
        [0, 1, 1],
      ],
    },
    'moves an axis of size 1 by one Reshape': {
      dims: [2, 1, 'c'],
      build: (b, x) => b.op('Unsqueeze', [b.op('Squeeze', [x, ints(b, [1])]), ints(b, [0])]),
      left: ['Reshape'],
      feeds: [
        [2, 1, 3],
        [2, 1, 1],
        [2, 1, 0],
      ],
      operands: [[1n, 2n, 0n]],
    },
    'flattens what was unflattened': {
      dims: ['n', 6],
      build: (b, x) => b.op('Neg', [b.op('Flatten', [b.op('Reshape', [b.op('Neg', [x]), ints(b, [0, 2, 3])])])]),
      left: ['Neg', 'Neg'],
      feeds: [
        [2, 6],
        [0, 6],
      ],
    },
    'does not write −1 beside a size that may be 0': {
      dims: ['n', 'a', 'b', 2],
      build: (b, x) => b.op('Unsqueeze', [b.op('Flatten', [x]), ints(b, [1])]),
      left: ['Flatten', 'Unsqueeze'],
      feeds: [[0, 1, 2, 2]],
      reason: 'no constant shape says the same',
    },
  });
});

describe('merge-transposed-views', () => {
  runCases({
    'leaves joined axes where the sizes are not known to be equal': {
      dims: ['n', 3, 's', 4],
      build: (b, x) => {
        const joined = b.op('Reshape', [x, ints(b, [-1, 5, 4])]);
        return b.op('Reshape', [b.op('Transpose', [joined], perm(0, 2, 1)), ints(b, [-1, 3, 4, 5])]);
      },
      left: ['Reshape', 'Transpose', 'Reshape'],
      feeds: [[2, 3, 5, 4]],
      reason: 'axes are not joined and taken apart as they were',
    },
    'moves joined axes together': {
      dims: ['n', 3, 5, 4],
      build: (b, x) => {
        const joined = b.op('Reshape', [x, ints(b, [-1, 5, 4])]);
        return b.op('Reshape', [b.op('Transpose', [joined], perm(0, 2, 1)), ints(b, [-1, 3, 4, 5])]);
      },
      left: ['Transpose'],
      feeds: [
        [2, 3, 5, 4],
        [1, 3, 5, 4],
        [0, 3, 5, 4],
      ],
    },
    'leaves an axis of size 1 that goes elsewhere': {
      dims: ['n', 1, 5],
      build: (b, x) => {
        const joined = b.op('Squeeze', [x, ints(b, [1])]);
        return b.op('Unsqueeze', [b.op('Transpose', [joined]), ints(b, [2])]);
      },
      left: ['Squeeze', 'Transpose', 'Unsqueeze'],
      feeds: [[2, 1, 5]],
      reason: 'axes are not joined and taken apart as they were',
    },
    'leaves axes that are taken apart in another way': {
      dims: ['n', 4, 5],
      build: (b, x) => {
        const joined = b.op('Reshape', [x, ints(b, [-1, 5])]);
        return b.op('Reshape', [b.op('Transpose', [joined]), ints(b, [5, -1, 2])]);
      },
      left: ['Reshape', 'Transpose', 'Reshape'],
      feeds: [
        [2, 4, 5],
        [0, 4, 5],
      ],
      reason: 'axes are not joined and taken apart as they were',
    },
  });
});

describe('merge-slices', () => {
  it('picks one element where a Slice of one is squeezed', async () => {
    const b = new ModelBuilder();
    const x = b.input('x', [3, 'n', 2]);
    const pick = (start: number, end: number | bigint, at: number, out: number) =>
      b.op('Squeeze', [b.op('Slice', [x, ints(b, [start]), ints(b, [end]), ints(b, [at])]), ints(b, [out])]);
    b.output(pick(1, 2, 0, 0), 'second');
    b.output(pick(-1, 2n ** 63n - 1n, 2, -1), 'last');
    b.output(pick(-2, -1, 0, 0), 'before');
    await expectExact(
      b.build(),
      mergeChains,
      ['Gather', 'Gather', 'Gather'],
      [{ x: randomTensor([3, 4, 2]) }, { x: randomTensor([3, 0, 2]) }],
    );
  });

  const last = 2n ** 63n - 1n;
  const slice = (b: ModelBuilder, x: Value, ...lists: (readonly (number | bigint)[])[]) =>
    b.op('Slice', [x, ...lists.map((list) => ints(b, list))]);
  runCases({
    'cuts several axes at once, one of them backward': {
      dims: ['a', 'b', 'c'],
      build: (b, x) => slice(b, slice(b, x, [1], [last], [2]), [-1, 0], [-last, 2], [1, 0], [-1, 1]),
      left: ['Slice'],
      feeds: sizes,
      operands: [
        [0n, -1n, 1n],
        [2n, -last, last],
        [0n, 1n, 2n],
        [1n, -1n, 1n],
      ],
    },
    'adds up cuts of one axis': {
      dims: ['a', 'b', 'c'],
      build: (b, x) => slice(b, slice(b, x, [1], [3], [-1]), [1], [last], [2]),
      left: ['Slice'],
      feeds: [...sizes, [1, 1, 2], [1, 1, 3], [1, 1, 9]],
      operands: [[2n], [3n], [2n]],
    },
    'keeps an end that counts from the end': {
      dims: ['n'],
      build: (b, x) => slice(b, slice(b, x, [1], [-1], [0]), [1], [last], [0]),
      left: ['Slice'],
      feeds: [[0], [1], [2], [3], [7]],
      operands: [[2n], [-1n], [0n]],
    },
    'leaves starts that count from the end': {
      dims: ['n'],
      build: (b, x) => slice(b, slice(b, x, [-4], [last], [0]), [1], [3], [0]),
      left: ['Slice', 'Slice'],
      feeds: [[0], [3], [7]],
      reason: 'the cuts do not add up to one',
    },
    'cuts in the form of opset 9': {
      dims: ['a', 'b'],
      opset: 9,
      build: (b, x) => {
        const cut = (from: Value, at: number) =>
          b.op('Slice', [from], {
            attributes: [intsAttribute('starts', [1]), intsAttribute('ends', [9]), intsAttribute('axes', [at])],
          });
        return cut(cut(x, 0), 1);
      },
      left: ['Slice'],
      feeds: [
        [2, 3],
        [0, 3],
        [1, 1],
      ],
    },
  });

  it('leaves a cut that others read', async () => {
    const b = new ModelBuilder();
    const first = slice(b, b.input('x', ['n', 'm']), [1], [last], [0]);
    b.output(first, 'first');
    b.output(slice(b, first, [1], [last], [1]), 'second');
    const { report } = await expectExact(b.build(), mergeChains, ['Slice', 'Slice'], [{ x: randomTensor([3, 4]) }]);
    expect(reasonsOf(report)).toEqual(['the first cut is read by others']);
  });

  it('turns slices that tile an axis into a Split, in any order and opset', async () => {
    for (const opset of [11, 13, 18]) {
      const b = new ModelBuilder(opset);
      const x = b.input('x', ['n', 6]);
      const parts = [slice(b, x, [2], [-1], [1]), slice(b, x, [0], [2], [-1]), slice(b, x, [5], [last], [1])];
      for (const [index, part] of parts.entries()) b.output(b.op('Neg', [part]), `y${index}`);
      await expectExact(
        b.build(),
        slicesToSplit,
        ['Split', 'Neg', 'Neg', 'Neg'],
        [{ x: randomTensor([2, 6]) }, { x: randomTensor([0, 6]) }],
      );
    }
  });

  it('leaves slices that overlap, leave a gap, or cut an axis of unknown size', async () => {
    const b = new ModelBuilder();
    const x = b.input('x', ['n', 6]);
    for (const [start, end, at] of [
      [0, 4, 1],
      [3, 6, 1],
      [0, 2, 0],
      [2, 9, 0],
    ] as const) {
      b.output(b.op('Neg', [slice(b, x, [start], [end], [at])]), `y${start}${end}${at}`);
    }
    const model = b.build();
    await expectExact(model, slicesToSplit, operatorsOf(model), [{ x: randomTensor([3, 6]) }]);
  });
});

describe('merge-concats', () => {
  it('joins at once what is joined along one axis, read once', async () => {
    const b = new ModelBuilder();
    const x = b.input('x', ['n', 2]);
    const shared = b.op('Concat', [x, x], axis(0));
    const inner = b.op('Concat', [x, shared], axis(-2));
    const other = b.op('Concat', [inner, inner], axis(1));
    b.output(b.op('Concat', [b.op('Concat', [x, shared], axis(0)), x], axis(0)), 'flat');
    b.output(other, 'other');
    const { model } = await expectExact(
      b.build(),
      mergeChains,
      ['Concat', 'Concat', 'Concat', 'Concat'],
      [{ x: randomTensor([2, 2]) }, { x: randomTensor([0, 2]) }],
    );
    expect([...model.graph.nodes].map(({ inputs }) => inputs.length).sort()).toEqual([2, 2, 2, 3]);
  });

  it('drops a Split and the slices that are put together again', async () => {
    const b = new ModelBuilder();
    const x = b.op('Neg', [b.input('x', ['n', 5])]);
    const parts = b.ops('Split', [x, ints(b, [2, 3])], { ...axis(1), outputs: 2 });
    const whole = b.op('Concat', parts, axis(1));
    const cut = (start: number, end: number | bigint) =>
      b.op('Slice', [whole, ints(b, [start]), ints(b, [end]), ints(b, [0])]);
    b.output(b.op('Neg', [b.op('Concat', [cut(0, 2), cut(2, 3), cut(3, 2n ** 63n - 1n)], axis(0))]), 'y');
    await expectExact(
      b.build(),
      mergeChains,
      ['Neg', 'Split', 'Slice', 'Slice', 'Slice', 'Neg'],
      [{ x: randomTensor([2, 5]) }, { x: randomTensor([0, 5]) }, { x: randomTensor([9, 5]) }],
    );
  });

  it('keeps parts in another order, and a part that is missing', async () => {
    const b = new ModelBuilder();
    const x = b.input('x', ['n', 6]);
    const [one, two] = b.ops('Split', [x, ints(b, [3, 3])], { ...axis(1), outputs: 2 });
    b.output(b.op('Concat', [two!, one!], axis(1)), 'swapped');
    b.output(b.op('Concat', [one!, one!], axis(1)), 'twice');
    b.output(b.op('Concat', [one!, two!], axis(0)), 'stacked');
    const model = b.build();
    await expectExact(model, mergeChains, operatorsOf(model), [{ x: randomTensor([2, 6]) }]);
  });
});

describe('merge-casts', () => {
  const chain = (types: readonly [DataType, DataType, DataType]) => {
    const b = new ModelBuilder();
    const to = (dtype: DataType) => ({ attributes: [intAttribute('to', dataTypeCode(dtype))] });
    const x = b.input('x', ['n'], types[0]);
    b.output(b.op('Cast', [b.op('Cast', [x], to(types[1]))], to(types[2])), 'y', types[2], 1);
    return b.build();
  };
  const int32 = tensorFromData('int32', [4], Int32Array.from([2 ** 31 - 1, -(2 ** 31), 300, -1]));
  const floats = floatTensor([1 + 2 ** -11 + 2 ** -20, Number.NaN, -0, Number.POSITIVE_INFINITY]);
  const merged: readonly (readonly [readonly [DataType, DataType, DataType], Tensor])[] = [
    [['int32', 'int64', 'float'], int32],
    [['int32', 'int64', 'uint8'], int32],
    [['int32', 'double', 'float'], int32],
    [['float', 'double', 'float16'], floats],
    [['float', 'double', 'bool'], floats],
  ];
  for (const [types, x] of merged) {
    it(`${types.join(' → ')} is one cast`, async () => {
      await expectExact(chain(types), mergeChains, ['Cast'], [{ x }]);
    });
  }
  const kept: readonly (readonly [readonly [DataType, DataType, DataType], Tensor])[] = [
    [['float', 'float16', 'float'], floats],
    [['float', 'int32', 'float'], floatTensor([1.5])],
    [['int32', 'float', 'int32'], int32],
    [['int64', 'int32', 'int64'], int64Tensor([2n ** 40n])],
    [['float', 'double', 'int32'], floatTensor([1.5])],
    [['uint8', 'float', 'int8'], tensorFromData('uint8', [1], Uint8Array.from([100]))],
    [['int32', 'double', 'float16'], int32],
  ];
  for (const [types, x] of kept) {
    it(`${types.join(' → ')} stays`, async () => {
      const { report } = await expectExact(chain(types), mergeChains, ['Cast', 'Cast'], [{ x }]);
      expect(reasonsOf(report)).toEqual([
        `${types[0]} by way of ${types[1]} to ${types[2]} may differ from the direct way`,
      ]);
    });
  }
});

describe('merge-reduce-views', () => {
  const keepdims = (value: number, axes: readonly number[]) => ({
    attributes: [intAttribute('keepdims', value), intsAttribute('axes', axes)],
  });
  runCases({
    'drops axes in the reduction itself': {
      dims: ['a', 'b', 'c'],
      build: (b, x) => b.op('Squeeze', [b.op('ReduceMean', [x], keepdims(1, [-1, 0])), ints(b, [0, 2])]),
      left: ['ReduceMean'],
      feeds: [
        [2, 3, 4],
        [1, 1, 1],
      ],
    },
    'keeps axes in the reduction itself': {
      dims: ['a', 'b', 'c'],
      build: (b, x) => b.op('Unsqueeze', [b.op('ReduceMax', [x], keepdims(0, [1])), ints(b, [-2])]),
      left: ['ReduceMax'],
      feeds: [
        [2, 3, 4],
        [0, 1, 1],
      ],
    },
    'leaves other axes': {
      dims: ['a', 'b', 1],
      build: (b, x) => b.op('Squeeze', [b.op('ReduceMean', [x], keepdims(1, [0])), ints(b, [0, 2])]),
      left: ['ReduceMean', 'Squeeze'],
      feeds: [[2, 3, 1]],
      reason: 'the axes are not those of the reduction',
    },
  });

  it('drops the axis of ArgMax and of a reduction whose axes are an operand', async () => {
    const b = new ModelBuilder(18);
    const x = b.input('x', ['a', 'b']);
    b.output(b.op('Squeeze', [b.op('ArgMax', [x], axis(-1)), ints(b, [1])]), 'arg', 'int64', 1);
    b.output(b.op('Squeeze', [b.op('ReduceProd', [x, ints(b, [0])]), ints(b, [0])]), 'product');
    await expectExact(b.build(), mergeChains, ['ArgMax', 'ReduceProd'], [{ x: randomTensor([2, 3]) }]);
  });
});

describe('merge-clips', () => {
  const bound = (b: ModelBuilder, value: number | null) =>
    value === null ? null : b.constant('c', floatTensor([value], []));
  const clip = (b: ModelBuilder, x: Value, low: number | null, high: number | null) =>
    b.op('Clip', [x, bound(b, low), ...(high === null ? [] : [bound(b, high)])]);
  const special = floatTensor([
    Number.NaN,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    -0,
    0,
    -5,
    -0.5,
    0.5,
    5,
    9,
  ]);
  const chains: Record<string, (b: ModelBuilder, x: Value) => Value> = {
    'meeting intervals': (b, x) => clip(b, clip(b, x, -1, 2), 0, 6),
    'intervals apart': (b, x) => clip(b, clip(b, x, -1, 2), 3, 6),
    'min over max': (b, x) => clip(b, clip(b, x, 4, 2), -1, 3),
    'min over max, second': (b, x) => clip(b, clip(b, x, -1, 2), 4, 1),
    'Relu of an interval below 0': (b, x) => b.op('Relu', [clip(b, x, -4, -2)]),
    'Relu without an upper bound': (b, x) => b.op('Relu', [clip(b, x, -4, null)]),
    'Relu first': (b, x) => clip(b, b.op('Relu', [x]), null, 6),
    'Relu first, without an upper bound': (b, x) => clip(b, b.op('Relu', [x]), -1, null),
    'one bound each': (b, x) => clip(b, clip(b, x, null, 3), -2, null),
  };
  for (const [title, build] of Object.entries(chains)) {
    it(`clamps once for ${title}`, async () => {
      const b = new ModelBuilder();
      b.output(build(b, b.input('x', ['n'])), 'y');
      await expectExact(b.build(), mergeChains, ['Clip'], [{ x: special }]);
    });
  }

  it('leaves bounds that are not constant or not finite, and a value that others read', async () => {
    const b = new ModelBuilder();
    const x = b.input('x', ['n']);
    b.output(b.op('Relu', [b.op('Clip', [x, b.input('low', [])])]), 'dynamic');
    b.output(b.op('Relu', [clip(b, x, -1, Number.POSITIVE_INFINITY)]), 'infinite');
    const shared = clip(b, x, -1, 1);
    b.output(b.op('Relu', [shared]), 'relu');
    b.output(shared, 'shared');
    const model = b.build();
    const { report } = await expectExact(model, mergeChains, operatorsOf(model), [
      { x: special, low: floatTensor([-1], []) },
    ]);
    expect(new Set(reasonsOf(report))).toEqual(
      new Set(['the bounds are not finite float constants', 'the value between is read by others']),
    );
  });
});

describe('merge-pads', () => {
  runCases({
    'adds pads up': {
      dims: ['a', 'b'],
      build: (b, x) => b.op('Pad', [b.op('Pad', [x, ints(b, [1, 0, 0, 2])]), ints(b, [0, 1, 3, 0])]),
      left: ['Pad'],
      feeds: [
        [2, 3],
        [0, 1],
      ],
    },
    'leaves a pad that cuts': {
      dims: ['a', 'b'],
      build: (b, x) => b.op('Pad', [b.op('Pad', [x, ints(b, [1, 0, 0, 2])]), ints(b, [-1, 1, 3, 0])]),
      left: ['Pad', 'Pad'],
      feeds: [[2, 3]],
      reason: 'pads are not known for all axes, or negative',
    },
    'leaves different numbers': {
      dims: ['a', 'b'],
      build: (b, x) =>
        b.op('Pad', [
          b.op('Pad', [x, ints(b, [1, 0, 0, 2]), b.constant('c', floatTensor([1], []))]),
          ints(b, [0, 1, 3, 0]),
        ]),
      left: ['Pad', 'Pad'],
      feeds: [[2, 3]],
      reason: 'they fill with different numbers',
    },
  });
});

describe('merge-constant-operands', () => {
  it('adds and multiplies constants ahead, to 4 units in the last place', async () => {
    const b = new ModelBuilder();
    const x = b.input('x', ['n', 3]);
    const c = (value: readonly number[]) => b.constant('c', floatTensor(value));
    const sum = b.op('Add', [c([0.25, 0.5, 0.75]), b.op('Add', [x, c([0.1])])]);
    b.output(b.op('Mul', [b.op('Mul', [sum, c([0.3])]), c([0.7])]), 'y');
    const model = b.build();
    const { model: result } = await applyPass(model, mergeChains);
    expect(operatorsOf(result)).toEqual(['Add', 'Mul']);
    expect(await largestDifference(model, result, { x: randomTensor([4, 3]) })).toBeLessThan(4 * 2 ** -24);
  });

  it('leaves products that overflow or vanish, and a rank that grows', async () => {
    const b = new ModelBuilder();
    const x = b.input('x', ['n', 3]);
    const c = (value: readonly number[], dims = [value.length]) => b.constant('c', floatTensor(value, dims));
    b.output(b.op('Mul', [b.op('Mul', [x, c([1e30])]), c([1e30])]), 'large');
    b.output(b.op('Mul', [b.op('Mul', [x, c([1e-30])]), c([1e-30])]), 'small');
    b.output(b.op('Mul', [b.op('Mul', [x, c([2], [1, 1, 1])]), c([2, 3, 4])]), 'rank');
    const model = b.build();
    const { report } = await expectExact(model, mergeChains, operatorsOf(model), [{ x: randomTensor([2, 3]) }]);
    expect(new Set(reasonsOf(report))).toEqual(new Set(['the constants do not combine']));
  });
});

describe('transposes-to-reshapes', () => {
  const pass = rewritePass('transposes-to-reshapes', '', [transposesToReshapes]);

  it('reshapes where only axes of size 1 move', async () => {
    const b = new ModelBuilder();
    b.output(b.op('Transpose', [b.input('x', ['n', 1, 4, 1])], perm(0, 2, 1, 3)), 'y');
    await expectExact(
      b.build(),
      pass,
      ['Reshape'],
      [{ x: randomTensor([2, 1, 4, 1]) }, { x: randomTensor([0, 1, 4, 1]) }],
    );
  });

  it('leaves sizes that may be more than 1', async () => {
    const b = new ModelBuilder();
    b.output(b.op('Transpose', [b.input('x', ['n', 'm', 1])], perm(1, 0, 2)), 'y');
    const { report } = await expectExact(b.build(), pass, ['Transpose'], [{ x: randomTensor([2, 3, 1]) }]);
    expect(reasonsOf(report)).toEqual(['it moves more than axes of size 1']);
  });
});
