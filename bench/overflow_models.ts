import { intAttribute, intsAttribute } from '../src/ir/attribute.js';
import type { Model, Value } from '../src/ir/graph.js';
import { floatTensor, int64Tensor, type Tensor } from '../src/ir/tensor.js';
import type { Ranges } from '../src/passes/quantize/ranges.js';
import { ModelBuilder, pseudoRandom, randomTensor } from '../test/build_model.js';

/** A model whose answer float32 gives, and float16 does not where everything is computed in it. */
export type OverflowModel = {
  readonly name: string;
  readonly model: Model;
  readonly feeds: ReadonlyMap<string, Tensor>;
  /** What calibration would have seen, where rules alone cannot know. */
  readonly ranges?: Ranges;
  /** All in float16 answers as well. */
  readonly survives?: true;
};

export const overflowModels = (): OverflowModel[] => [
  { name: 'layer-norm-of-large', ...normalized('layer') },
  { name: 'rms-norm-of-large', ...normalized('rms') },
  { name: 'layer-norm-beyond-range', ...beyondRange() },
  { name: 'deep-sum', ...deepSum() },
  { name: 'euclidean-norm', ...euclideanNorm() },
  { name: 'mask-lowest-float', ...masked(-3.4028234663852886e38) },
  { name: 'mask-infinite', ...masked(Number.NEGATIVE_INFINITY) },
  { name: 'masks-added', ...twoMasks(-1e9) },
  { name: 'exponential', ...exponential() },
];

type Built = Omit<OverflowModel, 'name'>;

const scaled = (tensor: Tensor, factor: number, dims = tensor.dims): Tensor =>
  floatTensor(
    pseudoRandom(dims.reduce((a, b) => a * b, 1)).map((value) => value * factor),
    dims,
  );

const number = (b: ModelBuilder, name: string, value: number): Value => b.constant(name, floatTensor([value], []));

const mean = (b: ModelBuilder, value: Value): Value =>
  b.op('ReduceMean', [value], { attributes: [intsAttribute('axes', [-1]), intAttribute('keepdims', 1)] });

/** x − mean over the root of the mean square, as exporters spell it. */
function spelledNorm(b: ModelBuilder, x: Value, kind: 'layer' | 'rms'): Value {
  const centered = kind === 'layer' ? b.op('Sub', [x, mean(b, x)]) : x;
  const square = mean(b, b.op('Pow', [centered, number(b, 'two', 2)]));
  const deviation = b.op('Sqrt', [b.op('Add', [square, number(b, 'epsilon', 1e-5)])]);
  return b.op('Mul', [b.op('Div', [centered, deviation]), b.constant('gain', randomTensor([64], 5))]);
}

/** Activations of some thousands, in range themselves; their squares are not. */
function normalized(kind: 'layer' | 'rms'): Built {
  const b = new ModelBuilder();
  const x = b.op('MatMul', [b.input('x', [4, 32]), b.constant('w', scaled(randomTensor([32, 64]), 400))]);
  b.output(b.op('MatMul', [spelledNorm(b, x, kind), b.constant('v', randomTensor([64, 16], 3))]), 'y', 'float', 2);
  return { model: b.build(), feeds: new Map([['x', randomTensor([4, 32], 7)]]) };
}

/** Activations of hundreds of thousands before a normalization, as a few channels of large language models have. */
function beyondRange(): Built {
  const b = new ModelBuilder();
  const product = b.op('MatMul', [b.input('x', [4, 32]), b.constant('w', scaled(randomTensor([32, 64]), 60000))], {
    outputs: ['large'],
  });
  const x = b.op('Add', [product, b.constant('bias', randomTensor([64], 2))], { outputs: ['residual'] });
  b.output(b.op('MatMul', [spelledNorm(b, x, 'layer'), b.constant('v', randomTensor([64, 16], 3))]), 'y', 'float', 2);
  const wide = { min: -4e5, max: 4e5 };
  return {
    model: b.build(),
    feeds: new Map([['x', randomTensor([4, 32], 7)]]),
    ranges: new Map([
      ['x', { min: -1, max: 1 }],
      ['large', wide],
      ['residual', wide],
    ]),
  };
}

/** Sums of 8,192 numbers around 30, brought back to a mean by a factor: 245,760 in between. */
function deepSum(): Built {
  const b = new ModelBuilder();
  const x = b.op('Relu', [b.op('Add', [b.input('x', [4, 8192]), number(b, 'thirty', 30)])]);
  const sum = b.op('ReduceSum', [x, b.constant('axes', int64Tensor([1]))], {
    attributes: [intAttribute('keepdims', 1)],
  });
  const share = b.op('Mul', [sum, number(b, 'share', 1 / 8192)]);
  b.output(b.op('MatMul', [share, b.constant('v', randomTensor([1, 16], 3))]), 'y', 'float', 2);
  return { model: b.build(), feeds: new Map([['x', randomTensor([4, 8192], 7)]]) };
}

