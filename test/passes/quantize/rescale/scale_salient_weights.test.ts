import { describe, expect, it } from 'vitest';
import { ortRunner } from '../../../../src/backends/ort/run.js';
import { observeChannels } from '../../../../src/calibrate/observe_channels.js';
import { observeMoments } from '../../../../src/calibrate/observe_moments.js';
import { openSource } from '../../../../src/calibrate/sources/open_source.js';
import type { Model, Value } from '../../../../src/ir/graph.js';
import { floatTensor, tensorData } from '../../../../src/ir/tensor.js';
import { type BlockOptions, blockCodes } from '../../../../src/passes/quantize/block_codes.js';
import { awqFactors } from '../../../../src/passes/quantize/rescale/awq_factors.js';
import { scaleSalientWeights } from '../../../../src/passes/quantize/rescale/scale_salient_weights.js';
import {
  applyPass,
  largestDifference,
  ModelBuilder,
  pseudoRandom,
  randomTensor,
  reasonsOf,
} from '../../../build_model.js';
import { nodesOf, weightOf } from './spread_network.js';

const blocks: BlockOptions = {
  bits: 4,
  blockSize: 32,
  method: 'round',
  symmetric: false,
  negativeScales: true,
  scales: 'range',
};

const width = 64;

/** [rows, width] of numbers around 0, one channel in 16 `size` times as large. */
const inputs = (seed: number, rows = 40, size = 12): Float32Array =>
  pseudoRandom(rows * width, seed).map((each, index) => (index % 16 === 7 ? size * each : each));

function activationsOf(x: Float32Array, channels = width) {
  const sum = new Float64Array(channels);
  const moments = new Float64Array(channels * channels);
  for (let from = 0; from < x.length; from += channels) {
    for (let a = 0; a < channels; a += 1) {
      sum[a] = sum[a]! + Math.abs(x[from + a]!);
      for (let b = 0; b < channels; b += 1) moments[a * channels + b]! += x[from + a]! * x[from + b]!;
    }
  }
  return { sum, moments };
}

/** Σ over rows of x of the squared errors of (Q(w · s) / s) · x. */
function outputError(weights: Float32Array, factors: Float64Array, x: Float32Array): number {
  const rows = weights.length / width;
  const scaled = weights.map((each, at) => each * factors[at % width]!);
  const { codes, scales, zeroPoints, blockSize, blocks: count } = blockCodes(scaled, rows, width, blocks);
  const difference = weights.map((each, at) => {
    const block = Math.floor(at / width) * count + Math.floor((at % width) / blockSize);
    return ((codes[at]! - zeroPoints[block]!) * scales[block]!) / factors[at % width]! - each;
  });
  let sum = 0;
  for (let from = 0; from < x.length; from += width) {
    for (let row = 0; row < rows; row += 1) {
      let error = 0;
      for (let at = 0; at < width; at += 1) error += difference[row * width + at]! * x[from + at]!;
      sum += error * error;
    }
  }
  return sum;
}

describe('awqFactors', () => {
  const weights = pseudoRandom(48 * width, 3);
  const none = new Float64Array(width).fill(1);

  it('halves the error of layers that a few large channels go into, on inputs it has not seen', () => {
    const factors = awqFactors([weights], activationsOf(inputs(1)), blocks)!;
    expect(factors[7]! / factors[8]!).toBeGreaterThan(1.5);
    const unseen = inputs(2);
    expect(outputError(weights, factors, unseen)).toBeLessThan(outputError(weights, none, unseen) / 2);
  });

  it('serves layers of several shapes at once', () => {
    const others = [weights, pseudoRandom(3 * width, 9)];
    const factors = awqFactors(others, activationsOf(inputs(1)), blocks)!;
    const error = (of: Float64Array) => others.reduce((sum, each) => sum + outputError(each, of, inputs(1)), 0);
    expect(error(factors)).toBeLessThan(error(none));
  });

  it('gives none where all channels are alike, where nothing was seen, and for weights that 4 bits hold', () => {
    const even = activationsOf(inputs(1, 1, 1).fill(1));
    expect(awqFactors([weights], even, blocks)).toBeUndefined();
    expect(awqFactors([weights], activationsOf(new Float32Array(width)), blocks)).toBeUndefined();
    const held = weights.map((_, index) => index % 16);
    expect(awqFactors([held], activationsOf(inputs(1)), blocks)).toBeUndefined();
  });

  it('keeps factors finite for channels that were always 0', () => {
    const x = inputs(1).map((each, index) => (index % width < 8 ? 0 : each));
    const factors = awqFactors([weights], activationsOf(x), blocks)!;
    expect(Math.max(...factors) / Math.min(...factors)).toBeLessThan(2 ** 16);
  });
});

