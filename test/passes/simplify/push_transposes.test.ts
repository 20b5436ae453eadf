import { describe, expect, it } from 'vitest';
import { intAttribute, intsAttribute } from '../../../src/ir/attribute.js';
import type { Value } from '../../../src/ir/graph.js';
import { floatTensor, int64Tensor, tensorFromData } from '../../../src/ir/tensor.js';
import { permuteTensor } from '../../../src/passes/simplify/push/permutation.js';
import { pushTransposes } from '../../../src/passes/simplify/push_transposes.js';
import { applyPass, largestDifference, ModelBuilder, operatorsOf, randomTensor, reasonsOf } from '../../build_model.js';
import { expectExact, withFunction, withIf } from './rewriting.js';

const perm = (...axes: number[]) => ({ attributes: [intsAttribute('perm', axes)] });
const ints = (b: ModelBuilder, values: readonly (number | bigint)[]): Value => b.constant('v', int64Tensor(values));
const axis = (value: number, ...more: Parameters<typeof intAttribute>[]) => ({
  attributes: [intAttribute('axis', value), ...more.map(([name, number]) => intAttribute(name, number))],
});

/** Neg, to channels last, `build`, and back by `back`, Neg. */
function between(
  build: (b: ModelBuilder, x: Value) => Value,
  back: readonly number[] | null = [0, 3, 1, 2],
  opset = 18,
): ModelBuilder {
  const b = new ModelBuilder(opset);
  const x = b.op('Neg', [b.input('x', ['n', 3, 'h', 4])]);
  const y = build(b, b.op('Transpose', [x], perm(0, 2, 3, 1)));
  b.output(b.op('Neg', [back === null ? y : b.op('Transpose', [y], perm(...back))]), 'y');
  return b;
}

const feeds = [
  [2, 3, 5, 4],
  [1, 3, 1, 4],
  [0, 3, 2, 4],
].map((dims) => ({ x: randomTensor(dims) }));

