import { describe, expect, it } from 'vitest';
import { ortEvaluator, ortRunner } from '../../src/backends/ort/run.js';
import { findTarget } from '../../src/backends/target.js';
import { int8Candidate } from '../../src/int8/int8_candidate.js';
import { planInt8, type QuantizationOptions } from '../../src/int8/quantize_int8.js';
import { intAttribute, intsAttribute } from '../../src/ir/attribute.js';
import { cloneModel } from '../../src/ir/clone.js';
import { constantTensor } from '../../src/ir/constant.js';
import type { Model, Value } from '../../src/ir/graph.js';
import { encodeModel } from '../../src/ir/onnx/encode.js';
import { floatTensor, tensorData } from '../../src/ir/tensor.js';
import { optimize } from '../../src/optimize.js';
import { type PipelineStep, runPipeline } from '../../src/passes/pipeline.js';
import { standardPipeline } from '../../src/passes/pipelines.js';
import { ModelBuilder, pseudoRandom, randomTensor } from '../build_model.js';
import { image, NetworkBuilder } from '../passes/quantize/small_networks.js';

/** Samples whose elements depend on each other and are not around 0, as activations are. */
const samples = (name: string, dims: readonly number[]) =>
  [1, 2, 3, 4, 5, 6, 7, 8].map((seed) => {
    const noise = pseudoRandom(
      dims.reduce((product, dim) => product * dim, 1),
      seed,
    );
    return { [name]: Float32Array.from(noise, (value, index) => 0.6 + 0.3 * value + 0.5 * noise[index >> 1]!) };
  });

async function quantized(
  model: Model,
  dims: readonly number[],
  quantization: QuantizationOptions,
  settings: { readonly target?: string; readonly cpu?: string } = {},
) {
  const data = samples('x', dims);
  const { target = 'ort-cpu', cpu = 'avx2' } = settings;
  return optimize({
    model,
    target,
    cpu,
    precision: 'int8',
    calibration: { data },
    quantization: { gate: 'none', ...quantization },
    check: false,
  });
}

/** Per channel (or column) the mean error of the output, and the squared error of all, over the samples. */
async function errors(float: Model, int8: Model, dims: readonly number[], axis: number) {
  const sessions = [await ortRunner()(float), await ortRunner()(int8)] as const;
  const means: number[] = [];
  let squares = 0;
  for (const { x } of samples('x', dims)) {
    const feeds = new Map([['x', floatTensor(x!, dims)]]);
    const [reference, candidate] = await Promise.all(sessions.map(async (each) => (await each.run(feeds)).get('y')!));
    const inner = axis < 0 ? 1 : reference!.dims.slice(axis + 1).reduce((product, dim) => product * dim, 1);
    const other = tensorData(candidate!) as Float32Array;
    for (const [index, value] of (tensorData(reference!) as Float32Array).entries()) {
      const channel = Math.floor(index / inner) % reference!.dims.at(axis)!;
      means[channel] = (means[channel] ?? 0) + other[index]! - value;
      squares += (other[index]! - value) ** 2;
    }
  }
  for (const session of sessions) await session.close();
  return { mean: Math.sqrt(means.reduce((sum, each) => sum + each * each, 0)), squares };
}

/** A convolution with padding, without a bias unless told. */
function convolution(group = 1, withBias = false): Model {
  const b = new ModelBuilder();
  const weight = b.constant('w', randomTensor([16, 16 / group, 3, 3], 3));
  const inputs: Value[] = [b.input('x', image), weight];
  if (withBias) inputs.push(b.constant('bias', randomTensor([16], 4)));
  b.output(b.op('Conv', inputs, { name: 'conv', attributes: convAttributes(group) }), 'y');
  return b.build();
}

const convAttributes = (group: number) => [intsAttribute('pads', [1, 1, 1, 1]), intAttribute('group', group)];

/** A product of [1, 6, 96] with [96, 32], and the sum with a bias. */
function product(withSum = true): Model {
  const b = new ModelBuilder();
  const made = b.op('MatMul', [b.input('x', [1, 6, 96]), b.constant('w', randomTensor([96, 32], 3))], {
    name: 'matmul',
  });
  b.output(withSum ? b.op('Add', [b.constant('bias', randomTensor([32], 4)), made]) : made, 'y');
  return b.build();
}

const networks: [string, Model, readonly number[], number][] = [
  ['a convolution without a bias', convolution(), image, 1],
  ['a convolution with one', convolution(1, true), image, 1],
  ['a grouped convolution', convolution(4), image, 1],
  ['a product and the sum behind it', product(), [1, 6, 96], -1],
];

