import { describe, expect, it } from 'vitest';
import { findTarget } from '../../../../src/backends/target.js';
import { floatAttribute, intAttribute, intsAttribute } from '../../../../src/ir/attribute.js';
import type { Value } from '../../../../src/ir/graph.js';
import { encodeHalf } from '../../../../src/ir/half_float.js';
import { floatTensor, int64Tensor, type Tensor, tensorFromData } from '../../../../src/ir/tensor.js';
import { fuseGroupNormalization } from '../../../../src/passes/fuse/normalization/fuse_group_normalization.js';
import { fuseInstanceNormalization } from '../../../../src/passes/fuse/normalization/fuse_instance_normalization.js';
import {
  fuseLayerNormalization,
  fuseRmsNormalization,
} from '../../../../src/passes/fuse/normalization/fuse_layer_normalization.js';
import { fuseMeanVarianceNormalization } from '../../../../src/passes/fuse/normalization/fuse_mean_variance_normalization.js';
import {
  fuseNormalizationBias,
  fuseNormalizationScale,
} from '../../../../src/passes/fuse/normalization/fuse_normalization_affine.js';
import { fuseNormalizationCasts } from '../../../../src/passes/fuse/normalization/fuse_normalization_casts.js';
import { fuseNormalizationViews } from '../../../../src/passes/fuse/normalization/fuse_normalization_views.js';
import { runPipeline } from '../../../../src/passes/pipeline.js';
import { simplifyPipeline } from '../../../../src/passes/pipelines.js';
import { rewritePass } from '../../../../src/passes/rewrite/driver.js';
import {
  applyPass,
  largestDifference,
  ModelBuilder,
  operatorsOf,
  pseudoRandom,
  randomTensor,
  reasonsOf,
} from '../../../build_model.js';

const pass = rewritePass('fuse', 'test', [
  fuseInstanceNormalization,
  fuseLayerNormalization,
  fuseRmsNormalization,
  fuseMeanVarianceNormalization,
  fuseNormalizationScale,
  fuseNormalizationBias,
  fuseNormalizationCasts,
  fuseNormalizationViews,
  fuseGroupNormalization,
]);

/** Numbers near 1, and sums of up to a hundred of them in another order. */
const tolerance = 5e-6;

const keep = { attributes: [intAttribute('keepdims', 1)] };

/** (x − mean) / √(variance + 1e-5) along axes, in opset 18 and up. */
function normalized(b: ModelBuilder, x: Value, axes: readonly number[]): Value {
  const along = b.constant('axes', int64Tensor(axes));
  const d = b.op('Sub', [x, b.op('ReduceMean', [x, along], keep)]);
  const variance = b.op('ReduceMean', [b.op('Mul', [d, d]), along], keep);
  return b.op('Div', [d, b.op('Sqrt', [b.op('Add', [variance, b.constant('epsilon', floatTensor([1e-5], []))])])]);
}

const vector = (b: ModelBuilder, name: string, dims: readonly number[]): Value =>
  b.constant(name, randomTensor(dims, name.length));

describe('fuse-instance-normalization', () => {
  for (const [dims, spatial] of [
    [
      [2, 4, 6, 5],
      [2, 3],
    ],
    [[2, 4, 6], [2]],
    [
      [2, 4, 3, 2, 2],
      [-3, -2, -1],
    ],
  ] as const) {
    it(`fuses along ${spatial.length} spatial axes with scale and bias`, async () => {
      const b = new ModelBuilder(18);
      const x = b.input('x', ['N', ...dims.slice(1)]);
      const ones = spatial.map(() => 1);
      const scaled = b.op('Mul', [normalized(b, x, spatial), vector(b, 'scale', [4, ...ones])]);
      b.output(b.op('Add', [scaled, vector(b, 'shift', [1, 4, ...ones])]), 'y');
      const model = b.build();
      const result = await applyPass(model, pass);
      expect(operatorsOf(result.model)).toEqual(['InstanceNormalization']);
      expect(await largestDifference(model, result.model, { x: randomTensor(dims, 3) })).toBeLessThan(tolerance);
    });
  }

  it('takes one axis without a scale for a LayerNormalization', async () => {
    const b = new ModelBuilder(18);
    b.output(normalized(b, b.input('x', ['N', 4, 6]), [2]), 'y');
    expect(operatorsOf((await applyPass(b.build(), pass)).model)).toEqual(['LayerNormalization']);
  });

  it('leaves a channel count that is not known', async () => {
    const b = new ModelBuilder(18);
    b.output(normalized(b, b.input('x', ['N', 'C', 'H', 'W']), [2, 3]), 'y');
    const { model, report } = await applyPass(b.build(), pass);
    expect(operatorsOf(model)).toHaveLength(7);
    expect(reasonsOf(report)).toContain('how many channels there are is not known');
  });
});

