import { describe, expect, it } from 'vitest';
import { findTarget } from '../../../../src/backends/target.js';
import { type Attribute, intAttribute, intsAttribute } from '../../../../src/ir/attribute.js';
import type { Value } from '../../../../src/ir/graph.js';
import { floatTensor, int64Tensor } from '../../../../src/ir/tensor.js';
import {
  fuseReduceL1,
  fuseReduceL2,
  fuseReduceLogSum,
  fuseReduceLogSumExp,
  fuseReduceSumSquare,
} from '../../../../src/passes/fuse/reduction/fuse_reductions.js';
import { rewritePass } from '../../../../src/passes/rewrite/driver.js';
import {
  applyPass,
  largestDifference,
  ModelBuilder,
  operatorsOf,
  pseudoRandom,
  reasonsOf,
} from '../../../build_model.js';

const pass = rewritePass('fuse', 'test', [
  fuseReduceL2,
  fuseReduceL1,
  fuseReduceLogSumExp,
  fuseReduceLogSum,
  fuseReduceSumSquare,
]);

/** Sums up to 30 in another order. */
const tolerance = 1e-5;

/** Positive, so that sums have logarithms. */
const feeds = { x: floatTensor(pseudoRandom(48, 5).map(Math.abs), [2, 4, 6]) };

type Spelling = (b: ModelBuilder, x: Value, sum: (value: Value) => Value) => Value;

const spellings: Record<string, Record<string, Spelling>> = {
  ReduceL1: { 'sum of |x|': (b, x, sum) => sum(b.op('Abs', [x])) },
  ReduceSumSquare: {
    'sum of x · x': (b, x, sum) => sum(b.op('Mul', [x, x])),
    'sum of a power': (b, x, sum) => sum(b.op('Pow', [x, b.constant('two', floatTensor([2], []))])),
  },
  ReduceL2: {
    'root of the sum of squares': (b, x, sum) => b.op('Sqrt', [sum(b.op('Mul', [x, x]))]),
  },
  ReduceLogSum: { 'logarithm of the sum': (b, x, sum) => b.op('Log', [sum(x)]) },
  ReduceLogSumExp: { 'logarithm of the sum of exp': (b, x, sum) => b.op('Log', [sum(b.op('Exp', [x]))]) },
};

function build(
  spelling: Spelling,
  opset: number,
  attributes: readonly Attribute[],
  dims: readonly (number | string)[],
) {
  const b = new ModelBuilder(opset);
  const x = b.input('x', dims);
  const sum = (value: Value): Value => {
    if (opset < 13) return b.op('ReduceSum', [value], { attributes: [...attributes, intsAttribute('axes', [1, -1])] });
    return b.op('ReduceSum', [value, b.constant('axes', int64Tensor([1, -1]))], { attributes });
  };
  b.output(spelling(b, x, sum), 'y');
  return b.build();
}

describe('fuse-reduce', () => {
  for (const [opType, ways] of Object.entries(spellings)) {
    for (const [name, spelling] of Object.entries(ways)) {
      for (const opset of [11, 13, 18]) {
        for (const keepdims of [0, 1]) {
          it(`${opType} from the ${name}, opset ${opset}, keepdims ${keepdims}`, async () => {
            const model = build(spelling, opset, [intAttribute('keepdims', keepdims)], ['N', 4, 6]);
            const result = await applyPass(model, pass, { target: findTarget('portable') });
            expect(operatorsOf(result.model)).toEqual([opType]);
            expect(await largestDifference(model, result.model, feeds)).toBeLessThan(tolerance);
          });
        }
      }
    }
  }

  it('leaves a sum that reduces nothing where no axes are named', async () => {
    const model = build(
      spellings['ReduceL1']!['sum of |x|']!,
      18,
      [intAttribute('noop_with_empty_axes', 1)],
      [2, 4, 6],
    );
    const { report } = await applyPass(model, pass);
    expect(reasonsOf(report)).toEqual(['its axes are not in a form that the operator takes']);
  });

  it('leaves axes that are an input in opsets where the operator has an attribute', async () => {
    const b = new ModelBuilder(13);
    const sum = b.op('ReduceSum', [b.op('Abs', [b.input('x', [2, 4])]), b.input('axes', [1], 'int64')]);
    b.output(sum, 'y');
    const { report } = await applyPass(b.build(), pass);
    expect(reasonsOf(report)).toEqual(['its axes are not in a form that the operator takes']);
  });

  it('leaves the product of two values and twice the square', async () => {
    for (const inner of [
      (b: ModelBuilder, x: Value) => b.op('Mul', [x, b.input('z', [2, 4, 6])]),
      (b: ModelBuilder, x: Value) => b.op('Mul', [b.op('Mul', [x, x]), b.constant('two', floatTensor([2], []))]),
    ]) {
      const model = build((b, x, sum) => sum(inner(b, x)), 18, [], [2, 4, 6]);
      expect(operatorsOf((await applyPass(model, pass)).model)).toEqual(operatorsOf(model));
    }
  });

  it('leaves tensors that may be large to what ONNX Runtime computes faster', async () => {
    const model = build(spellings['ReduceL2']!['root of the sum of squares']!, 18, [], ['N', 4, 6]);
    const { model: result, report } = await applyPass(model, pass);
    expect(operatorsOf(result)).toEqual(['Mul', 'ReduceSum', 'Sqrt']);
    expect(reasonsOf(report)).toContain('ort-cpu computes Mul, ReduceSum and Sqrt faster than ReduceL2');
  });
});
