import { describe } from 'vitest';
import { floatAttribute, intAttribute, intsAttribute, stringAttribute } from '../../../src/ir/attribute.js';
import type { Value } from '../../../src/ir/graph.js';
import { encodeHalf } from '../../../src/ir/half_float.js';
import { elementCount, floatTensor, type Tensor, tensorFromData } from '../../../src/ir/tensor.js';
import { type ModelBuilder, pseudoRandom, randomTensor } from '../../build_model.js';
import { type Trap, testTraps } from './trap.js';

/** Weights and products are grouped anew: rounding of float sums of some 30 terms. */
const rounding = { relative: 1e-5 } as const;
/** The same in half precision, where one step is 1e-3 of a number. */
const halfRounding = { relative: 4e-3 } as const;

const half = (dims: readonly number[], seed: number): Tensor =>
  tensorFromData('float16', dims, encodeHalf('float16', pseudoRandom(elementCount(dims), seed)));

/** Positive, for variances. */
const positive = (dims: readonly number[], seed: number): Tensor =>
  floatTensor(
    pseudoRandom(elementCount(dims), seed).map((value) => Math.abs(value) + 0.1),
    dims,
  );

const conv = (b: ModelBuilder, x: Value, dims: readonly number[], attributes = [intsAttribute('pads', [1, 1, 1, 1])]) =>
  b.op('Conv', [x, b.constant('w', randomTensor(dims, 3))], { attributes });

function batchnorm(b: ModelBuilder, x: Value, channels: number): Value {
  const [scale, offset, mean] = [4, 5, 6].map((seed) => b.constant(`bn${seed}`, randomTensor([channels], seed)));
  return b.op('BatchNormalization', [x, scale!, offset!, mean!, b.constant('variance', positive([channels], 7))]);
}

/** Conv, 4 channels of 5×5 onto as many, then an operator with a constant of `dims`. */
const convThen = (opType: string, dims: readonly number[], more: Partial<Trap> = {}, left = false): Trap => ({
  name: `${opType} ${left ? 'of' : 'with'} a constant of shape [${dims}] ${left ? 'with' : 'behind'} a convolution`,
  allowance: rounding,
  build(b) {
    const y = conv(b, b.input('x', [1, 4, 5, 5]), [4, 4, 3, 3]);
    const k = b.constant('k', positive(dims, 8));
    b.output(b.op(opType, left ? [k, y] : [y, k]), 'y');
  },
  ...more,
});

const convTranspose = (group: number, outPerGroup: number, strides: number[]): Trap => ({
  name: `batch normalization behind a transposed convolution of ${group} groups of ${outPerGroup} outputs`,
  allowance: rounding,
  gone: ['BatchNormalization'],
  build(b) {
    const x = b.input('x', [2, 4, 3, 3]);
    const w = b.constant('w', randomTensor([4, outPerGroup, 2, 2], 3));
    const y = b.op('ConvTranspose', [x, w], {
      attributes: [intAttribute('group', group), intsAttribute('strides', strides)],
    });
    b.output(batchnorm(b, y, group * outPerGroup), 'y');
  },
});

const grouped = (group: number, channels: number, outputs: number): Trap => ({
  name: `batch normalization behind a convolution of ${group} groups, ${channels} channels onto ${outputs}`,
  allowance: rounding,
  gone: ['BatchNormalization'],
  build(b) {
    const y = conv(
      b,
      b.input('x', [2, channels, 5, 5]),
      [outputs, channels / group, 3, 3],
      [intAttribute('group', group)],
    );
    b.output(batchnorm(b, y, outputs), 'y');
  },
});

const channelsFirst: readonly Trap[] = [
  // The last axis, which is as long as there are channels or is not.
  convThen('Add', [5]),
  convThen('Mul', [5]),
  convThen('Div', [5]),
  convThen('Sub', [5], {}, true),
  {
    ...convThen('Add', [4]),
    name: 'a constant as long as there are channels lies along the width all the same',
    build(b) {
      b.output(
        b.op('Add', [conv(b, b.input('x', [1, 4, 4, 4]), [4, 4, 3, 3]), b.constant('k', randomTensor([4]))]),
        'y',
      );
    },
  },
  convThen('Mul', [1, 1, 1, 5]),
  convThen('Add', [5, 1]),
  // Grows the batch or the rank.
  convThen('Add', [4, 1, 1, 1]),
  convThen('Mul', [4, 1, 1, 1]),
  convThen('Add', [1, 1, 4, 1, 1]),
  convThen('Mul', [2, 1, 1, 1, 1]),
  // May be folded.
  convThen('Add', [4, 1, 1], { gone: ['Add'] }),
  convThen('Add', [1, 4, 1, 1], { gone: ['Add'] }),
  convThen('Mul', [1, 4, 1, 1], { gone: ['Mul'] }),
  convThen('Mul', [1], { gone: ['Mul'] }),
  convThen('Div', [4, 1, 1]),
  convThen('Div', [4, 1, 1], {}, true),
  convThen('Sub', [4, 1, 1], {}, true),
  convThen('Pow', [4, 1, 1]),
];