/** Vectors of length 500 made unit vectors: the sum of squares is 250,000. */
function euclideanNorm(): Built {
  const b = new ModelBuilder();
  const x = b.op('Mul', [b.input('x', [4, 256]), number(b, 'fifty', 50)]);
  const squares = b.op('ReduceSum', [b.op('Mul', [x, x]), b.constant('axes', int64Tensor([1]))]);
  const length = b.op('Sqrt', [b.op('Max', [squares, number(b, 'least', 1e-12)])]);
  const unit = b.op('Div', [x, length]);
  b.output(b.op('MatMul', [unit, b.constant('v', randomTensor([256, 16], 3))]), 'y', 'float', 2);
  return { model: b.build(), feeds: new Map([['x', randomTensor([4, 256], 7)]]) };
}

/** Two heads of attention over 8 places; scores reach ±40. */
function attention(b: ModelBuilder, mask: (scores: Value) => Value): void {
  const part = (name: string, seed: number) => {
    const projected = b.op('MatMul', [
      b.input(name, [2, 8, 16]),
      b.constant(`${name}_w`, scaled(randomTensor([16, 16], seed), 3)),
    ]);
    return projected;
  };
  const keys = b.op('Transpose', [part('k', 2)], { attributes: [intsAttribute('perm', [0, 2, 1])] });
  const scores = b.op('MatMul', [part('q', 1), keys]);
  const weights = b.op('Softmax', [mask(scores)], { attributes: [intAttribute('axis', -1)] });
  b.output(b.op('MatMul', [weights, part('v', 3)]), 'y', 'float', 3);
}

const attentionFeeds = (mask: Tensor): [string, Tensor][] => [
  ['q', randomTensor([2, 8, 16], 11)],
  ['k', randomTensor([2, 8, 16], 12)],
  ['v', randomTensor([2, 8, 16], 13)],
  ['mask', mask],
];

/**
 * (1 − mask) · low added to the scores, as exporters write it, behind a bias that falls with the distance; the second
 * sequence is masked as a whole. An infinite mask is chosen instead of added, and leaves something in each row.
 */
function masked(low: number): Built {
  const b = new ModelBuilder();
  const isAdded = Number.isFinite(low);
  const distances = Float32Array.from({ length: 64 }, (_, at) => -400 - Math.abs((at % 8) - Math.floor(at / 8)));
  const mask = b.input('mask', [2, 1, 8], 'int64');
  attention(b, (scores) => {
    if (!isAdded) {
      const flags = b.op('Cast', [mask], { attributes: [intAttribute('to', 9)] });
      return b.op('Where', [flags, b.op('Mul', [scores, number(b, 'gain', 1)]), number(b, 'low', low)]);
    }
    const kept = b.op('Cast', [mask], { attributes: [intAttribute('to', 1)] });
    const near = b.op('Add', [scores, b.constant('distances', floatTensor(distances, [1, 8, 8]))]);
    return b.op('Add', [near, b.op('Mul', [b.op('Sub', [number(b, 'one', 1), kept]), number(b, 'low', low)])]);
  });
  const rows = isAdded
    ? [1, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0]
    : [1, 1, 0, 1, 0, 0, 1, 1, 1, 0, 1, 1, 0, 0, 0, 0];
  return {
    model: b.build(),
    feeds: new Map(attentionFeeds(int64Tensor(rows, [2, 1, 8]))),
    ...(!isAdded && { survives: true }),
  };
}

/** A causal mask and one of padding, both added. */
function twoMasks(low: number): Built {
  const b = new ModelBuilder();
  const causal = Float32Array.from({ length: 64 }, (_, at) => (at % 8 > Math.floor(at / 8) ? low : 0));
  const mask = b.input('mask', [2, 1, 8], 'int64');
  attention(b, (scores) => {
    const kept = b.op('Cast', [mask], { attributes: [intAttribute('to', 1)] });
    const padding = b.op('Mul', [b.op('Sub', [number(b, 'one', 1), kept]), number(b, 'low', low)]);
    return b.op('Add', [b.op('Add', [scores, b.constant('causal', floatTensor(causal, [1, 8, 8]))]), padding]);
  });
  const rows = [0, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
  return { model: b.build(), feeds: new Map(attentionFeeds(int64Tensor(rows, [2, 1, 8]))) };
}

/** A softmax in its arithmetic without the largest taken off: e^12 is 162,755. */
function exponential(): Built {
  const b = new ModelBuilder();
  const x = b.op('Clip', [
    b.op('MatMul', [b.input('x', [4, 32]), b.constant('w', scaled(randomTensor([32, 16]), 8))]),
    number(b, 'min', -20),
    number(b, 'max', 20),
  ]);
  const powers = b.op('Exp', [x]);
  const sum = b.op('ReduceSum', [powers, b.constant('axes', int64Tensor([1]))]);
  b.output(b.op('MatMul', [b.op('Div', [powers, sum]), b.constant('v', randomTensor([16, 16], 3))]), 'y', 'float', 2);
  return { model: b.build(), feeds: new Map([['x', randomTensor([4, 32], 7)]]) };
}
