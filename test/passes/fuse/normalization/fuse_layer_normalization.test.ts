import { describe, expect, it } from 'vitest';
import { findTarget } from '../../../../src/backends/target.js';
import { intAttribute, intsAttribute } from '../../../../src/ir/attribute.js';
import type { Value } from '../../../../src/ir/graph.js';
import { floatTensor, int64Tensor } from '../../../../src/ir/tensor.js';
import {
  fuseLayerNormalization,
  fuseRmsNormalization,
  fuseScatteredLayerNormalization,
} from '../../../../src/passes/fuse/normalization/fuse_layer_normalization.js';
import {
  fuseNormalizationBias,
  fuseNormalizationScale,
} from '../../../../src/passes/fuse/normalization/fuse_normalization_affine.js';
import { rewritePass } from '../../../../src/passes/rewrite/driver.js';
import {
  applyPass,
  largestDifference,
  ModelBuilder,
  operatorsOf,
  randomTensor,
  reasonsOf,
} from '../../../build_model.js';

const pass = rewritePass('fuse', 'test', [
  fuseScatteredLayerNormalization,
  fuseLayerNormalization,
  fuseRmsNormalization,
  fuseNormalizationScale,
  fuseNormalizationBias,
]);

/** Numbers near 1, and sums of eight of them in another order. */
const tolerance = 5e-6;

const feeds = { x: randomTensor([2, 3, 8], 5) };

/** One line a node; `mean` takes the last axis and keeps it. */
class Writer {
  readonly b: ModelBuilder;
  readonly x: Value;
  private readonly opset: number;
  private count = 0;

  constructor(opset: number, dims: readonly (number | string)[] = ['N', 3, 8]) {
    this.opset = opset;
    this.b = new ModelBuilder(opset);
    this.x = this.b.input('x', dims);
  }

  number(value: number, dims: readonly number[] = []): Value {
    this.count += 1;
    return this.b.constant(`c${this.count}`, floatTensor([value], dims));
  }

  vector(name: string, dims: readonly number[] = [8]): Value {
    return this.b.constant(name, randomTensor(dims, name.length + 3));
  }

  op(opType: string, ...inputs: readonly Value[]): Value {
    return this.b.op(opType, inputs);
  }

  reduce(opType: string, x: Value, axes: readonly number[] = [-1], keepdims = 1): Value {
    const isInput = this.opset >= 18 || (opType === 'ReduceSum' && this.opset >= 13);
    const kept = intAttribute('keepdims', keepdims);
    this.count += 1;
    if (!isInput) return this.b.op(opType, [x], { attributes: [intsAttribute('axes', axes), kept] });
    return this.b.op(opType, [x, this.b.constant(`axes${this.count}`, int64Tensor(axes))], { attributes: [kept] });
  }

  mean(x: Value, axes: readonly number[] = [-1]): Value {
    return this.reduce('ReduceMean', x, axes);
  }

  build(result: Value) {
    this.b.output(result, 'y');
    return this.b.build();
  }
}

type Spelling = (w: Writer) => Value;

const deviation = (w: Writer): Value => w.op('Sub', w.x, w.mean(w.x));

