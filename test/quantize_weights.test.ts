import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decoderModel } from '../bench/decoder_model.js';
import { dtypeFileName, dtypes } from '../src/dtype_presets.js';
import { apparentPrecision } from '../src/evaluate/apparent_precision.js';
import { intAttribute } from '../src/ir/attribute.js';
import { opsetVersion } from '../src/ir/graph.js';
import { loadModel, saveModel } from '../src/ir/onnx/files.js';
import { floatTensor, int64Tensor, type Tensor, tensorData } from '../src/ir/tensor.js';
import { type QuantizeWeightsOptions, quantizeWeights, type WeightScheme } from '../src/quantize_weights.js';
import { ModelBuilder, operatorsOf, randomTensor } from './build_model.js';

let folder: string;
beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'onnxopt-weights-'));
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

const at = (...names: string[]) => path.join(folder, ...names);

/** Rows of a table, two layers and a head. */
function encoder({ opset = 17, convolution = false } = {}) {
  const b = new ModelBuilder(opset);
  const ids = b.input('ids', ['B', 'N'], 'int64');
  let x = b.op('Gather', [b.constant('table', randomTensor([50, 64], 2)), ids]);
  x = b.op('Relu', [b.op('MatMul', [x, b.constant('w1', randomTensor([64, 96], 3))])]);
  x = b.op('MatMul', [x, b.constant('w2', randomTensor([96, 64], 4))]);
  if (convolution) {
    const turned = b.op('Transpose', [x], { attributes: [{ name: 'perm', kind: 'ints', value: [0n, 2n, 1n] }] });
    x = b.op('Conv', [turned, b.constant('k', randomTensor([16, 64, 1], 5))]);
  }
  b.output(x, 'y', 'float', 3);
  return b.build();
}

const data = [1, 2].map((seed) => ({ ids: int64Tensor([seed, 7, 49, 3, 3, 20], [2, 3]) }));
const check = { data };