describe('push-transposes', () => {
  const gone: Record<string, readonly [(b: ModelBuilder, x: Value) => Value, readonly string[], (readonly number[])?]> =
    {
      'an activation': [(b, x) => b.op('Sigmoid', [x]), ['Sigmoid']],
      'a bias per channel': [(b, x) => b.op('Add', [x, b.constant('c', randomTensor([3]))]), ['Add']],
      'a mask of two axes': [(b, x) => b.op('Mul', [b.constant('c', randomTensor([4, 3])), x]), ['Mul']],
      'a bound and a choice': [
        (b, x) =>
          b.op('Where', [
            b.op('Less', [x, b.constant('zero', floatTensor([0], []))]),
            b.op('Clip', [x, b.constant('low', floatTensor([-0.5], []))]),
            x,
          ]),
        ['Clip', 'Less', 'Where'],
      ],
      'a Concat and a Split': [
        (b, x) =>
          b.ops('Split', [b.op('Concat', [x, b.op('Relu', [x])], axis(-1)), ints(b, [2, 4])], {
            ...axis(3),
            outputs: 2,
          })[1]!,
        ['Relu', 'Concat', 'Split'],
      ],
      'a Slice': [(b, x) => b.op('Slice', [x, ints(b, [0, 1]), ints(b, [9, 3]), ints(b, [-2, 3])]), ['Slice']],
      'a Slice of the first axes': [(b, x) => b.op('Slice', [x, ints(b, [0, 1]), ints(b, [9, 3])]), ['Slice']],
      'a Pad': [(b, x) => b.op('Pad', [x, ints(b, [0, 1, 2, 0, 1, 0, 0, 3])]), ['Pad']],
      'a Pad of some axes': [(b, x) => b.op('Pad', [x, ints(b, [1, 2]), null, ints(b, [-1])]), ['Pad']],
      'a reduction': [(b, x) => b.op('ReduceMax', [x, ints(b, [-1])]), ['ReduceMax']],
      'a Softmax of an inner axis': [(b, x) => b.op('Softmax', [x], axis(2)), ['Softmax']],
      'a quantization per channel': [
        (b, x) => {
          const scale = b.constant('scale', floatTensor([0.1, 0.2, 0.3]));
          const zero = b.constant('zero', tensorFromData('uint8', [3], Uint8Array.from([1, 2, 3])));
          return b.op('DequantizeLinear', [b.op('QuantizeLinear', [x, scale, zero], axis(-1)), scale, zero], axis(3));
        },
        ['QuantizeLinear', 'DequantizeLinear'],
      ],
      'a running sum': [(b, x) => b.op('CumSum', [x, b.constant('a', int64Tensor([2], []))]), ['CumSum']],
      'a Tile': [(b, x) => b.op('Tile', [x, ints(b, [1, 2, 1, 3])]), ['Tile']],
      'the largest of an axis': [(b, x) => b.ops('TopK', [x, ints(b, [2])], { ...axis(3), outputs: 2 })[0]!, ['TopK']],
      'a quantization of the whole': [
        (b, x) => {
          const scale = b.constant('scale', floatTensor([0.1], []));
          return b.op('DequantizeLinear', [b.op('QuantizeLinear', [x, scale]), scale]);
        },
        ['QuantizeLinear', 'DequantizeLinear'],
      ],
      'axes put in and taken out': [
        (b, x) => b.op('Squeeze', [b.op('Relu', [b.op('Unsqueeze', [x, ints(b, [1, -1])])]), ints(b, [1, 5])]),
        ['Unsqueeze', 'Relu', 'Squeeze'],
      ],
    };
  for (const [title, [build, inside, back]] of Object.entries(gone)) {
    it(`cancels Transposes around ${title}`, async () => {
      const { model } = await applyPass(between(build, back).build(), pushTransposes);
      expect(operatorsOf(model).sort()).toEqual(['Neg', ...inside, 'Neg'].sort());
      // The runtime leaves an empty tensor as it is when it is to reduce its last axis, and divides by 0 in TopK.
      const tried = ['a reduction', 'the largest of an axis'].includes(title) ? feeds.slice(0, 2) : feeds;
      for (const each of tried) expect(await largestDifference(between(build, back).build(), model, each)).toBe(0);
    });
  }

  it('drops a Transpose in front of a reduction of everything', async () => {
    const b = between((m, x) => m.op('ReduceMax', [x], { attributes: [intAttribute('keepdims', 0)] }), null);
    await expectExact(b.build(), pushTransposes, ['Neg', 'ReduceMax', 'Neg'], feeds.slice(0, 2));
  });

  it('drops a Transpose where a reduction takes its axes away', async () => {
    const b = between(
      (m, x) => m.op('ReduceMax', [x, ints(m, [3, 1])], { attributes: [intAttribute('keepdims', 0)] }),
      null,
    );
    await expectExact(b.build(), pushTransposes, ['Neg', 'ReduceMax', 'Neg'], feeds.slice(0, 2));
  });

  it('drops a Transpose where ArgMax and a Gather take its axes away, opset 11', async () => {
    const b = new ModelBuilder(11);
    const x = b.op('Transpose', [b.input('x', ['n', 3, 'h'])], perm(0, 2, 1));
    b.output(b.op('ArgMax', [x], axis(-1, ['keepdims', 0])), 'arg', 'int64', 2);
    b.output(b.op('Gather', [x, b.constant('i', int64Tensor([1], []))], axis(2)), 'one');
    await expectExact(b.build(), pushTransposes, ['ArgMax', 'Gather'], [{ x: randomTensor([2, 3, 4]) }]);
  });

  it('turns two branches that meet, and pays one Transpose for a reader in between', async () => {
    const b = new ModelBuilder();
    const nhwc = (value: Value) => b.op('Transpose', [value], perm(0, 2, 3, 1));
    const one = nhwc(b.input('x', ['n', 3, 4, 4]));
    const other = nhwc(b.input('z', ['n', 3, 4, 4]));
    const sum = b.op('Relu', [b.op('Add', [one, other])]);
    b.output(b.op('Flatten', [sum]), 'flat');
    b.output(b.op('Neg', [b.op('Transpose', [sum], perm(0, 3, 1, 2))]), 'y');
    await expectExact(
      b.build(),
      pushTransposes,
      ['Add', 'Relu', 'Transpose', 'Flatten', 'Neg'],
      [{ x: randomTensor([2, 3, 4, 4]), z: randomTensor([2, 3, 4, 4], 7) }],
    );
  });

  it('keeps the names of graph outputs, and gives them their own order of axes', async () => {
    const b = new ModelBuilder();
    const x = b.op('Transpose', [b.input('x', ['n', 3, 4])], perm(0, 2, 1));
    const other = b.op('Transpose', [b.input('z', ['n', 3, 4])], perm(0, 2, 1));
    const sum = b.op('Mul', [x, other]);
    b.output(sum, 'sum');
    const { model } = await expectExact(
      b.build(),
      pushTransposes,
      ['Mul', 'Transpose'],
      [{ x: randomTensor([2, 3, 4]), z: randomTensor([2, 3, 4], 7) }],
    );
    expect(model.graph.outputs[0]!.name).toBe('sum');
  });

  const kept: Record<string, (b: ModelBuilder, x: Value) => Value> = {
    'an operator that depends on the order': (b, x) => b.op('Flatten', [b.op('Relu', [x])]),
    'an operand that is not turned': (b, x) => b.op('Flatten', [b.op('Add', [x, b.op('Neg', [x])])]),
    'an operand of lower rank that is computed': (b, x) =>
      b.op('Transpose', [b.op('Add', [x, b.input('z', [3])])], perm(0, 3, 1, 2)),
    'a Softmax of the last axis': (b, x) => b.op('Transpose', [b.op('Softmax', [x])], perm(0, 3, 1, 2)),
    'positions that are not known': (b, x) => {
      const cut = b.op('Slice', [x, ints(b, [0]), ints(b, [1]), b.input('z', [1], 'int64')]);
      return b.op('Transpose', [cut], perm(0, 3, 1, 2));
    },
  };
  for (const [title, build] of Object.entries(kept)) {
    it(`takes no more Transposes for ${title}`, async () => {
      const model = between(build, null).build();
      const { model: result } = await applyPass(model, pushTransposes);
      expect(operatorsOf(result)).toEqual(operatorsOf(model));
    });
  }

  it('says where as many Transposes would be left', async () => {
    const b = new ModelBuilder();
    const x = b.op('Transpose', [b.input('x', ['n', 3, 4])], perm(0, 2, 1));
    const sum = b.op('Add', [b.op('Add', [x, b.input('z', ['n', 4, 3])]), b.input('w', ['n', 4, 3])]);
    b.output(b.op('Neg', [b.op('Transpose', [sum], perm(0, 2, 1))]), 'y');
    const model = b.build();
    const { report } = await expectExact(model, pushTransposes, operatorsOf(model), [
      { x: randomTensor([2, 3, 4]), z: randomTensor([2, 4, 3]), w: randomTensor([2, 4, 3], 9) },
    ]);
    expect(reasonsOf(report)).toEqual(['as many Transposes would be left']);
  });

  it('works inside branches on values from outside, and in functions where ranks are known', async () => {
    const b = new ModelBuilder();
    const x = b.op('Transpose', [b.input('x', ['n', 3, 4])], perm(0, 2, 1));
    const chosen = withIf(b, 17, (branch) => {
      const turned = branch.op('Transpose', [x], perm(0, 2, 1));
      branch.output(branch.op('Neg', [branch.op('Transpose', [branch.op('Relu', [turned])], perm(0, 2, 1))]));
    });
    b.output(chosen, 'y');
    const condition = tensorFromData('bool', [], Uint8Array.from([1]));
    await expectExact(
      b.build(),
      pushTransposes,
      ['Transpose', 'If', 'Relu', 'Neg', 'Relu', 'Neg'],
      [{ x: randomTensor([2, 3, 4]), c: condition }],
    );
    const f = new ModelBuilder();
    const called = withFunction(f, 17, f.input('x', ['n', 3, 4]), (body, z) =>
      body.op('Neg', [
        body.op('Transpose', [body.op('Relu', [body.op('Transpose', [z], perm(0, 2, 1))])], perm(0, 2, 1)),
      ]),
    );
    f.output(called, 'y');
    await expectExact(f.build(), pushTransposes, ['twice', 'Relu', 'Neg'], [{ x: randomTensor([2, 3, 4]) }]);
  });

  it('computes the same on random graphs, with never more Transposes', async () => {
    let fewer = 0;
    for (let seed = 1; seed <= 60; seed += 1) {
      const model = randomGraph(seed);
      const { model: result } = await applyPass(model, pushTransposes);
      const count = (each: typeof model): number => operatorsOf(each).filter((opType) => opType === 'Transpose').length;
      expect(count(result)).toBeLessThanOrEqual(count(model));
      if (count(result) < count(model)) fewer += 1;
      expect(await largestDifference(model, result, { x: randomTensor([2, 3, 4], seed) })).toBeLessThan(1e-6);
    }
    expect(fewer).toBeGreaterThan(20);
  });
});

