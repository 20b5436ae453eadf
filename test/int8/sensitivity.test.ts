import { describe, expect, it } from 'vitest';
import { analyzeSensitivity } from '../../src/analyze_sensitivity.js';
import { ortEvaluator } from '../../src/backends/ort/run.js';
import { findTarget } from '../../src/backends/target.js';
import { planInt8 } from '../../src/int8/quantize_int8.js';
import { layerAlone, layersOf } from '../../src/int8/sensitivity_layers.js';
import { intsAttribute } from '../../src/ir/attribute.js';
import type { Model, Value } from '../../src/ir/graph.js';
import { encodeModel } from '../../src/ir/onnx/encode.js';
import { floatTensor } from '../../src/ir/tensor.js';
import { type PipelineStep, runPipeline } from '../../src/passes/pipeline.js';
import { standardPipeline } from '../../src/passes/pipelines.js';
import { ModelBuilder, operatorsOf, pseudoRandom } from '../build_model.js';
import { fixture } from '../cli/run_cli.js';
import { detectionModel, imageSamples } from './detection_model.js';

const channels = 32;

/** Residual blocks of two convolutions; the first channel of what the outlier gives is 300 times as large. */
function blocks(outlier?: string): Model {
  const b = new ModelBuilder(17);
  const conv = (name: string, x: Value, input: number): Value => {
    const weights = pseudoRandom(channels * input * 9, name.length + input).map((each) => each / Math.sqrt(input * 3));
    if (name === outlier) for (let at = 0; at < input * 9; at += 1) weights[at]! *= 300;
    const weight = b.constant(`${name}_w`, floatTensor(weights, [channels, input, 3, 3]));
    return b.op('Conv', [x, weight], { name, attributes: [intsAttribute('pads', [1, 1, 1, 1])] });
  };
  let x = b.op('Relu', [conv('stem', b.input('image', [1, 3, 16, 16]), 3)]);
  x = b.op('Relu', [conv('entry', x, channels)]);
  for (const block of ['a', 'b', 'c']) {
    const inner = b.op('Relu', [conv(`${block}1`, x, channels)]);
    x = b.op('Relu', [b.op('Add', [conv(`${block}2`, inner, channels), x], { name: `${block}_sum` })]);
  }
  b.output(b.op('Tanh', [conv('head', x, channels)]), 'y', 'float', 4);
  return b.build();
}

async function planOf(model: Model, targetName: string) {
  const target = findTarget(targetName);
  const run = async (steps: readonly PipelineStep[]) => {
    await runPipeline(model, steps, { target, evaluate: ortEvaluator() });
  };
  await run(standardPipeline);
  return planInt8({
    model,
    target,
    cpu: 'vnni',
    calibration: { data: imageSamples(2) },
    quantization: { correctBias: false },
    run,
  });
}

const count = (model: Model, opType: string): number => operatorsOf(model).filter((each) => each === opType).length;