describe('scale-salient-weights', () => {
  const samples = [1, 2, 3].map((seed) => ({ x: floatTensor(inputs(seed, 40, 1), [40, width]) }));

  async function scaled(model: Model, { insertMul = false, exclude = [] as string[] } = {}) {
    const open = (of: Model) => openSource(samples, of.graph.inputs);
    const pass = scaleSalientWeights({
      blocks,
      insertMul,
      exclude,
      channels: async (of, requests) => observeChannels(of, requests, await open(of), ortRunner()),
      moments: async (of, requests) => observeMoments(of, requests, await open(of), ortRunner()),
    });
    const { model: after, report } = await applyPass(model, pass);
    // Factors are rounded on both sides: a few units of the last place of sums of 64 products, results up to about 100.
    expect(await largestDifference(model, after, samples[0]!)).toBeLessThan(1e-3);
    const fired = report.passes.reduce((sum, each) => sum + (each.fired['scale-salient-weights'] ?? 0), 0);
    return { after, fired, reasons: reasonsOf(report) };
  }

  const gain = floatTensor(Float32Array.from({ length: width }, (_, at) => (at % 16 === 7 ? 12 : 1)));

  function normalized(
    finish: (b: ModelBuilder, normal: Value, layer: (x: Value, name: string) => Value) => void,
  ): Model {
    const b = new ModelBuilder(17);
    const zero = b.constant('shift', floatTensor(new Float32Array(width)));
    const normal = b.op('LayerNormalization', [b.input('x', ['N', width]), b.constant('gain', gain), zero]);
    finish(b, normal, (x, name) =>
      b.op('MatMul', [x, b.constant(name, randomTensor([width, width], name.length))], {
        name,
        outputs: [`${name}_y`],
      }),
    );
    return b.build();
  }

  it('folds the factors that two layers share into the normalization before them', async () => {
    const model = normalized((b, normal, layer) =>
      b.output(b.op('Add', [layer(normal, 'a'), layer(normal, 'bb')]), 'y'),
    );
    const { after, fired } = await scaled(model);
    expect(fired).toBe(1);
    const found = weightOf(nodesOf(after, 'LayerNormalization')[0]!);
    expect(found[7]! / found[8]!).toBeLessThan(12);
    expect([...found]).not.toEqual([...(tensorData(gain) as Float32Array)]);
  });

  it('declines where somebody else reads the input, and multiplies there where it may', async () => {
    const model = normalized((b, normal, layer) => b.output(b.op('Add', [layer(normal, 'a'), normal]), 'y'));
    const { fired, reasons } = await scaled(model);
    expect(fired).toBe(0);
    expect(reasons).toContain('its input is read by Add as well');
    const { after, fired: inserted } = await scaled(model, { insertMul: true });
    expect(inserted).toBe(1);
    expect(nodesOf(after, 'Mul')).toHaveLength(1);
  });

  it('leaves layers alone that stay in float', async () => {
    const model = normalized((b, normal, layer) => b.output(layer(normal, 'a'), 'y'));
    expect((await scaled(model, { exclude: ['a'] })).fired).toBe(0);
  });

  it('says where no factors help', async () => {
    const b = new ModelBuilder(17);
    const ones = b.constant('ones', floatTensor(new Float32Array(width).fill(1)));
    const x = b.op('Mul', [b.op('Sign', [b.input('x', ['N', width])]), ones]);
    b.output(b.op('MatMul', [x, b.constant('w', randomTensor([width, width], 4))]), 'y');
    const { fired, reasons } = await scaled(b.build());
    expect(fired).toBe(0);
    expect(reasons).toContain('no factors make its results truer');
  });
});