/** Thirty operators on values of rank 3, all of whose sizes are known. */
function randomGraph(seed: number): ReturnType<ModelBuilder['build']> {
  let state = seed * 7919;
  const next = (below: number): number => {
    state = (state * 1103515245 + 12345) % 2147483648;
    return Math.floor((state / 2147483648) * below);
  };
  const b = new ModelBuilder(18);
  const values = [{ value: b.input('x', [2, 3, 4]), dims: [2, 3, 4] }];
  const orders = [
    [0, 2, 1],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
  ];
  for (let step = 0; step < 30; step += 1) {
    const { value, dims } = values[Math.max(0, values.length - 1 - next(4))]!;
    const at = next(3);
    switch (next(8)) {
      case 0:
      case 1:
      case 2: {
        const order = orders[next(4)]!;
        values.push({ value: b.op('Transpose', [value], perm(...order)), dims: order.map((from) => dims[from]!) });
        break;
      }
      case 3:
        values.push({ value: b.op('Relu', [value]), dims });
        break;
      case 4: {
        const partner = values.filter((each) => each.dims.join() === dims.join())[next(2)];
        values.push({ value: b.op('Mul', [value, partner?.value ?? value]), dims });
        break;
      }
      case 5:
        values.push({ value: b.op('Add', [value, b.constant('c', randomTensor([dims[2]!], step))]), dims });
        break;
      case 6: {
        const joined = b.op('Concat', [value, value], axis(at));
        const cut = b.op('Slice', [joined, ints(b, [1]), ints(b, [1 + dims[at]!]), ints(b, [at])]);
        values.push({ value: cut, dims });
        break;
      }
      default: {
        const sum = b.op('ReduceMax', [value, ints(b, [at])], {
          attributes: [intAttribute('keepdims', at === 0 ? 1 : 0)],
        });
        const kept = at === 0 ? sum : b.op('Unsqueeze', [sum, ints(b, [at])]);
        values.push({ value: b.op('Expand', [kept, ints(b, dims)]), dims });
      }
    }
  }
  b.output(b.op('Tanh', [values.at(-1)!.value]), 'last');
  b.output(b.op('Tanh', [values.at(-4)!.value]), 'before');
  return b.build();
}

describe('permuteTensor', () => {
  it('moves elements of any width as Transpose does, and leaves large ones', () => {
    const tensor = int64Tensor([1, 2, 3, 4, 5, 6], [1, 2, 3]);
    const moved = permuteTensor(tensor, [2, 0, 1], 1024);
    expect(moved?.dims).toEqual([3, 1, 2]);
    expect(new BigInt64Array(moved!.storage.bytes().buffer)).toEqual(BigInt64Array.from([1n, 4n, 2n, 5n, 3n, 6n]));
    expect(permuteTensor(tensor, [2, 0, 1], 16)).toBeUndefined();
    expect(permuteTensor(tensor, [1, 0, 2], 0)?.dims).toEqual([2, 1, 3]);
  });
});
