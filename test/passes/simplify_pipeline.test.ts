import { describe, expect, it } from 'vitest';
import { findTarget } from '../../src/backends/target.js';
import { intAttribute, intsAttribute } from '../../src/ir/attribute.js';
import { floatTensor, int64Tensor } from '../../src/ir/tensor.js';
import { runPipeline } from '../../src/passes/pipeline.js';
import { simplifyPipeline } from '../../src/passes/pipelines.js';
import { largestDifference, ModelBuilder, operatorsOf, randomTensor } from '../build_model.js';

const target = findTarget('portable');

/** Sums of up to 27 products of numbers up to 1, scaled by up to 2: a few float32 roundings of 50. */
const tolerance = 2e-5;

async function expectSimplified(
  b: ModelBuilder,
  expected: readonly string[],
  feeds: Parameters<typeof largestDifference>[2],
) {
  const model = b.build();
  const copy = b.build();
  await runPipeline(copy, simplifyPipeline, { target });
  expect(operatorsOf(copy)).toEqual(expected);
  expect(await largestDifference(model, copy, feeds)).toBeLessThan(tolerance);
}

const image = { x: randomTensor([1, 3, 8, 8], 3) };

describe('the order of passes', () => {
  it('leaves HardSigmoid its constants rather than fold them into the convolution in front', async () => {
    const b = new ModelBuilder(17);
    const number = (name: string, value: number) => b.constant(name, floatTensor([value], []));
    const conv = b.op('Conv', [b.input('x', ['N', 3, 8, 8]), b.constant('w', randomTensor([4, 3, 3, 3], 2))]);
    const clipped = b.op('Clip', [b.op('Add', [conv, number('three', 3)]), number('low', 0), number('six', 6)]);
    b.output(b.op('Div', [clipped, number('divisor', 6)]), 'y');
    await expectSimplified(b, ['Conv', 'HardSigmoid'], image);
  });

  it('folds normalization on both sides of a convolution, its pads and its input scale', async () => {
    const b = new ModelBuilder(17);
    const scaled = b.op('Div', [b.input('x', ['N', 3, 8, 8]), b.constant('c', floatTensor([0.5, 2, 3], [1, 3, 1, 1]))]);
    const padded = b.op('Pad', [scaled, b.constant('pads', int64Tensor([0, 0, 1, 1, 0, 0, 1, 1]))]);
    const conv = b.op('Conv', [padded, b.constant('w', randomTensor([4, 3, 3, 3], 2))]);
    const statistics = [4, 5, 6].map((seed) => b.constant(`s${seed}`, randomTensor([4], seed)));
    b.output(b.op('BatchNormalization', [conv, ...statistics, b.constant('v', floatTensor([1, 2, 3, 4]))]), 'y');
    await expectSimplified(b, ['Conv'], image);
  });

  it('reads a linear layer through its Reshapes before they merge with others', async () => {
    const b = new ModelBuilder(17);
    const shape = (name: string, ...dims: number[]) => b.constant(name, int64Tensor(dims));
    const rows = b.op('Reshape', [b.input('x', [2, 3, 4]), shape('rows', -1, 4)]);
    const weights = [b.constant('w', randomTensor([4, 6], 2)), b.constant('b', randomTensor([6], 3))];
    const back = b.op('Reshape', [b.op('Gemm', [rows, ...weights]), shape('back', 2, 3, 6)]);
    const heads = b.op('Reshape', [back, shape('heads', 2, 3, 2, 3)]);
    b.output(b.op('Transpose', [heads], { attributes: [intsAttribute('perm', [0, 2, 1, 3])] }), 'y');
    await expectSimplified(b, ['MatMul', 'Add', 'Reshape', 'Transpose'], { x: randomTensor([2, 3, 4], 3) });
  });

  it('makes SpaceToDepth of the slices in front of a convolution', async () => {
    const b = new ModelBuilder(17);
    const x = b.input('x', ['N', 3, 8, 8]);
    const numbers = (name: string, ...values: number[]) => b.constant(name, int64Tensor(values));
    const [ends, rows, columns, step] = [numbers('e', 9e15), numbers('r', 2), numbers('c', 3), numbers('s', 2)];
    const starts = [numbers('zero', 0), numbers('one', 1)];
    const parts = [
      [0, 0],
      [1, 0],
      [0, 1],
      [1, 1],
    ].map(([row, column]) => {
      const down = b.op('Slice', [x, starts[row!]!, ends, rows, step]);
      return b.op('Slice', [down, starts[column!]!, ends, columns, step]);
    });
    const joined = b.op('Concat', parts, { attributes: [intAttribute('axis', 1)] });
    b.output(b.op('Conv', [joined, b.constant('w', randomTensor([4, 12, 1, 1], 2))]), 'y');
    await expectSimplified(b, ['SpaceToDepth', 'Conv'], image);
  });
});