const others: readonly Trap[] = [
  grouped(2, 4, 6),
  grouped(4, 4, 4),
  grouped(4, 4, 8),
  convTranspose(1, 3, [1, 1]),
  convTranspose(2, 3, [2, 2]),
  convTranspose(4, 1, [2, 1]),
  convTranspose(4, 2, [1, 1]),
  {
    name: 'a channel that is added after a grouped transposed convolution',
    allowance: rounding,
    build(b) {
      const w = b.constant('w', randomTensor([4, 3, 2, 2], 3));
      const y = b.op('ConvTranspose', [b.input('x', [1, 4, 3, 3]), w], { attributes: [intAttribute('group', 2)] });
      const scaled = b.op('Mul', [y, b.constant('s', randomTensor([6, 1, 1], 4))]);
      b.output(b.op('Add', [scaled, b.constant('k', randomTensor([6, 1, 1], 5))]), 'y');
    },
  },
  {
    name: 'a shift in front of a convolution that pads: the border was not shifted',
    allowance: rounding,
    build(b) {
      const x = b.op('Add', [b.input('x', [1, 4, 5, 5]), b.constant('k', randomTensor([4, 1, 1], 9))]);
      b.output(conv(b, x, [4, 4, 3, 3]), 'y');
    },
  },
  {
    name: 'a scale in front of a grouped convolution',
    allowance: rounding,
    build(b) {
      const x = b.op('Mul', [b.input('x', [1, 4, 5, 5]), b.constant('k', randomTensor([4, 1, 1], 9))]);
      b.output(conv(b, x, [6, 2, 3, 3], [intAttribute('group', 2), intsAttribute('pads', [1, 0, 0, 1])]), 'y');
    },
  },
  {
    name: 'a scale in front of a convolution that is as wide as the channels are many',
    allowance: rounding,
    build(b) {
      const x = b.op('Mul', [b.input('x', [1, 4, 4, 4]), b.constant('k', randomTensor([4], 9))]);
      b.output(conv(b, x, [4, 4, 3, 3]), 'y');
    },
  },
  {
    name: 'a convolution whose weights are read twice',
    allowance: rounding,
    build(b) {
      const w = b.constant('w', randomTensor([4, 4, 3, 3], 3));
      const y = b.op('Conv', [b.input('x', [1, 4, 5, 5]), w]);
      b.output(batchnorm(b, y, 4), 'y');
      b.output(b.op('Conv', [b.input('z', [1, 4, 5, 5]), w]), 'plain');
    },
  },
  {
    name: 'a convolution that is an output itself and normalized as well',
    allowance: rounding,
    build(b) {
      const y = conv(b, b.input('x', [1, 4, 5, 5]), [4, 4, 3, 3]);
      b.output(y, 'raw');
      b.output(batchnorm(b, y, 4), 'y');
    },
  },
  {
    name: 'batch normalization of a variance that is 0, with a large epsilon',
    allowance: rounding,
    build(b) {
      const y = conv(b, b.input('x', [1, 4, 5, 5]), [4, 4, 3, 3]);
      const k = [1, 2, 3].map((seed) => b.constant(`k${seed}`, randomTensor([4], seed)));
      b.output(
        b.op('BatchNormalization', [y, ...k, b.constant('zero', floatTensor([0, 0, 0, 0]))], {
          attributes: [floatAttribute('epsilon', 0.5)],
        }),
        'y',
      );
    },
  },
  {
    name: 'batch normalization in front of a convolution that pads',
    allowance: rounding,
    build(b) {
      b.output(conv(b, batchnorm(b, b.input('x', [1, 4, 5, 5]), 4), [4, 4, 3, 3]), 'y');
    },
  },
  {
    name: 'batch normalization behind a product of matrices',
    allowance: rounding,
    build(b) {
      const y = b.op('Gemm', [b.input('x', ['n', 3]), b.constant('w', randomTensor([5, 3]))], {
        attributes: [intAttribute('transB', 1), floatAttribute('alpha', 0.5), floatAttribute('beta', 2)],
      });
      b.output(batchnorm(b, y, 5), 'y');
    },
    bindings: [{ n: 1 }, { n: 4 }, { n: 0 }],
  },
  {
    name: 'half-precision weights are not scaled in half precision',
    allowance: halfRounding,
    build(b) {
      const y = b.op('Conv', [b.input('x', [1, 4, 5, 5], 'float16'), b.constant('w', half([4, 4, 3, 3], 3))]);
      const scale = tensorFromData('float16', [4, 1, 1], encodeHalf('float16', [6e4, 6e-5, 3e4, 6e-8]));
      b.output(b.op('Mul', [y, b.constant('k', scale)]), 'y', 'float16');
    },
  },
  {
    name: 'a scale that leaves the range of half precision once it is in the weights',
    allowance: halfRounding,
    build(b) {
      const y = b.op('Conv', [b.input('x', [1, 2, 3, 3], 'float16'), b.constant('w', half([2, 2, 1, 1], 3))]);
      const [small, large] = [1e-4, 6e4].map((value, index) =>
        b.constant(`k${index}`, tensorFromData('float16', [2, 1, 1], encodeHalf('float16', [value, value]))),
      );
      b.output(b.op('Mul', [b.op('Mul', [y, small!]), large!]), 'y', 'float16');
    },
  },
  {
    name: 'weights that a caller may override are no constants',
    allowance: rounding,
    build(b) {
      const w = b.input('w', [4, 4, 3, 3]);
      b.editor.setInitializer(w, randomTensor([4, 4, 3, 3], 3));
      b.output(batchnorm(b, b.op('Conv', [b.input('x', [1, 4, 5, 5]), w]), 4), 'y');
    },
  },
  {
    name: 'the padding of a convolution by auto_pad stays with its input size',
    allowance: rounding,
    build(b) {
      const attributes = [stringAttribute('auto_pad', 'SAME_LOWER'), intsAttribute('strides', [2, 2])];
      b.output(batchnorm(b, conv(b, b.input('x', [1, 4, 'h', 'w']), [4, 4, 3, 3], attributes), 4), 'y');
    },
    bindings: [
      { h: 5, w: 6 },
      { h: 8, w: 3 },
    ],
  },
];

describe('what is computed into the weights of a layer', () => {
  testTraps([...channelsFirst, ...others]);
});