describe('quantizeWeights', () => {
  it.each<[string, WeightScheme, string, 'int4' | 'int8' | 'int8-weights', string]>([
    ['4 bits', { kind: 'blocks' }, 'MatMulNBits', 'int4', 'ort-cpu'],
    ['half-quadratic', { kind: 'blocks', method: 'hqq' }, 'MatMulNBits', 'int4', 'ort-cpu'],
    ['8 bits', { kind: 'blocks', bits: 8 }, 'MatMulNBits', 'int8-weights', 'ort-cpu'],
    ['standard 4 bits', { kind: 'blocks' }, 'DequantizeLinear', 'int4', 'portable'],
    ['standard 8 bits', { kind: 'blocks', bits: 8 }, 'DequantizeLinear', 'int8-weights', 'portable'],
    [
      '4 bits of the standard',
      { kind: 'blocks', form: 'standard', symmetric: false },
      'DequantizeLinear',
      'int4',
      'ort-cpu',
    ],
    ['TensorRT 4 bits', { kind: 'blocks', blockSize: 64 }, 'DequantizeLinear', 'int4', 'tensorrt@10'],
    ['dynamic', { kind: 'dynamic' }, 'DynamicQuantizeMatMul', 'int8', 'ort-cpu'],
    ['standard dynamic', { kind: 'dynamic', weights: 'uint8' }, 'MatMulInteger', 'int8', 'portable'],
    ['bnb4', { kind: 'bnb4' }, 'MatMulBnb4', 'int4', 'ort-cpu'],
  ])(
    'stores both layers, makes a smaller file and proves it: %s',
    async (name, scheme, operator, precision, target) => {
      const input = at('encoder.onnx');
      saveModel(encoder(), input);
      const output = at(`${name}.onnx`);
      const result = await quantizeWeights({ model: input, output, scheme, target, check });
      expect(result.check.status).toBe('passed');
      expect(result.weights).toMatchObject({ layers: 2, floats: [] });
      expect(result.bytes!.after).toBeLessThan(result.bytes!.before * 0.7);
      const written = loadModel(output);
      expect(operatorsOf(written).filter((op) => op === operator)).toHaveLength(2);
      expect(apparentPrecision(written)).toBe(precision);
      // Only what is asked for raises the opset.
      expect(opsetVersion(written.graph, '')).toBe(operator === 'DequantizeLinear' ? 21 : 17);
    },
  );

  it('asks for 8-bit activations beside 8-bit weights, for which ONNX Runtime has a kernel, unless told', async () => {
    const level = async (scheme: WeightScheme) => {
      const { model } = await quantizeWeights({ model: encoder(), scheme, check });
      return [...model.graph.nodes].find(({ opType }) => opType === 'MatMulNBits')!.attributes.get('accuracy_level');
    };
    expect(await level({ kind: 'blocks', bits: 8 })).toMatchObject({ value: 4n });
    expect(await level({ kind: 'blocks', bits: 8, accuracyLevel: 1 })).toMatchObject({ value: 1n });
    expect(await level({ kind: 'blocks', bits: 4 })).toBeUndefined();
  });

  it('raises the opset that DynamicQuantizeLinear needs', async () => {
    const b = new ModelBuilder(9);
    b.output(b.op('MatMul', [b.input('x', [2, 64]), b.constant('w', randomTensor([64, 64]))]), 'y');
    const { model, check: proof } = await quantizeWeights({ model: b.build(), scheme: { kind: 'dynamic' } });
    expect(opsetVersion(model.graph, '')).toBe(11);
    expect(proof.status).toBe('passed');
  });

  it('keeps int8 weights in half the range where the processor is not known to hold all of it', async () => {
    const largest = async (options: { target?: string; cpu?: string; dtype?: 'int8' }) => {
      const scheme = options.dtype === undefined ? { scheme: { kind: 'dynamic' } } : {};
      const { model } = await quantizeWeights({
        model: encoder(),
        check,
        ...scheme,
        ...options,
      } as QuantizeWeightsOptions);
      const codes = [...model.graph.initializers].find(({ name }) => name === 'w1_codes')!;
      return Math.max(...(tensorData(codes.initializer as Tensor) as Int8Array).map(Math.abs));
    };
    expect(await largest({ target: 'portable' })).toBe(64);
    expect(await largest({ dtype: 'int8' })).toBe(64);
    expect(await largest({ cpu: 'avx2' })).toBe(64);
    expect(await largest({ cpu: 'vnni' })).toBe(127);
    expect(await largest({ target: 'portable', cpu: 'arm' })).toBe(127);
  });

  it('lists what stays in float', async () => {
    const { weights } = await quantizeWeights({
      model: encoder(),
      scheme: { kind: 'blocks' },
      exclude: ['y'],
      check,
    });
    expect(weights.layers).toBe(1);
    expect(weights.floats.map(({ reason }) => reason)).toEqual(['excluded by name']);
  });

  it('writes nothing where the result is too far off, and leaves what was there', async () => {
    const output = at('kept.onnx');
    fs.writeFileSync(output, 'kept');
    const strict = { ...check, tolerance: { minSqnr: 60 } };
    const request = quantizeWeights({ model: encoder(), output, scheme: { kind: 'blocks' }, check: strict });
    await expect(request).rejects.toThrow('check/failed');
    expect(fs.readFileSync(output, 'utf8')).toBe('kept');
  });

  it('writes nothing where a weight is no number, and names it', async () => {
    const b = new ModelBuilder(17);
    const weights = Float32Array.from({ length: 4096 }, (_, index) => (index === 9 ? Number.NaN : 1));
    b.output(b.op('MatMul', [b.input('x', [2, 64]), b.constant('w', floatTensor(weights, [64, 64]))]), 'y');
    const output = at('nan.onnx');
    for (const scheme of [{ kind: 'blocks' }, { kind: 'dynamic' }, { kind: 'bnb4' }] as const) {
      await expect(quantizeWeights({ model: b.build(), output, scheme })).rejects.toThrow(
        'quantize/weights-not-finite: "w" holds NaN at element 9',
      );
    }
    expect(fs.existsSync(output)).toBe(false);
  });

  it.each<[string, Partial<QuantizeWeightsOptions> & { scheme: WeightScheme }]>([
    ['usage/block-size', { scheme: { kind: 'blocks', blockSize: 48 } }],
    ['usage/block-size', { scheme: { kind: 'bnb4', blockSize: 8 } }],
    ['usage/conflicting-options', { scheme: { kind: 'blocks', method: 'hqq', symmetric: true } }],
    ['usage/conflicting-options', { scheme: { kind: 'blocks', method: 'hqq', bits: 8 } }],
    ['usage/precision-not-offered', { scheme: { kind: 'blocks', method: 'hqq' }, target: 'portable' }],
    ['usage/precision-not-offered', { scheme: { kind: 'blocks' }, target: 'tensorrt@8.6' }],
    ['usage/precision-not-offered', { scheme: { kind: 'blocks', bits: 8 }, target: 'tensorrt@10' }],
    ['usage/precision-not-offered', { scheme: { kind: 'blocks', symmetric: false }, target: 'tensorrt@10' }],
    ['usage/precision-not-offered', { scheme: { kind: 'dynamic' }, target: 'tensorrt@11' }],
    ['usage/precision-not-offered', { scheme: { kind: 'dynamic' }, target: 'ort-cuda' }],
    ['usage/precision-not-offered', { scheme: { kind: 'bnb4' }, target: 'portable' }],
    ['usage/output-is-a-folder', { scheme: { kind: 'blocks' }, output: os.tmpdir() }],
  ])('refuses with %s', async (code, request) => {
    await expect(quantizeWeights({ model: encoder(), ...request } as QuantizeWeightsOptions)).rejects.toThrow(code);
  });
});

