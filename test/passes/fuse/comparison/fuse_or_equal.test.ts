import { describe, expect, it } from 'vitest';
import type { DataType } from '../../../../src/ir/data_type.js';
import { floatTensor, int64Tensor } from '../../../../src/ir/tensor.js';
import { fuseNotOrder, fuseOrEqual } from '../../../../src/passes/fuse/comparison/fuse_or_equal.js';
import { rewritePass } from '../../../../src/passes/rewrite/driver.js';
import { applyPass, largestDifference, ModelBuilder, operatorsOf, reasonsOf } from '../../../build_model.js';

const pass = rewritePass('fuse', 'test', [fuseOrEqual, fuseNotOrder]);

function orEqual(order: string, isTurned: boolean, dtype: DataType = 'float', opset = 16) {
  const b = new ModelBuilder(opset);
  const [x, z] = [b.input('x', ['N'], dtype), b.input('z', ['N'], dtype)];
  const equal = b.op('Equal', isTurned ? [z, x] : [x, z]);
  const ordered = b.op(order, [x, z]);
  b.output(b.op('Or', isTurned ? [equal, ordered] : [ordered, equal]), 'y', 'bool');
  return b.build();
}

function notOrder(order: string, dtype: DataType) {
  const b = new ModelBuilder(16);
  b.output(b.op('Not', [b.op(order, [b.input('x', ['N'], dtype), b.input('z', ['N'], dtype)])]), 'y', 'bool');
  return b.build();
}

const floats = { x: floatTensor([1, 2, 3, Number.NaN]), z: floatTensor([2, 2, 1, 0]) };
const integers = { x: int64Tensor([1, 2, 2n ** 53n]), z: int64Tensor([2, 2, 2n ** 53n + 1n]) };

describe('fuse-or-equal', () => {
  for (const order of ['Less', 'Greater']) {
    for (const isTurned of [false, true]) {
      it(`fuses ${order} and Equal${isTurned ? ', both turned' : ''}, exactly`, async () => {
        const model = orEqual(order, isTurned);
        const result = await applyPass(model, pass);
        expect(operatorsOf(result.model)).toEqual([`${order}OrEqual`]);
        expect(await largestDifference(model, result.model, floats)).toBe(0);
      });
    }
    it(`fuses the negation of ${order} of integers, exactly`, async () => {
      const model = notOrder(order, 'int64');
      const result = await applyPass(model, pass);
      expect(operatorsOf(result.model)).toEqual([order === 'Less' ? 'GreaterOrEqual' : 'LessOrEqual']);
      expect(await largestDifference(model, result.model, integers)).toBe(0);
    });
  }

  it('leaves the negation of an order of numbers that may be NaN', async () => {
    const { model, report } = await applyPass(notOrder('Less', 'float'), pass);
    expect(operatorsOf(model)).toEqual(['Less', 'Not']);
    expect(reasonsOf(report)).toEqual(['its operands may be NaN']);
  });

  it('needs opset 12, and the same two values', async () => {
    expect(reasonsOf((await applyPass(orEqual('Less', false, 'float', 11), pass)).report)).toEqual([
      'it needs opset 12',
    ]);
    const b = new ModelBuilder(16);
    const [x, z, other] = ['x', 'z', 'other'].map((name) => b.input(name, ['N']));
    b.output(b.op('Or', [b.op('Less', [x!, z!]), b.op('Equal', [x!, other!])]), 'y', 'bool');
    expect(operatorsOf((await applyPass(b.build(), pass)).model)).toHaveLength(3);
  });
});
