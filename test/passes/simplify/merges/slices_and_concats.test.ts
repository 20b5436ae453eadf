import { describe, expect, it } from 'vitest';
import { intsAttribute } from '../../../../src/ir/attribute.js';
import type { Value } from '../../../../src/ir/graph.js';
import { mergeChains } from '../../../../src/passes/simplify/merge_chains.js';
import { slicesToSplit } from '../../../../src/passes/simplify/merges/slices_to_split.js';
import { ModelBuilder, operatorsOf, randomTensor, reasonsOf } from '../../../build_model.js';
import { expectExact } from '../rewriting.js';

import { axis, ints, runCases, sizes } from './cases.js';

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
