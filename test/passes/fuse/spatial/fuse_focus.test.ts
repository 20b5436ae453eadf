import { describe, expect, it } from 'vitest';
import { intAttribute } from '../../../../src/ir/attribute.js';
import type { Value } from '../../../../src/ir/graph.js';
import { int64Tensor } from '../../../../src/ir/tensor.js';
import { fuseFocus, fuseFocusConv } from '../../../../src/passes/fuse/spatial/fuse_focus.js';
import { rewritePass } from '../../../../src/passes/rewrite/driver.js';
import {
  applyPass,
  largestDifference,
  ModelBuilder,
  operatorsOf,
  randomTensor,
  reasonsOf,
} from '../../../build_model.js';

const pass = rewritePass('fuse', 'test', [fuseFocus, fuseFocusConv]);

const feeds = { x: randomTensor([2, 3, 6, 8], 4) };

/** Sums of 12 products of numbers up to 1, in another order: float32 roundings of 12. */
const tolerance = 5e-6;

type Offset = readonly [row: number, column: number];

const natural: readonly Offset[] = [
  [0, 0],
  [0, 1],
  [1, 0],
  [1, 1],
];
/** As YOLOv5 has it. */
const columnsLast: readonly Offset[] = [
  [0, 0],
  [1, 0],
  [0, 1],
  [1, 1],
];

type Case = {
  offsets?: readonly Offset[];
  chained?: boolean;
  conv?: 'constant' | 'input';
  group?: number;
  step?: number;
  end?: number;
  input?: readonly (number | string)[];
  axis?: number;
};

function build(options: Case = {}) {
  const { offsets = natural, chained = false, conv, group = 1, step = 2, end = 2 ** 31 - 1 } = options;
  const b = new ModelBuilder(13);
  let count = 0;
  const numbers = (...values: number[]) => b.constant(`n${count++}`, int64Tensor(values));
  const x = b.input('x', options.input ?? ['N', 3, 6, 8]);
  const slice = (value: Value, starts: number[], axes: number[]) =>
    b.op('Slice', [
      value,
      numbers(...starts),
      numbers(...starts.map(() => end)),
      numbers(...axes),
      numbers(...starts.map(() => step)),
    ]);
  const rows = chained ? [slice(x, [0], [2]), slice(x, [1], [-2])] : [];
  const parts = offsets.map(([row, column]) =>
    chained ? slice(rows[row]!, [column], [3]) : slice(x, [row, column], [2, 3]),
  );
  let value = b.op('Concat', parts, { attributes: [intAttribute('axis', options.axis ?? 1)], outputs: ['joined'] });
  if (conv) {
    const tensor = randomTensor([4, 12 / group, 1, 1], 5);
    const weight = conv === 'input' ? b.input('w', tensor.dims) : b.constant('w', tensor);
    value = b.op('Conv', [value, weight], { attributes: [intAttribute('group', group)] });
  }
  b.output(value, 'y');
  return { b, model: b.build() };
}

async function expectFused(options: Case, expected: readonly string[]) {
  const { model } = build(options);
  const result = await applyPass(model, pass);
  expect(operatorsOf(result.model)).toEqual(expected);
  expect(await largestDifference(model, result.model, feeds)).toBeLessThan(tolerance);
}

async function expectDeclined(options: Case, ...reasons: string[]) {
  const { model, report } = await applyPass(build(options).model, pass);
  expect(operatorsOf(model)).toContain('Concat');
  expect(reasonsOf(report)).toEqual(reasons);
}

describe('fuse-focus', () => {
  it('fuses slices of two axes, and chains of slices that share the first', async () => {
    await expectFused({}, ['SpaceToDepth']);
    await expectFused({ chained: true }, ['SpaceToDepth']);
  });

  it('puts the input channels of the convolution behind it in order', async () => {
    for (const chained of [false, true]) {
      await expectFused({ chained, offsets: columnsLast, conv: 'constant' }, ['SpaceToDepth', 'Conv']);
    }
    await expectFused({ offsets: [...natural].reverse(), conv: 'constant' }, ['SpaceToDepth', 'Conv']);
  });

  it('declines another order without constant weights to follow, or with groups', async () => {
    await expectDeclined({ offsets: columnsLast }, 'SpaceToDepth has another order of channels');
    await expectDeclined(
      { offsets: columnsLast, conv: 'input' },
      'SpaceToDepth has another order of channels',
      'the weights are not constant',
    );
    await expectDeclined(
      { offsets: columnsLast, conv: 'constant', group: 2 },
      'SpaceToDepth has another order of channels',
      'the convolution has groups',
    );
  });

  it('declines slices that take the same pixels, or others', async () => {
    await expectDeclined(
      {
        offsets: [
          [0, 0],
          [0, 0],
          [1, 0],
          [1, 1],
        ],
      },
      'two slices take the same pixels',
    );
    await expectDeclined({ offsets: natural.slice(0, 3) }, 'it is not made of b² slices');
    await expectDeclined({ axis: 0 }, 'it does not join channels of images');
    await expectDeclined({ step: 3, input: ['N', 3, 6, 6] }, 'a slice does not take every b-th row and column');
    await expectDeclined({ end: 6 }, 'it is not made of slices of one image');
  });

  it('declines where what is joined is a graph output too', async () => {
    const { b } = build({ offsets: columnsLast, conv: 'constant' });
    b.output(b.graph.values.get('joined')!, 'z');
    expect(reasonsOf((await applyPass(b.build(), pass)).report)).toEqual([
      'SpaceToDepth has another order of channels',
      '"z" is read elsewhere',
    ]);
  });
});