describe('quantizeWeights with gptq', () => {
  /** Inputs that move together: two directions and a little of all others. */
  const inputs = (seed: number) => {
    const [parts, noise] = [tensorData(randomTensor([40, 2], seed)), tensorData(randomTensor([40, 64], seed + 1))];
    const rows = Float32Array.from({ length: 40 * 64 }, (_, index) => {
      const [row, column] = [Math.floor(index / 64), index % 64];
      const along = Number(parts[2 * row]) * Math.sin(column) + Number(parts[2 * row + 1]) * Math.cos(3 * column);
      return along + 0.05 * Number(noise[index]);
    });
    return { x: floatTensor(rows, [40, 64]) };
  };

  it('answers better than rounding on samples it has not seen', async () => {
    const b = new ModelBuilder(17);
    const hidden = b.op('Relu', [
      b.op('MatMul', [b.input('x', ['N', 64]), b.constant('w1', randomTensor([64, 96], 3))]),
    ]);
    b.output(b.op('MatMul', [hidden, b.constant('w2', randomTensor([96, 32], 4))]), 'y');
    const model = b.build();
    const sqnr = async (method: 'round' | 'gptq', target: string) => {
      const result = await quantizeWeights({
        model,
        target,
        scheme: { kind: 'blocks', method },
        calibration: { data: [1, 11, 21, 31].map(inputs) },
        check: { data: [101, 111].map(inputs) },
      });
      if (result.check.status !== 'passed') throw new Error(result.check.reason);
      expect(result.weights.layers).toBe(2);
      return result.check.comparison.outputs[0]!.error.sqnr;
    };
    // Measured 16 dB and more.
    expect(await sqnr('gptq', 'ort-cpu')).toBeGreaterThan((await sqnr('round', 'ort-cpu')) + 10);
    expect(await sqnr('gptq', 'portable')).toBeGreaterThan((await sqnr('round', 'portable')) + 10);
  });

  it('asks for samples', async () => {
    const request = quantizeWeights({ model: encoder(), scheme: { kind: 'blocks', method: 'gptq' } });
    await expect(request).rejects.toThrow('quantize/no-calibration-data');
  });
});

