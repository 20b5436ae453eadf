import { describe, expect, it } from 'vitest';
import { type Attribute, floatAttribute, intAttribute, intsAttribute } from '../../../src/ir/attribute.js';
import { type TransposeCommutation, transposeCommutes } from '../../../src/ir/ops/transpose_commutes.js';
import { floatTensor, int64Tensor, tensorFromData } from '../../../src/ir/tensor.js';
import { largestDifference, ModelBuilder, randomTensor } from '../../build_model.js';
import { oneNode } from './cost_of.js';
import { type Given, typed } from './inference/infer_one.js';

const x = typed('float', [2, 3, 4]);
const commutes = (opType: string, opset: number, attributes: readonly Attribute[] = [], ...more: Given[]) =>
  transposeCommutes(oneNode(opType, [x, ...more], { opset, attributes }));

const axisAt = (name: string, fallback: number, data: readonly number[] | 'all' = [0]): TransposeCommutation => ({
  kind: 'axes',
  data,
  place: { kind: 'attribute', name, fallback },
  keepsRank: true,
});

describe('transposeCommutes', () => {
  it('calls elementwise what computes each element by itself', () => {
    expect(commutes('Sigmoid', 17)).toEqual({ kind: 'elementwise' });
    expect(commutes('Add', 17, [], x)).toEqual({ kind: 'elementwise' });
    expect(commutes('Add', 6, [intAttribute('broadcast', 1), intAttribute('axis', 1)], x)).toBeUndefined();
  });

  it('says where the axes stand', () => {
    expect(commutes('Softmax', 13)).toEqual(axisAt('axis', -1));
    expect(commutes('Softmax', 11)).toBeUndefined();
    expect(commutes('Split', 13)).toEqual(axisAt('axis', 0));
    expect(commutes('GatherElements', 13, [], typed('int64', [2, 3, 4]))).toEqual(axisAt('axis', 0, [0, 1]));
    expect(commutes('Concat', 13, [intAttribute('axis', 1)], x)).toMatchObject({ kind: 'axes', data: 'all' });
    expect(commutes('ReduceSum', 13, [intAttribute('keepdims', 0)], int64Tensor([1]))).toEqual({
      kind: 'axes',
      data: [0],
      place: { kind: 'input', index: 1 },
      keepsRank: false,
    });
    expect(commutes('ReduceSum', 13)).toEqual({ kind: 'elementwise' });
    expect(commutes('Slice', 13, [], int64Tensor([0]), int64Tensor([1]), int64Tensor([2]))).toMatchObject({
      place: { kind: 'input', index: 3 },
    });
    expect(commutes('Slice', 13, [], int64Tensor([0]), int64Tensor([1]))).toBeUndefined();
  });

  it('says which entries stand in the order of the axes', () => {
    expect(commutes('Pad', 13, [], int64Tensor([0, 0, 0, 1, 1, 1]))).toEqual({
      kind: 'per-axis',
      data: [0],
      place: { kind: 'input', index: 1 },
    });
    expect(commutes('Pad', 18, [], int64Tensor([0, 1]), null, int64Tensor([1]))).toMatchObject({ kind: 'axes' });
    expect(commutes('Tile', 13, [], int64Tensor([1, 2, 1]))).toMatchObject({ kind: 'per-axis' });
  });

  it('follows the scales of quantization', () => {
    const zero = tensorFromData('uint8', [], Uint8Array.of(0));
    expect(commutes('QuantizeLinear', 13, [], floatTensor([1], []), zero)).toEqual({ kind: 'elementwise' });
    expect(commutes('QuantizeLinear', 13, [], floatTensor([1, 1, 1]))).toEqual(axisAt('axis', 1));
    expect(commutes('QuantizeLinear', 13, [], typed('float', []))).toBeUndefined();
    expect(
      commutes('QuantizeLinear', 21, [intAttribute('block_size', 2)], floatTensor([1, 1], [2, 1])),
    ).toBeUndefined();
  });

  it('says nothing of what mixes elements by position, or of what we do not know', () => {
    for (const opType of ['Conv', 'MatMul', 'Reshape', 'Flatten', 'Gather', 'LRN', 'Frobnicate']) {
      expect(commutes(opType, 13, [], x), opType).toBeUndefined();
    }
  });
});

/** The permutation that the tests put before and behind. */
const perm = [2, 0, 1];
const shape = [2, 3, 4];

type Build = (
  builder: ModelBuilder,
  value: ReturnType<ModelBuilder['input']>,
  order: readonly number[],
) => typeof value;

/** op(Transpose(x)) against Transpose(op(x)), where `order` says which axis of x each axis of what op reads is. */
async function difference(build: Build): Promise<number> {
  const model = (isBefore: boolean) => {
    const builder = new ModelBuilder(17);
    const input = builder.input('x', shape);
    const turn = (value: typeof input) =>
      builder.op('Transpose', [value], { attributes: [intsAttribute('perm', perm)] });
    builder.output(isBefore ? build(builder, turn(input), perm) : turn(build(builder, input, [0, 1, 2])), 'y');
    return builder.build();
  };
  return largestDifference(model(true), model(false), { x: randomTensor(shape) });
}

/** Where axis `axis` of x is after the Transpose. */
const at = (order: readonly number[], axis: number): number => order.indexOf(axis);

describe('operators that commute with Transpose', () => {
  const cases: Record<string, Build> = {
    Softmax: (b, v, order) => b.op('Softmax', [v], { attributes: [intAttribute('axis', at(order, 1))] }),
    ReduceMean: (b, v, order) => b.op('ReduceMean', [v], { attributes: [intsAttribute('axes', [at(order, 2)])] }),
    LpNormalization: (b, v, order) =>
      b.op('LpNormalization', [v], { attributes: [intAttribute('axis', at(order, 0))] }),
    CumSum: (b, v, order) => b.op('CumSum', [v, b.constant('axis', int64Tensor([at(order, 1)], []))]),
    Concat: (b, v, order) => b.op('Concat', [v, v], { attributes: [intAttribute('axis', at(order, 2))] }),
    Slice: (b, v, order) => {
      const vector = (name: string, value: number): ReturnType<typeof b.constant> =>
        b.constant(name, int64Tensor([value]));
      return b.op('Slice', [v, vector('s', 1), vector('e', 3), vector('a', at(order, 2))]);
    },
    Pad: (b, v, order) => {
      const begins = order.map((axis) => axis);
      const ends = order.map((axis) => axis + 1);
      return b.op('Pad', [v, b.constant('pads', int64Tensor([...begins, ...ends]))]);
    },
    Tile: (b, v, order) => b.op('Tile', [v, b.constant('repeats', int64Tensor(order.map((axis) => axis + 1)))]),
    LeakyRelu: (b, v) => b.op('LeakyRelu', [v], { attributes: [floatAttribute('alpha', 0.1)] }),
  };

  // The same numbers are added in another order at most: rounding of float, values up to 3.
  it.each(Object.entries(cases))('%s gives the same with its axes renamed', async (opType, build) => {
    const builder = new ModelBuilder(17);
    const node = build(builder, builder.input('x', shape), [0, 1, 2]).producer!;
    expect(node.opType).toBe(opType);
    expect(transposeCommutes(node)).toBeDefined();
    expect(await difference(build)).toBeLessThan(1e-5);
  });
});