describe('fuse-group-normalization', () => {
  function groups(target: readonly number[], opset = 21) {
    const b = new ModelBuilder(opset);
    const x = b.input('x', ['N', 4, 6, 5]);
    const flat = b.op('Reshape', [x, b.constant('groups', int64Tensor(target))]);
    const ones = b.constant('ones', floatTensor([1, 1]));
    const zeros = b.constant('zeros', floatTensor([0, 0]));
    const norm = b.op('InstanceNormalization', [flat, ones, zeros], { attributes: [floatAttribute('epsilon', 1e-4)] });
    const back = b.op('Reshape', [norm, b.op('Shape', [x])]);
    const scaled = b.op('Mul', [back, vector(b, 'scale', [4, 1, 1])]);
    b.output(b.op('Add', [scaled, vector(b, 'shift', [4, 1, 1])]), 'y');
    return b.build();
  }

  it('fuses what the PyTorch exporter writes', async () => {
    const model = groups([0, 2, -1]);
    const result = await applyPass(model, pass, { target: findTarget('portable') });
    expect(operatorsOf(result.model)).toContain('GroupNormalization');
    expect(operatorsOf(result.model)).not.toContain('Mul');
    const feeds = { x: randomTensor([2, 4, 6, 5], 3) };
    expect(await largestDifference(model, result.model, feeds)).toBeLessThan(tolerance);
  });

  it('declines for a target without it, and where the view changes the batch', async () => {
    const { report } = await applyPass(groups([0, 2, -1]), pass);
    expect(reasonsOf(report)).toContain('ort-cpu has no GroupNormalization of its own');
    const other = await applyPass(groups([1, 2, -1]), pass, { target: findTarget('portable') });
    expect(operatorsOf(other.model)).not.toContain('GroupNormalization');
  });
});

describe('fuse-mean-variance-normalization', () => {
  it('fuses the formula of the standard', async () => {
    const b = new ModelBuilder(13);
    const x = b.input('x', ['N', 3, 4, 5]);
    const axes = { attributes: [intsAttribute('axes', [0, 2, 3])] };
    const two = b.constant('two', floatTensor([2], []));
    const mean = b.op('ReduceMean', [x], axes);
    const squares = b.op('ReduceMean', [b.op('Pow', [x, two])], axes);
    const deviation = b.op('Sqrt', [b.op('Sub', [squares, b.op('Pow', [mean, two])])]);
    const below = b.op('Add', [deviation, b.constant('tiny', floatTensor([1e-9], []))]);
    b.output(b.op('Div', [b.op('Sub', [x, mean]), below]), 'y');
    const model = b.build();
    const result = await applyPass(model, pass);
    expect(operatorsOf(result.model)).toEqual(['MeanVarianceNormalization']);
    const feeds = { x: randomTensor([2, 3, 4, 5], 3) };
    expect(await largestDifference(model, result.model, feeds)).toBeLessThan(tolerance);
  });
});

const halves = (dims: readonly number[], seed: number): Tensor =>
  tensorFromData(
    'float16',
    dims,
    encodeHalf(
      'float16',
      pseudoRandom(
        dims.reduce((a, b) => a * b, 1),
        seed,
      ),
    ),
  );

const to = (code: number) => ({ attributes: [intAttribute('to', code)] });

describe('fuse-normalization-casts', () => {
  function llama(scale: Tensor, isScaledInFloat: boolean) {
    const b = new ModelBuilder(23);
    const x = b.input('x', ['N', 3, 8], 'float16');
    const gamma = b.constant('gamma', scale);
    const wide = b.op('Cast', [x], to(1));
    const squares = b.op('Pow', [wide, b.constant('two', floatTensor([2], []))]);
    const mean = b.op('ReduceMean', [squares, b.constant('axes', int64Tensor([-1]))], keep);
    const sum = b.op('Add', [mean, b.constant('epsilon', floatTensor([1e-6], []))]);
    const normal = b.op('Mul', [wide, b.op('Reciprocal', [b.op('Sqrt', [sum])])]);
    const result = isScaledInFloat
      ? b.op('Cast', [b.op('Mul', [normal, gamma])], to(10))
      : b.op('Mul', [gamma, b.op('Cast', [normal], to(10))]);
    b.output(result, 'y', 'float16');
    return b.build();
  }
  const feeds = { x: halves([2, 3, 8], 7) };
  /** Numbers up to 3 in half precision: one step there. */
  const step = 2 ** -9;

  it('fuses LLaMA: normalized in float, scaled in half precision', async () => {
    const model = llama(halves([8], 3), false);
    const result = await applyPass(model, pass);
    expect(operatorsOf(result.model)).toEqual(['RMSNormalization']);
    expect(await largestDifference(model, result.model, feeds)).toBeLessThanOrEqual(step);
  });

  it('fuses a float scale that half precision can say', async () => {
    const model = llama(floatTensor([1, 0.5, 2, -1, 0.25, 1, 1, 3]), true);
    const result = await applyPass(model, pass);
    expect(operatorsOf(result.model)).toEqual(['RMSNormalization']);
    expect(await largestDifference(model, result.model, feeds)).toBeLessThanOrEqual(step);
  });

  it('keeps the casts around a scale that would be rounded', async () => {
    const { model, report } = await applyPass(llama(randomTensor([8], 4), true), pass);
    expect(operatorsOf(model)).toEqual(['Cast', 'RMSNormalization', 'Cast']);
    expect(reasonsOf(report)).toContain('scale and bias are not numbers of float16');
  });

  it('fuses the older exporter, which centers in half precision and goes on in double', async () => {
    const b = new ModelBuilder(17);
    const x = b.input('x', ['N', 3, 8], 'float16');
    const axes = { attributes: [intsAttribute('axes', [-1])] };
    const double = (value: number, name: string) =>
      b.constant(name, tensorFromData('double', [], Float64Array.of(value)));
    const d = b.op('Cast', [b.op('Sub', [x, b.op('ReduceMean', [x], axes)])], to(11));
    const variance = b.op('ReduceMean', [b.op('Pow', [d, double(2, 'two')])], axes);
    const root = b.op('Sqrt', [b.op('Add', [variance, double(1e-5, 'epsilon')])]);
    const normal = b.op('Cast', [b.op('Div', [d, root])], to(10));
    b.output(b.op('Mul', [normal, b.constant('gamma', halves([8], 3))]), 'y', 'float16');
    const model = b.build();
    const result = await applyPass(model, pass);
    expect(operatorsOf(result.model)).toEqual(['LayerNormalization', 'Cast', 'Cast', 'Mul']);
    expect(await largestDifference(model, result.model, feeds)).toBeLessThanOrEqual(step);
  });
});

