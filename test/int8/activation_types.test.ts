import { describe, expect, it } from 'vitest';
import type { Model } from '../../src/ir/graph.js';
import { tensorData } from '../../src/ir/tensor.js';
import { lintModel } from '../../src/lint.js';
import { type OptimizeOptions, optimize } from '../../src/optimize.js';
import type { TensorOverride } from '../../src/passes/quantize/selection.js';
import { basicBlock, image, NetworkBuilder, noise, withOldPool } from '../passes/quantize/small_networks.js';

async function quantized(model: Model, options: Partial<OptimizeOptions> = {}) {
  const data = noise(model);
  const result = await optimize({
    model,
    cpu: 'avx2',
    precision: 'int8',
    calibration: { data },
    check: { data },
    ...options,
    quantization: { gate: 'none', ...options.quantization },
  });
  expect(result.check.status).toBe('passed');
  return result;
}

const sqnrOf = ({ check }: Awaited<ReturnType<typeof quantized>>): number =>
  check.status === 'passed' ? check.comparison.outputs[0]!.error.sqnr : Number.NaN;

function zeroPointTypes(model: Model): Record<string, string> {
  const found: Record<string, string> = {};
  for (const { opType, inputs } of model.graph.nodes) {
    if (opType !== 'QuantizeLinear') continue;
    const { initializer } = inputs[2]!;
    if (initializer?.kind === 'dense') found[inputs[0]!.name] = initializer.dtype;
  }
  return found;
}

/** With what becomes part of a layer, moves data and joins tensors. */
function mixed(opset = 17): Model {
  const b = new NetworkBuilder(opset);
  const x = b.input('x', image);
  const first = b.named('relu1', 'Relu', [b.conv('conv1', b.conv('conv0', x))]);
  const pooled = b.named(
    'pool',
    'MaxPool',
    [first],
    [
      ['kernel_shape', [2, 2]],
      ['strides', [2, 2]],
    ],
  );
  const second = b.conv('conv2', pooled);
  const joined = b.concat('joined', [b.named('sum', 'Add', [second, pooled]), pooled]);
  b.output(b.conv('conv3', joined, 16, 3, 32), 'y');
  return b.build();
}

describe('activations of 16 bits', () => {
  it('are uint16 of opset 21, run in the runtime and are truer', async () => {
    const wide = await quantized(mixed(), { quantization: { activationBits: 16 } });
    expect(new Set(Object.values(zeroPointTypes(wide.model)))).toEqual(new Set(['uint16']));
    expect(wide.model.opsetImports.get('')).toBe(21);
    expect(sqnrOf(wide)).toBeGreaterThan(sqnrOf(await quantized(mixed())) + 3);
    expect(lintModel(wide.model, { cpu: 'avx2' }).findings).toEqual([]);
  });

  it('are int16 where 8 bits are int8', async () => {
    const { model } = await quantized(mixed(), { cpu: 'arm', quantization: { activationBits: 16 } });
    expect(new Set(Object.values(zeroPointTypes(model)))).toEqual(new Set(['int16']));
  });

  it('have 65536 steps', async () => {
    const { model, quantization } = await quantized(mixed(), { quantization: { activationBits: 16 } });
    const { max } = quantization!.ranges.get('relu1')!;
    const scale = model.graph.values.get('relu1_scale')!.initializer!;
    expect(scale.kind === 'dense' && tensorData(scale)[0]).toBe(Math.fround(max / 65535));
  });

  it('are operators of com.microsoft where the opset cannot be raised', async () => {
    const { model } = await quantized(withOldPool(), { quantization: { activationBits: 16 } });
    expect(model.opsetImports.get('')).toBe(17);
    const domains = [...model.graph.nodes]
      .filter(({ opType }) => opType === 'QuantizeLinear')
      .map(({ domain }) => domain);
    expect(new Set(domains)).toEqual(new Set(['com.microsoft']));
  });

  it('are refused for TensorRT', async () => {
    for (const target of ['tensorrt@8.6', 'tensorrt@10', 'tensorrt@11', 'portable']) {
      await expect(quantized(mixed(), { target, quantization: { activationBits: 16 } })).rejects.toThrow(
        `quantize/type-not-offered: ${target} is not given activations of 16 bits`,
      );
    }
  });
});

describe('types of single activations', () => {
  const withType = (override: TensorOverride, options: Partial<OptimizeOptions> = {}) =>
    quantized(mixed(), { ...options, quantization: { tensors: [override] } });

  it('reach all that share the scale', async () => {
    const types = zeroPointTypes((await withType({ match: 'relu1', dtype: 'uint16' })).model);
    expect(types['pool']).toBe('uint16');
    expect(Object.values(types)).toContain('uint8');
  });

  it('may be given with a range', async () => {
    const { model } = await withType({ match: 'relu1', dtype: 'int16', range: { min: -16, max: 64 } });
    const scale = model.graph.values.get('relu1_scale')!.initializer!;
    expect(scale.kind === 'dense' && tensorData(scale)[0]).toBe(Math.fround(80 / 65535));
  });

  it('are refused where the target does not take them', async () => {
    await expect(
      quantized(basicBlock(), { target: 'tensorrt@10', quantization: { tensors: [{ match: 'x', dtype: 'uint16' }] } }),
    ).rejects.toThrow('quantize/type-not-offered: "x" cannot be uint16: the target does not take such activations');
  });

  it('are refused for a pair that the model brought along', async () => {
    const { model } = await quantized(mixed());
    const again = quantized(model, { quantization: { tensors: [{ match: 'joined', dtype: 'uint16' }] } });
    await expect(again).rejects.toThrow('quantize/pair-keeps-type: the model quantizes "joined" itself');
  });
});

describe('int8 for ort-cuda', () => {
  it('is refused with the reason and what to do instead', async () => {
    const refused = quantized(mixed(), { target: 'ort-cuda' });
    await expect(refused).rejects.toThrow(/usage\/precision-not-offered: ort-cuda is not given int8/);
    await expect(refused).rejects.toMatchObject({ diagnostic: { help: expect.stringContaining('fp16') } });
  });

  it('is symmetric int8 in pairs where it is forced, with a warning', async () => {
    const { model, diagnostics, check } = await quantized(mixed(), { target: 'ort-cuda', force: true });
    expect(check.status).toBe('passed');
    expect(diagnostics).toContainEqual(
      expect.objectContaining({ code: 'quantize/runs-dequantized', severity: 'warning' }),
    );
    expect(new Set(Object.values(zeroPointTypes(model)))).toEqual(new Set(['int8']));
    for (const { opType, inputs } of model.graph.nodes) {
      const zero = opType === 'QuantizeLinear' ? inputs[2]!.initializer : null;
      if (zero?.kind === 'dense') expect(Number(tensorData(zero)[0])).toBe(0);
    }
  });

  it('forces nothing where int8 is offered', async () => {
    const { diagnostics } = await quantized(mixed(), { force: true });
    expect(diagnostics.map(({ code }) => code)).not.toContain('quantize/runs-dequantized');
  });
});