const centredSpellings: Record<string, Spelling> = {
  'PyTorch up to opset 16: Pow, Sqrt and Div'(w) {
    const d = deviation(w);
    const variance = w.mean(w.op('Pow', d, w.number(2)));
    const normal = w.op('Div', d, w.op('Sqrt', w.op('Add', variance, w.number(1e-5))));
    return w.op('Add', w.op('Mul', normal, w.vector('gamma')), w.vector('beta'));
  },
  'deviations computed twice, as a product, scale in front'(w) {
    const mean = w.mean(w.x);
    const other = w.op('Sub', w.x, mean);
    const variance = w.mean(w.op('Mul', other, other));
    const root = w.op('Sqrt', w.op('Add', w.number(1e-5), variance));
    const normal = w.op('Div', w.op('Sub', w.x, mean), root);
    return w.op('Add', w.vector('beta'), w.op('Mul', w.vector('gamma'), normal));
  },
  'by Reciprocal, scaled before it meets x'(w) {
    const d = deviation(w);
    const variance = w.mean(w.op('Mul', d, d));
    const inverse = w.op('Reciprocal', w.op('Sqrt', w.op('Add', variance, w.number(1e-5))));
    return w.op('Add', w.op('Mul', d, w.op('Mul', inverse, w.vector('gamma'))), w.vector('beta'));
  },
  'by Pow of −0.5'(w) {
    const d = deviation(w);
    const inverse = w.op('Pow', w.op('Add', w.mean(w.op('Mul', d, d)), w.number(1e-5)), w.number(-0.5));
    return w.op('Add', w.op('Mul', w.op('Mul', d, inverse), w.vector('gamma')), w.vector('beta'));
  },
  'TensorFlow: x · s + (β − mean · s)'(w) {
    const mean = w.mean(w.x);
    const difference = w.op('Sub', w.x, mean);
    const variance = w.mean(w.op('Mul', difference, difference));
    const inverse = w.op('Reciprocal', w.op('Sqrt', w.op('Add', variance, w.number(1e-5))));
    const s = w.op('Mul', inverse, w.vector('gamma'));
    return w.op('Add', w.op('Mul', w.x, s), w.op('Sub', w.vector('beta'), w.op('Mul', mean, s)));
  },
  'JAX: sums divided, the variance as mean of squares less squared mean, not below 0'(w) {
    const average = (value: Value) => w.op('Div', w.reduce('ReduceSum', value), w.number(8));
    const mean = average(w.x);
    const squares = average(w.op('Mul', w.x, w.x));
    const variance = w.op('Max', w.op('Sub', squares, w.op('Mul', mean, mean)), w.number(0));
    const inverse = w.op('Reciprocal', w.op('Sqrt', w.op('Add', variance, w.number(1e-5))));
    const scale = w.op('Mul', inverse, w.vector('gamma', [1, 1, 8]));
    return w.op('Add', w.op('Mul', w.op('Sub', w.x, mean), scale), w.vector('beta', [1, 1, 8]));
  },
  'Paddle: axes given back by Unsqueeze'(w) {
    const axes = w.b.constant('last', int64Tensor([-1]));
    const average = (value: Value) => w.op('Unsqueeze', w.reduce('ReduceMean', value, [-1], 0), axes);
    const d = w.op('Sub', w.x, average(w.x));
    const root = w.op('Sqrt', w.op('Add', average(w.op('Mul', d, d)), w.number(1e-5, [1])));
    return w.op('Add', w.op('Mul', w.op('Div', d, root), w.vector('gamma')), w.vector('beta'));
  },
  'neither scale nor bias'(w) {
    const d = deviation(w);
    return w.op('Div', d, w.op('Sqrt', w.op('Add', w.mean(w.op('Mul', d, d)), w.number(1e-5))));
  },
  'the last two axes'(w) {
    const d = w.op('Sub', w.x, w.mean(w.x, [1, 2]));
    const root = w.op('Sqrt', w.op('Add', w.mean(w.op('Mul', d, d), [-1, -2]), w.number(1e-5)));
    return w.op('Add', w.op('Mul', w.op('Div', d, root), w.vector('gamma', [3, 8])), w.vector('beta', [8]));
  },
};

const rootMeanSquare = (w: Writer, axes?: readonly number[]): Value =>
  w.op('Sqrt', w.op('Add', w.mean(w.op('Pow', w.x, w.number(2)), axes), w.number(1e-6)));

const rmsSpellings: Record<string, Spelling> = {
  'PyTorch: 1 / √ first': (w) =>
    w.op('Mul', w.vector('gamma'), w.op('Mul', w.x, w.op('Div', w.number(1), rootMeanSquare(w)))),
  'a quotient': (w) => w.op('Mul', w.op('Div', w.x, rootMeanSquare(w)), w.vector('gamma')),
  'no scale': (w) => w.op('Mul', w.x, w.op('Reciprocal', rootMeanSquare(w))),
};