describe('fuse-normalization-views', () => {
  it('normalizes several axes at once', async () => {
    const b = new ModelBuilder(18);
    const x = b.input('x', [2, 3, 4, 5]);
    const flat = b.op('Flatten', [x], { attributes: [intAttribute('axis', 2)] });
    const scale = b.op('Reshape', [b.input('scale', [4, 5]), b.constant('all', int64Tensor([-1]))]);
    const [normal, mean, inverse] = b.ops('LayerNormalization', [flat, scale], { outputs: 3 });
    b.output(b.op('Reshape', [normal!, b.constant('shape', int64Tensor([2, 3, 4, 5]))]), 'y');
    const reduced = b.constant('reduced', int64Tensor([2, 3, 1, 1]));
    b.output(b.op('Reshape', [mean!, reduced]), 'mean');
    b.output(b.op('Reshape', [inverse!, reduced]), 'inverse');
    const model = b.build();
    const result = await applyPass(model, pass);
    expect(operatorsOf(result.model)).toEqual(['LayerNormalization']);
    const feeds = { x: randomTensor([2, 3, 4, 5], 3), scale: randomTensor([4, 5], 4) };
    expect(await largestDifference(model, result.model, feeds)).toBe(0);
  });

  it('leaves a view that merges normalized axes with others', async () => {
    const b = new ModelBuilder(18);
    const flat = b.op('Reshape', [b.input('x', [2, 3, 4, 5]), b.constant('view', int64Tensor([12, 10]))]);
    const normal = b.op('LayerNormalization', [flat, vector(b, 'scale', [10])]);
    b.output(b.op('Reshape', [normal, b.constant('shape', int64Tensor([2, 3, 4, 5]))]), 'y');
    expect(operatorsOf((await applyPass(b.build(), pass)).model)).toHaveLength(3);
  });

  it('leaves a result of another shape', async () => {
    const b = new ModelBuilder(18);
    const flat = b.op('Reshape', [b.input('x', [2, 3, 4, 5]), b.constant('view', int64Tensor([6, 20]))]);
    const normal = b.op('LayerNormalization', [flat, vector(b, 'scale', [20])]);
    b.output(b.op('Reshape', [normal, b.constant('shape', int64Tensor([3, 2, 4, 5]))]), 'y');
    expect(operatorsOf((await applyPass(b.build(), pass)).model)).toHaveLength(3);
  });
});

describe('the pipeline', () => {
  it('raises the opset of an old LayerNormalization and leaves nothing else of it', async () => {
    const b = new ModelBuilder(11);
    const x = b.input('x', ['N', 3, 8]);
    const axes = { attributes: [intsAttribute('axes', [-1])] };
    const d = b.op('Sub', [x, b.op('ReduceMean', [x], axes)]);
    const variance = b.op('ReduceMean', [b.op('Pow', [d, b.constant('two', floatTensor([2], []))])], axes);
    const root = b.op('Sqrt', [b.op('Add', [variance, b.constant('epsilon', floatTensor([1e-5], []))])]);
    const scaled = b.op('Mul', [b.op('Div', [d, root]), vector(b, 'gamma', [8])]);
    b.output(b.op('Add', [scaled, vector(b, 'beta', [8])]), 'y');
    const model = b.build();
    await runPipeline(model, simplifyPipeline, { target: findTarget('ort-cpu') });
    expect(operatorsOf(model)).toEqual(['LayerNormalization']);
    expect(model.opsetImports.get('')).toBe(17);
  });
});