describe('quantizeWeights with awq', () => {
  const inputs = (seed: number) => ({ x: randomTensor([40, 64], seed) });

  it.each(['ort-cpu', 'portable'])(
    'answers better than rounding where a few channels are large, for %s',
    async (target) => {
      const b = new ModelBuilder(17);
      const gains = floatTensor(Float32Array.from({ length: 64 }, (_, channel) => (channel % 16 === 7 ? 12 : 1)));
      const normal = b.op('LayerNormalization', [b.input('x', ['N', 64]), b.constant('gain', gains)]);
      b.output(b.op('MatMul', [normal, b.constant('w', randomTensor([64, 96], 3))]), 'y');
      const model = b.build();
      const result = async (method: 'round' | 'awq') => {
        const found = await quantizeWeights({
          model,
          target,
          scheme: { kind: 'blocks', method },
          calibration: { data: [1, 11, 21, 31].map(inputs) },
          check: { data: [101, 111].map(inputs) },
        });
        if (found.check.status !== 'passed') throw new Error(found.check.reason);
        return { operators: operatorsOf(found.model), sqnr: found.check.comparison.outputs[0]!.error.sqnr };
      };
      const [rounded, scaled] = [await result('round'), await result('awq')];
      console.info(`${target}: rounded ${rounded.sqnr.toFixed(1)} dB, awq ${scaled.sqnr.toFixed(1)}`);
      expect(scaled.operators).toEqual(rounded.operators);
      expect(scaled.sqnr).toBeGreaterThan(rounded.sqnr + 2);
    },
  );

  it('asks for samples, and refuses products without it', async () => {
    const request = (scheme: object) =>
      quantizeWeights({ model: encoder(), scheme: { kind: 'blocks', ...scheme } } as QuantizeWeightsOptions);
    await expect(request({ method: 'awq' })).rejects.toThrow('quantize/no-calibration-data');
    await expect(request({ insertMul: true })).rejects.toThrow('usage/conflicting-options');
  });
});

