import { describe, expect, it } from 'vitest';
import { ortRunner } from '../../src/backends/ort/run.js';
import { decodeE4m3 } from '../../src/ir/float8.js';
import type { Model, Value } from '../../src/ir/graph.js';
import { encodeModel } from '../../src/ir/onnx/encode.js';
import { floatTensor, tensorData } from '../../src/ir/tensor.js';
import { lintModel } from '../../src/lint.js';
import { type OptimizeOptions, optimize } from '../../src/optimize.js';
import { qdqText } from '../passes/quantize/qdq_text.js';
import { basicBlock, image, NetworkBuilder, noise, withOldPool } from '../passes/quantize/small_networks.js';

async function quantized(model: Model, options: Partial<OptimizeOptions> = {}) {
  const data = noise(model);
  const result = await optimize({
    model,
    target: 'tensorrt@11',
    precision: 'fp8',
    calibration: { data },
    // Three bits of mantissa: each value is within 1/16 of itself, some 30 dB; a network of few channels keeps 20.
    check: { data, tolerance: { minSqnr: 20 } },
    ...options,
  });
  expect(options.check === false || result.check.status === 'passed').toBe(true);
  return { ...result, text: qdqText(result.model.graph) };
}

const denseOf = (value: Value | null | undefined) => {
  const tensor = value?.initializer;
  if (tensor?.kind !== 'dense') throw new Error('no constant');
  return tensor;
};

describe.each(['tensorrt@10', 'tensorrt@11'])('fp8 for %s', (target) => {
  it('reads layers and the skip branch of a sum in 8 bits, as int8 does', async () => {
    const { model, text } = await quantized(basicBlock(), { target });
    expect(text).toMatchInlineSnapshot(`
      [
        "conv0 = Conv(8 x @x, 8 conv0_w, conv0_b)",
        "stem = Relu(conv0)",
        "conv1 = Conv(8 stem @stem, 8 conv1_w, conv1_b)",
        "relu1 = Relu(conv1)",
        "conv2 = Conv(8 relu1 @relu1, 8 conv2_w, conv2_b)",
        "sum = Add(conv2, 8 stem @stem)",
        "relu2 = Relu(sum)",
        "y = Conv(8 relu2 @relu2, 8 conv3_w, conv3_b)",
        "return y = y",
      ]
    `);
    expect(lintModel(model, { target }).findings).toEqual([]);
    expect(model.opsetImports.get('')).toBeGreaterThanOrEqual(19);
    expect(model.irVersion).toBeGreaterThanOrEqual(9);
  });
});

describe('fp8', () => {
  it('stores activations around zero with scale absmax / 448 and weights a channel, in float8', async () => {
    const source = basicBlock();
    const { model, quantization } = await quantized(source);
    const conv = [...model.graph.nodes].find(({ opType }) => opType === 'Conv')!;
    const [read, weight] = conv.inputs;
    const { min, max } = quantization!.ranges.get('x')!;
    const [, scale, zero] = read!.producer!.inputs.map((input) => input);
    expect(tensorData(denseOf(scale))[0]).toBe(Math.fround(Math.max(-min, max) / 448));
    expect(denseOf(zero)).toMatchObject({ dtype: 'float8e4m3fn', dims: [] });
    const [codes, scales, zeros] = weight!.producer!.inputs.map(denseOf);
    expect(codes).toMatchObject({ dtype: 'float8e4m3fn', dims: [16, 16, 3, 3] });
    expect(scales!.dims).toEqual([16]);
    expect(zeros).toMatchObject({ dtype: 'float8e4m3fn', dims: [16] });
    const original = tensorData(denseOf(source.graph.values.get('conv0_w'))) as Float32Array;
    for (const [index, bits] of codes!.storage.bytes().entries()) {
      const steps = Number(tensorData(scales!)[Math.floor(index / 144)]);
      const error = Math.abs(decodeE4m3(bits) * steps - original[index]!);
      // Half a step of the mantissa, or of the subnormal numbers.
      expect(error).toBeLessThanOrEqual(Math.max(Math.abs(original[index]!) / 16, steps * 2 ** -10) * 1.0001);
    }
  });

  it('gives the same bytes each time', async () => {
    const twice = [await quantized(basicBlock(), { check: false }), await quantized(basicBlock(), { check: false })];
    expect(encodeModel(twice[0]!.model)).toEqual(encodeModel(twice[1]!.model));
  });

  it.each(['minmax', 'percentile', 'mse', 'distribution', 'auto'] as const)(
    'takes ranges of %s',
    async (calibrator) => {
      const model = basicBlock();
      const data = noise(model);
      // Saturation by distribution costs noise, which has no outliers, a part of its values.
      await quantized(model, { calibration: { data, calibrator }, check: { data, tolerance: { minSqnr: 10 } } });
    },
  );

  it('has no entropy calibration', async () => {
    const model = basicBlock();
    await expect(quantized(model, { calibration: { data: noise(model), calibrator: 'entropy' } })).rejects.toThrow(
      'usage/calibrator: entropy compares with 256 even levels, which float8e4m3fn does not have',
    );
  });

  it('leaves convolutions in float whose channels do not line up, or whose filters are large', async () => {
    const b = new NetworkBuilder();
    const wide = b.conv('wide', b.input('x', image), 24);
    const large = b.conv('large', b.conv('narrow', wide, 16, 1, 24), 16, 7);
    b.output(b.conv('last', large), 'y');
    const { quantization, text } = await quantized(b.build());
    expect(quantization!.floats.map(({ reason }) => reason)).toEqual([
      '16 channels in and 24 out do not line up by 16',
      '24 channels in and 16 out do not line up by 16',
      'a filter of more than 32 places',
    ]);
    expect(text).toContain('y = Conv(8 large @large, 8 last_w, last_b)');
  });

  it('is refused where the opset cannot be raised to that of 8-bit floats', async () => {
    await expect(quantized(withOldPool())).rejects.toThrow(
      'quantize/opset-too-old: opset 17 has no such quantization, which came with opset 19',
    );
  });

  it.each(['tensorrt@8.6', 'ort-cpu', 'ort-cuda', 'portable'])('is refused for %s', async (target) => {
    await expect(quantized(basicBlock(), { target })).rejects.toThrow(
      `usage/precision-not-offered: ${target} is not given fp8`,
    );
  });

  it('runs in the runtime to what its formula says', async () => {
    const b = new NetworkBuilder();
    b.output(b.conv('conv', b.input('x', image)), 'y');
    const model = b.build();
    const { model: result } = await quantized(model);
    const conv = [...result.graph.nodes].find(({ opType }) => opType === 'Conv')!;
    const scale = Number(tensorData(denseOf(conv.inputs[0]!.producer!.inputs[1]))[0]);
    // Between 16 and 17 times the scale lies a step; the tie goes to the even mantissa.
    const tie = new Float32Array(1024).fill(17 * scale);
    const even = new Float32Array(1024).fill(16 * scale);
    const session = await ortRunner()(result);
    const run = async (data: Float32Array) =>
      tensorData((await session.run(new Map([['x', floatTensor(data, image)]]))).get('y')!);
    expect(await run(tie)).toEqual(await run(even));
    await session.close();
  });
});
