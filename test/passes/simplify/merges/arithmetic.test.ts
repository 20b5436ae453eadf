import { describe, expect, it } from 'vitest';
import { intAttribute, intsAttribute } from '../../../../src/ir/attribute.js';
import { type DataType, dataTypeCode } from '../../../../src/ir/data_type.js';
import type { Value } from '../../../../src/ir/graph.js';
import { floatTensor, int64Tensor, type Tensor, tensorFromData } from '../../../../src/ir/tensor.js';
import { mergeChains } from '../../../../src/passes/simplify/merge_chains.js';
import { ModelBuilder, operatorsOf, randomTensor, reasonsOf } from '../../../build_model.js';
import { expectExact } from '../rewriting.js';

import { axis, ints, runCases } from './cases.js';

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