describe('bias correction', () => {
  it.each(networks)('takes away most of the mean error of each channel: %s', async (_, model, dims, axis) => {
    const plain = await quantized(model, dims, { correctBias: false });
    const corrected = await quantized(model, dims, {});
    expect(corrected.quantization!.weights).toMatchObject({ corrected: 1, left: [] });
    const before = await errors(model, plain.model, dims, axis);
    const after = await errors(model, corrected.model, dims, axis);
    // What is left comes from the activations.
    expect(after.mean).toBeLessThan(before.mean * 0.35);
    expect(after.squares).toBeLessThan(before.squares);
  });

  it('gives TensorRT biases in float', async () => {
    const { model } = await quantized(convolution(), image, { correctBias: true }, { target: 'tensorrt@10' });
    const conv = [...model.graph.nodes].find(({ opType }) => opType === 'Conv')!;
    expect(constantTensor(conv.inputs[2])).toMatchObject({ dtype: 'float', dims: [16] });
  });

  it('leaves a product alone that nothing is added to, and says so', async () => {
    const { quantization, model } = await quantized(product(false), [1, 6, 96], { correctBias: true });
    expect(quantization!.weights).toEqual({
      rounded: [],
      corrected: 0,
      left: [{ node: 'matmul', reason: 'no bias is added to its product alone' }],
    });
    const plain = await quantized(product(false), [1, 6, 96], { correctBias: false });
    expect(encodeModel(model)).toEqual(encodeModel(plain.model));
  });
});

describe('learned rounding', () => {
  it.each(networks)('lowers the error of the outputs: %s', async (_, model, dims, axis) => {
    const plain = await quantized(model, dims, { correctBias: false });
    const learned = await quantized(model, dims, { rounding: 'learned', correctBias: false });
    const [layer] = learned.quantization!.weights!.rounded;
    expect(layer!.error).toBeLessThan(0.6);
    const before = await errors(model, plain.model, dims, axis);
    const after = await errors(model, learned.model, dims, axis);
    expect(after.squares).toBeLessThan(before.squares * 0.9);
  });

  it('leaves sums of too many products as they are, and says so', async () => {
    const b = new NetworkBuilder();
    b.output(b.matmul('long', b.input('x', [1, 2, 2400]), 2400, 16), 'y');
    const { quantization } = await quantized(b.build(), [1, 2, 2400], { rounding: 'learned', correctBias: false });
    expect(quantization!.weights!.left).toEqual([
      { node: 'long', reason: 'rounding is learned for sums of at most 2304 products' },
    ]);
  });
});

describe('weights chosen on samples', () => {
  const all = { weightScales: 'mse', rounding: 'learned', correctBias: true } as const;

  it('are the same each time, and each layer that shares a weight has its own', async () => {
    const b = new NetworkBuilder();
    const weight = b.constant('shared', randomTensor([16, 16, 1, 1], 9));
    const first = b.op('Conv', [b.input('x', image), weight]);
    b.output(b.op('Conv', [b.op('Relu', [first]), weight]), 'y');
    const model = b.build();
    const once = await quantized(model, image, all);
    expect(once.quantization!.weights).toMatchObject({ corrected: 2, rounded: [{}, {}] });
    expect(encodeModel((await quantized(model, image, all)).model)).toEqual(encodeModel(once.model));
    const plain = await quantized(model, image, { correctBias: false });
    const [before, after] = [await errors(model, plain.model, image, 1), await errors(model, once.model, image, 1)];
    expect(after.squares).toBeLessThan(before.squares);
  });

  it('go into candidates as into the result', async () => {
    const source = convolution(1, true);
    const target = findTarget('ort-cpu');
    const model = cloneModel(source);
    const run = async (steps: readonly PipelineStep[]) => {
      await runPipeline(model, steps, { target, evaluate: ortEvaluator() });
    };
    await run(standardPipeline);
    const calibration = { data: samples('x', image) };
    const plan = await planInt8({
      model,
      target,
      cpu: 'avx2',
      calibration,
      quantization: { gate: 'none', ...all },
      run,
    });
    const candidate = await int8Candidate(plan, new Map());
    expect(encodeModel(candidate)).toEqual(encodeModel((await quantized(source, image, all)).model));
  });

  it('need samples also where ranges are given', async () => {
    const model = convolution();
    const ranges = new Map([
      ['x', { min: 0, max: 2 }],
      ['y', { min: -9, max: 9 }],
    ]);
    const options = { model, precision: 'int8', calibration: { ranges }, check: false } as const;
    await expect(optimize({ ...options, quantization: { correctBias: true } })).rejects.toThrow(
      'quantize/no-calibration-data',
    );
    expect((await optimize(options)).quantization!.weights).toBeUndefined();
  });
});