describe('fuse-layer-normalization', () => {
  for (const opset of [17, 18]) {
    for (const [name, spelling] of Object.entries(centredSpellings)) {
      it(`fuses ${name}, opset ${opset}`, async () => {
        const w = new Writer(opset);
        const model = w.build(spelling(w));
        const result = await applyPass(model, pass);
        expect(operatorsOf(result.model)).toEqual(['LayerNormalization']);
        expect(await largestDifference(model, result.model, feeds)).toBeLessThan(tolerance);
      });
    }
  }

  for (const [name, spelling] of Object.entries(rmsSpellings)) {
    it(`fuses the root mean square: ${name}`, async () => {
      const w = new Writer(23);
      const model = w.build(spelling(w));
      const result = await applyPass(model, pass);
      expect(operatorsOf(result.model)).toEqual(['RMSNormalization']);
      expect(await largestDifference(model, result.model, feeds)).toBeLessThan(tolerance);
    });
  }

  /** Deviation from the mean along `axes`, over the root of the mean square along `squared`. */
  const along = (w: Writer, axes: readonly number[], squared = axes): Value => {
    const d = w.op('Sub', w.x, w.mean(w.x, axes));
    return w.op('Div', d, w.op('Sqrt', w.op('Add', w.mean(w.op('Mul', d, d), squared), w.number(1e-5))));
  };

  const lookAlikes: Record<string, readonly [Spelling, reason?: string]> = {
    'the first axis': [(w) => along(w, [0]), 'axes 0 are not the last of 3'],
    'a middle axis': [(w) => along(w, [1]), 'axes 1 are not the last of 3'],
    'a variance along another axis': [(w) => along(w, [2], [1])],
    'ε added to the deviation': [
      (w) => {
        const d = deviation(w);
        return w.op('Div', d, w.op('Add', w.op('Sqrt', w.mean(w.op('Mul', d, d))), w.number(1e-5)));
      },
    ],
    'the cube of the deviation': [
      (w) => {
        const d = deviation(w);
        return w.op('Div', d, w.op('Sqrt', w.op('Add', w.mean(w.op('Pow', d, w.number(3))), w.number(1e-5))));
      },
    ],
    'twice the variance': [
      (w) => {
        const d = deviation(w);
        const variance = w.op('Mul', w.mean(w.op('Mul', d, d)), w.number(2));
        return w.op('Div', d, w.op('Sqrt', w.op('Add', variance, w.number(1e-5))));
      },
    ],
  };

  for (const [name, [spelling, reason]] of Object.entries(lookAlikes)) {
    it(`leaves ${name}`, async () => {
      const w = new Writer(18);
      const result = await applyPass(w.build(spelling(w)), pass);
      expect(operatorsOf(result.model)).not.toContain('LayerNormalization');
      if (reason !== undefined) expect(reasonsOf(result.report)).toContain(reason);
    });
  }

  it('leaves a scale of another axis behind it', async () => {
    const w = new Writer(18);
    const { model, report } = await applyPass(w.build(w.op('Mul', along(w, [2]), w.vector('gamma', [3, 1]))), pass);
    expect(operatorsOf(model)).toEqual(['LayerNormalization', 'Mul']);
    expect(reasonsOf(report)).toContain('the operand is not known to have just the axes of a scale');
  });

  it('leaves a mean whose axis is gone, though the shapes happen to broadcast', async () => {
    const w = new Writer(18, [8, 8]);
    const d = w.op('Sub', w.x, w.reduce('ReduceMean', w.x, [-1], 0));
    const variance = w.reduce('ReduceMean', w.op('Mul', d, d), [-1], 0);
    const model = w.build(w.op('Div', d, w.op('Sqrt', w.op('Add', variance, w.number(1e-5)))));
    expect(operatorsOf((await applyPass(model, pass)).model)).toHaveLength(7);
  });

  it('needs sizes for a scale of ones', async () => {
    const w = new Writer(18, ['N', 'T', 'D']);
    const { model, report } = await applyPass(w.build(along(w, [2])), pass);
    expect(operatorsOf(model)).toHaveLength(7);
    expect(reasonsOf(report)).toContain('there is no scale, and the size of the normalized axes is not known');
  });

  it('gives mean and inverse deviation where others read them', async () => {
    const w = new Writer(18);
    const mean = w.mean(w.x);
    const d = w.op('Sub', w.x, mean);
    const root = w.op('Sqrt', w.op('Add', w.mean(w.op('Mul', d, d)), w.number(1e-5)));
    w.b.output(mean, 'mean');
    w.b.output(w.op('Reciprocal', root), 'inverse');
    const model = w.build(w.op('Mul', w.op('Div', d, root), w.vector('gamma')));
    const result = await applyPass(model, pass);
    expect(operatorsOf(result.model)).toEqual(['LayerNormalization']);
    expect(await largestDifference(model, result.model, feeds)).toBeLessThan(tolerance);
  });

  it('declines where the deviation is read elsewhere', async () => {
    const w = new Writer(18);
    const d = deviation(w);
    w.b.output(d, 'd');
    const root = w.op('Sqrt', w.op('Add', w.mean(w.op('Mul', d, d)), w.number(1e-5)));
    const { model, report } = await applyPass(w.build(w.op('Div', d, root)), pass);
    expect(operatorsOf(model)).toHaveLength(7);
    expect(reasonsOf(report).join()).toContain('is read elsewhere');
  });

  it('declines where the scale is computed from the mean that it would give', async () => {
    const w = new Writer(18, [2, 3, 8]);
    const mean = w.mean(w.x);
    const d = w.op('Sub', w.x, mean);
    const root = w.op('Sqrt', w.op('Add', w.mean(w.op('Mul', d, d)), w.number(1e-5)));
    const size = w.b.constant('shape', int64Tensor([8]));
    const scale = w.op('Expand', w.op('ReduceMean', mean), w.b.constant('one', int64Tensor([1, 1, 8])));
    const gamma = w.op('Reshape', scale, size);
    const model = w.build(w.op('Mul', w.op('Mul', d, gamma), w.op('Reciprocal', root)));
    const result = await applyPass(model, pass);
    expect(operatorsOf(result.model)).not.toContain('LayerNormalization');
    expect(reasonsOf(result.report).join()).toContain('may depend on a result that is read elsewhere');
  });

  it('needs opset 17, and a target that takes it', async () => {
    const w = new Writer(13);
    const model = w.build(centredSpellings['PyTorch up to opset 16: Pow, Sqrt and Div']!(w));
    expect(reasonsOf((await applyPass(model, pass)).report)).toContain('it needs opset 17');
    const rms = new Writer(18);
    const square = rms.build(rmsSpellings['a quotient']!(rms));
    const old = await applyPass(square, pass, { target: findTarget('tensorrt@10') });
    expect(reasonsOf(old.report)).toContain('RMSNormalization needs opset 23, and tensorrt@10 takes 22');
  });

  it('declines under a strict contract', async () => {
    const w = new Writer(18);
    const model = w.build(centredSpellings['by Pow of −0.5']!(w));
    const { report } = await applyPass(model, pass, { fpContract: 'strict' });
    expect(reasonsOf(report)).toContain('it needs the licence "reassociates"');
  });
});