describe('the analysis', () => {
  it('ranks first what was made sensitive', async () => {
    const options = { cpu: 'vnni', calibration: { data: imageSamples(4) } };
    const even = await analyzeSensitivity({ ...options, model: blocks() });
    const report = await analyzeSensitivity({ ...options, model: blocks('head') });
    expect(report.layers[0]).toMatchObject({ node: 'head', operator: 'Conv' });
    expect(report.layers[1]!.sqnr - report.layers[0]!.sqnr).toBeGreaterThan(10);
    expect(even.layers[0]!.sqnr - report.layers[0]!.sqnr).toBeGreaterThan(10);
    expect(report.samples).toBe(4);
    expect(report.layers.map(({ sqnr }) => sqnr)).toEqual(
      report.layers.map(({ sqnr }) => sqnr).toSorted((a, b) => a - b),
    );
  });

  it('has figures of every output, and of all layers together', async () => {
    const report = await analyzeSensitivity({
      model: detectionModel(),
      cpu: 'vnni',
      calibration: { data: imageSamples(4) },
    });
    expect(report.layers[0]).toMatchObject({ node: 'to_corners', operator: 'Conv' });
    const [boxes, scores] = report.layers[0]!.outputs;
    expect([boxes!.name, scores!.name]).toEqual(['boxes', 'scores']);
    expect(boxes!.sqnr).toBeGreaterThan(35);
    expect(scores!.sqnr).toBeLessThan(5);
    expect(report.layers[0]!.sqnr).toBe(scores!.sqnr);
    expect(report.together.sqnr).toBeLessThan(5);
    expect(report.layers.find(({ node }) => node === 'class_head')!.outputs[0]!.sqnr).toBe(Number.POSITIVE_INFINITY);
  });

  it('scores each layer where there are labels, on all samples', async () => {
    const data = imageSamples(6);
    const bySign = (outputs: ReadonlyMap<string, unknown>) => outputs.size;
    const report = await analyzeSensitivity({
      model: detectionModel(),
      cpu: 'vnni',
      calibration: { data, limit: 2 },
      metric: { name: 'outputs', score: (outputs) => outputs.length + bySign(outputs[0]!) },
    });
    expect(report).toMatchObject({ samples: 6, metric: { name: 'outputs', float: 8 } });
    for (const { metric, drop } of report.layers) expect({ metric, drop }).toEqual({ metric: 8, drop: 0 });
  });

  it('needs samples, as many as labels', async () => {
    const model = fixture('digits/digits.onnx');
    const data = [{ image: { data: new Float32Array(784), dims: [1, 1, 28, 28], type: 'float32' as const } }];
    const analyze = (options: object) => analyzeSensitivity({ model, calibration: { data }, ...options });
    const three = analyze({ calibration: { data: [...data, ...data] }, labels: [1, 2, 3] });
    await expect(three).rejects.toMatchObject({ diagnostic: { code: 'data/wrong-labels' } });
    await expect(analyze({ labels: [10] })).rejects.toMatchObject({ diagnostic: { code: 'data/wrong-labels' } });
    await expect(analyze({ metric: 'top1' })).rejects.toMatchObject({ diagnostic: { code: 'metric/no-labels' } });
    const missing = analyze({ labels: [1], metricOutput: 'nothing' });
    await expect(missing).rejects.toMatchObject({ diagnostic: { code: 'metric/wrong-output' } });
    const { ranges } = await planOf(blocks(), 'ort-cpu');
    const noData = analyzeSensitivity({ model: blocks(), cpu: 'vnni', calibration: { ranges } });
    await expect(noData).rejects.toMatchObject({ diagnostic: { code: 'quantize/no-calibration-data' } });
    await expect(analyze({ target: 'ort-cuda' })).rejects.toMatchObject({
      diagnostic: { code: 'usage/precision-not-offered' },
    });
  });
});

describe('a layer alone', () => {
  it('reads and writes 8 bits, and nothing else does', async () => {
    const plan = await planOf(blocks(), 'ort-cpu');
    const before = encodeModel(plan.model);
    const layers = layersOf(plan.model, plan.placement, plan.scheme);
    expect(layers.map(({ node }) => node.name)).toEqual(
      expect.arrayContaining(['a1', 'a2', 'a_sum', 'b1', 'b2', 'b_sum', 'c1', 'c2', 'head']),
    );
    for (const [index, { node, computes }] of layers.entries()) {
      const model = await layerAlone(plan, index);
      // Its inputs and its output; weights are stored as integers.
      expect(count(model, 'QuantizeLinear')).toBeLessThanOrEqual(node.opType === 'Add' ? 3 : 2);
      expect(count(model, 'QuantizeLinear')).toBeGreaterThanOrEqual(2);
      expect(computes).toBe(node.opType === 'Conv');
      const integers = count(model, 'DequantizeLinear') - count(model, 'QuantizeLinear');
      expect(integers).toBe(computes ? 1 : 0);
    }
    expect(encodeModel(plan.model)).toEqual(before);
  });

  it('where a sum is part of a layer, what it reads in 8 bits is a layer of its own', async () => {
    const plan = await planOf(blocks(), 'tensorrt@10');
    const layers = layersOf(plan.model, plan.placement, plan.scheme);
    const sums = layers.flatMap(({ node, computes }, index) => (node.opType === 'Add' ? [{ index, computes }] : []));
    expect(sums.length).toBeGreaterThan(0);
    for (const { index, computes } of sums) {
      expect(computes).toBe(false);
      expect(count(await layerAlone(plan, index), 'QuantizeLinear')).toBe(1);
    }
  });
});