describe('dtypes', () => {
  it('have the file names that transformers.js looks for', () => {
    expect(dtypes.map((dtype) => dtypeFileName('model', dtype))).toEqual([
      'model.onnx',
      'model_fp16.onnx',
      'model_int8.onnx',
      'model_uint8.onnx',
      'model_quantized.onnx',
      'model_q4.onnx',
      'model_q4f16.onnx',
      'model_bnb4.onnx',
    ]);
  });

  it.each([
    ['fp32', 'model.onnx', ['Gather', 'MatMul', 'Relu', 'MatMul']],
    ['q4', 'model_q4.onnx', ['Gather', 'MatMulNBits', 'Relu', 'MatMulNBits']],
    ['bnb4', 'model_bnb4.onnx', ['Gather', 'MatMulBnb4', 'Relu', 'MatMulBnb4']],
  ] as const)('%s is written into a folder as %s', async (dtype, name, operators) => {
    const input = at('source', 'model.onnx');
    fs.mkdirSync(at('source'), { recursive: true });
    saveModel(encoder(), input);
    fs.mkdirSync(at('onnx'), { recursive: true });
    const { files, check: proof } = await quantizeWeights({ model: input, output: at('onnx'), dtype, check });
    expect(proof.status).toBe('passed');
    expect(files?.model).toBe(at('onnx', name));
    expect(operatorsOf(loadModel(at('onnx', name)))).toEqual(operators);
  });

  it.each([
    ['int8', false, 'int8'],
    ['uint8', false, 'uint8'],
    ['q8', false, 'int8'],
    ['q8', true, 'uint8'],
  ] as const)(
    '%s is dynamic, in operators of the standard; with a convolution: %s, weights %s',
    async (dtype, convolution, weights) => {
      const { model, check: proof } = await quantizeWeights({ model: encoder({ convolution }), dtype, check });
      expect(proof.status).toBe('passed');
      const operators = operatorsOf(model);
      expect(operators.filter((op) => op === 'MatMulInteger')).toHaveLength(2);
      expect(operators.filter((op) => op === 'ConvInteger')).toHaveLength(convolution ? 1 : 0);
      expect([...model.graph.nodes].every(({ domain }) => domain === '')).toBe(true);
      const codes = [...model.graph.initializers].find(({ name }) => name === 'w1_codes')!;
      expect(codes.initializer!.dtype).toBe(weights);
      const table = [...model.graph.initializers].find(({ name }) => name === 'table_rows')!;
      expect(table.initializer!.dtype).toBe('int8');
    },
  );

  it.each([
    ['fp16', 30],
    ['q4f16', 6],
  ] as const)('%s computes in float16 between float32 inputs and outputs', async (dtype, decibels) => {
    const model = decoderModel({ layers: 2, hidden: 64, heads: 4, inner: 128, vocabulary: 200, length: 16 });
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'onnxopt-half-'));
    const { check: proof, files, cast } = await quantizeWeights({ model, dtype, output: folder });
    expect(path.basename(files!.model)).toBe(`model_${dtype}.onnx`);
    // 11 bits, and 4 bits a weight, as the tolerances have it.
    expect(proof.status === 'passed' && proof.comparison.outputs[0]!.error.sqnr).toBeGreaterThan(decibels);
    expect(cast).toMatchObject({ half: 'float16', inputs: [], outputs: [] });
    // It runs as it is.
    expect(proof).not.toHaveProperty('spelledOut');
    const written = loadModel(files!.model);
    const products = [...written.graph.nodes].filter(
      ({ opType }) => opType === (dtype === 'fp16' ? 'MatMul' : 'MatMulNBits'),
    );
    expect(products.length).toBeGreaterThanOrEqual(14);
    for (const { inputs } of products.filter(({ opType }) => opType === 'MatMulNBits')) {
      expect(inputs.slice(1).map((value) => value?.initializer?.dtype)).toEqual(['uint8', 'float16']);
    }
    fs.rmSync(folder, { recursive: true });
  });

  it('that nobody knows are refused', async () => {
    await expect(quantizeWeights({ model: encoder(), dtype: 'q5' as 'q4' })).rejects.toThrow('usage/unknown-dtype');
  });

  it('keep their data beside them under the name that transformers.js loads', async () => {
    const b = new ModelBuilder(17);
    b.output(b.op('MatMul', [b.input('x', [2, 256]), b.constant('w', randomTensor([256, 256]))]), 'y');
    const { files } = await quantizeWeights({
      model: b.build(),
      output: `${at('data')}/`.replace(/\/$/, '.onnx'),
      dtype: 'q4',
      save: { externalData: 'always' },
    });
    expect(path.basename(files!.data!)).toBe('data.onnx_data');
  });

  it('do not overwrite the model itself', async () => {
    const input = at('model.onnx');
    saveModel(encoder(), input);
    await expect(quantizeWeights({ model: input, output: folder, dtype: 'fp32' })).rejects.toThrow(
      'usage/overwrites-input',
    );
  });
});

it('a Gemm with a bias keeps it through the whole job', async () => {
  const b = new ModelBuilder(17);
  const inputs = [
    b.input('x', [2, 64]),
    b.constant('w', randomTensor([32, 64], 3)),
    b.constant('c', randomTensor([32], 4)),
  ];
  b.output(b.op('Gemm', inputs, { attributes: [intAttribute('transB', 1)] }), 'y');
  const { model, check: proof } = await quantizeWeights({ model: b.build(), scheme: { kind: 'blocks' } });
  expect(operatorsOf(model)).toEqual(['MatMulNBits', 'Add']);
  expect(proof.status).toBe('passed');
});
