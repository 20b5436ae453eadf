import { describe, expect, it } from 'vitest';
import type { Value } from '../../../src/ir/graph.js';
import { floatTensor, int64Tensor } from '../../../src/ir/tensor.js';
import { ModelBuilder, randomTensor } from '../../build_model.js';
import { precisionOf } from './plan_of.js';

/** A sum over 4,096 numbers, what is made of it, and a product. */
function summed(make: (b: ModelBuilder, sum: Value) => Value): { b: ModelBuilder; made: Value; product: Value } {
  const b = new ModelBuilder();
  const x = b.op('MatMul', [b.input('x', [8, 8]), b.constant('w', randomTensor([8, 4096]))]);
  const sum = b.op('ReduceSum', [x, b.constant('axes', int64Tensor([1]))], { outputs: ['sum'] });
  const made = make(b, sum);
  const product = b.op('MatMul', [made, b.constant('v', randomTensor([1, 8]))]);
  b.output(product);
  return { b, made, product };
}

const share = (b: ModelBuilder, sum: Value): Value =>
  b.op('Mul', [sum, b.constant('share', floatTensor([1 / 4096], []))]);

const wide = { type: 'float', reason: 'what it reads may be beyond float16 ("sum")' };

describe('what reads a sum that may be out of range of float16', () => {
  it('is in float where it brings it back, and what follows is in half', () => {
    const { b, made, product } = summed(share);
    expect(precisionOf(b, made)).toEqual(wide);
    expect(precisionOf(b, product).type).toBe('half');
  });

  it('is in float with all that hands the sum on', () => {
    const moved = summed((b, sum) => share(b, b.op('Neg', [b.op('Identity', [sum])])));
    const [negated] = moved.made.producer!.inputs;
    expect(precisionOf(moved.b, negated!).type).toBe('float');
    expect(precisionOf(moved.b, moved.made).type).toBe('float');
    expect(precisionOf(moved.b, moved.product).type).toBe('half');
  });

  it('is in float where it is a product, into whose weights a factor may have been merged', () => {
    const { b, product } = summed((_, sum) => sum);
    expect(precisionOf(b, product)).toEqual(wide);
  });

  it('is in half where calibration saw the sum in range', () => {
    const { b, product } = summed((_, sum) => sum);
    const ranges = new Map([['sum', { min: -100, max: 100 }]]);
    expect(precisionOf(b, product, { ranges }).type).toBe('half');
  });

  it('is in bfloat16, whose range is that of float32', () => {
    const { b, product } = summed((_, sum) => sum);
    expect(precisionOf(b, product, { half: 'bfloat16' }).type).toBe('half');
  });
});
