import { describe, expect, it } from 'vitest';
import { ortRunner } from '../../../src/backends/ort/run.js';
import { intAttribute, intsAttribute, stringAttribute } from '../../../src/ir/attribute.js';
import { constantTensor } from '../../../src/ir/constant.js';
import { Editor } from '../../../src/ir/editor.js';
import type { Model } from '../../../src/ir/graph.js';
import { floatTensor, int64Tensor, type Tensor, tensorData, tensorFromData } from '../../../src/ir/tensor.js';
import { type DynamicOptions, quantizeDynamic } from '../../../src/passes/quantize/quantize_dynamic.js';
import { roundHalfEven } from '../../../src/passes/quantize/ranges.js';
import { applyPass, largestDifference, ModelBuilder, operatorsOf, randomTensor, reasonsOf } from '../../build_model.js';

const defaults: DynamicOptions = {
  dtype: 'int8',
  limit: 64,
  scales: 'range',
  form: 'MatMulInteger',
  convolutions: false,
  embeddings: false,
};

const apply = (model: Model, changes: Partial<DynamicOptions> = {}) =>
  applyPass(model, quantizeDynamic({ ...defaults, ...changes }));

/** What DynamicQuantizeLinear makes of a tensor, brought back. */
function roundTrip(tensor: Tensor): Tensor {
  const data = tensorData(tensor) as Float32Array;
  const [min, max] = [Math.min(0, ...data), Math.max(0, ...data)];
  const scale = Math.fround((max - min) / 255);
  const zero = Math.min(255, Math.max(0, roundHalfEven(-min / scale)));
  const back = data.map((value) => {
    const code = Math.min(255, Math.max(0, roundHalfEven(value / scale) + zero));
    return (code - zero) * scale;
  });
  return floatTensor(back, tensor.dims);
}

function product(outputs = 48): Model {
  const b = new ModelBuilder(17);
  b.output(b.op('MatMul', [b.input('x', ['B', 'N', 64]), b.constant('w', randomTensor([64, outputs], 3))]), 'y');
  return b.build();
}

/** The float product with the weights that the codes of `model` stand for. */
function byHand(model: Model, outputs = 48): Model {
  const tensors = new Map([...model.graph.initializers].map((value) => [value.name, constantTensor(value)!]));
  const read = (name: string) => Array.from(tensorData(tensors.get(name)!), Number);
  const [codes, scales, zeros] = [read('w_codes'), read('w_scales'), read('w_zero_points')];
  const weights = codes.map((code, index) => (code - zeros[index % outputs]!) * scales[index % outputs]!);
  const b = new ModelBuilder(17);
  b.output(b.op('MatMul', [b.input('x', ['B', 'N', 64]), b.constant('w', floatTensor(weights, [64, outputs]))]), 'y');
  return b.build();
}

/** Largest difference of two models, each on feeds of its own. */
async function differenceOn(a: Model, aFeed: Tensor, b: Model, bFeed: Tensor): Promise<number> {
  const run = async (model: Model, x: Tensor) => {
    const session = await ortRunner()(model, { optimize: false });
    const results = await session.run(new Map([['x', x]]));
    await session.close();
    return tensorData(results.get('y')!) as Float32Array;
  };
  const [left, right] = [await run(a, aFeed), await run(b, bFeed)];
  return left.reduce((most, value, index) => Math.max(most, Math.abs(value - right[index]!)), 0);
}

describe('quantize-dynamic', () => {
  const x = randomTensor([2, 3, 64], 9);

  it.each([
    ['int8 in operators of the standard', {}],
    ['uint8 with zero points in operators of the standard', { dtype: 'uint8' }],
    ['int8 in one operator', { form: 'DynamicQuantizeMatMul' }],
    ['uint8 in one operator', { form: 'DynamicQuantizeMatMul', dtype: 'uint8' }],
    ['scales of the least squared error', { scales: 'mse' }],
  ] as const)('gives what codes brought back by hand give: %s', async (_, changes) => {
    const { model } = await apply(product(), changes);
    expect(operatorsOf(model)).toEqual(
      'form' in changes ? ['DynamicQuantizeMatMul'] : ['DynamicQuantizeLinear', 'MatMulInteger', 'Mul', 'Cast', 'Mul'],
    );
    // Integer sums are exact; float ones of 64 products of at most 1 are rounded.
    expect(await differenceOn(byHand(model), roundTrip(x), model, x)).toBeLessThan(2e-5);
  });

  it('is off from float by the steps of weights and activations', async () => {
    const original = product();
    // 64 products: weights off by 0.5/64, activations by 0.5 · 2/255, each times at most 1.
    expect(await largestDifference(original, (await apply(original)).model, { x })).toBeLessThan(64 * 0.0118);
  });

  it('quantizes an activation once for all that read it, and keeps the bias of a Gemm', async () => {
    const b = new ModelBuilder(17);
    const input = b.input('x', [3, 64]);
    const activation = b.op('Relu', [input]);
    for (const name of ['q', 'k', 'v']) {
      const inputs = [
        activation,
        b.constant(`${name}_w`, randomTensor([64, 32], 3)),
        b.constant(`${name}_b`, randomTensor([32], 4)),
      ];
      b.output(b.op('Gemm', inputs), name);
    }
    const original = b.build();
    const feeds = { x: randomTensor([3, 64], 2) };
    const { model } = await apply(original);
    expect(operatorsOf(model).filter((op) => op === 'DynamicQuantizeLinear')).toHaveLength(1);
    expect(operatorsOf(model).filter((op) => op === 'Add')).toHaveLength(3);
    expect(await largestDifference(original, model, feeds)).toBeLessThan(64 * 0.0118);
    const own = (await apply(original, { form: 'DynamicQuantizeMatMul' })).model;
    expect(operatorsOf(own)).toEqual(['Relu', ...Array(3).fill('DynamicQuantizeMatMul')]);
    expect(await largestDifference(model, own, feeds)).toBeLessThan(1e-5);
  });

  it.each(['MatMulInteger', 'DynamicQuantizeMatMul'] as const)(
    'follows layers that stand right behind each other: %s',
    async (form) => {
      const b = new ModelBuilder(17);
      const first = b.op('MatMul', [b.input('x', [3, 64]), b.constant('w1', randomTensor([64, 64], 3))]);
      b.output(b.op('Gemm', [first, b.constant('w2', randomTensor([64, 64], 4)), first]), 'y');
      const { model } = await apply(b.build(), { form });
      expect(operatorsOf(model).filter((op) => op === form)).toHaveLength(2);
      // Answers reach 40; measured 0.43. A layer that read the wrong value would be off by tens.
      const difference = await largestDifference(b.build(), model, { x: randomTensor([3, 64], 2) });
      expect(difference).toBeLessThan(1);
    },
  );

  it('adds a bias behind its one operator where that is not one number for each output', async () => {
    const b = new ModelBuilder(17);
    const inputs = [b.input('x', [3, 64]), b.constant('w', randomTensor([64, 32], 3)), b.input('c', [3, 1])];
    b.output(b.op('Gemm', inputs), 'y');
    const { model } = await apply(b.build(), { form: 'DynamicQuantizeMatMul' });
    expect(operatorsOf(model)).toEqual(['DynamicQuantizeMatMul', 'Add']);
    const feeds = { x: randomTensor([3, 64], 2), c: randomTensor([3, 1], 5) };
    expect(await largestDifference(b.build(), model, feeds)).toBeLessThan(64 * 0.0118);
  });

  it('convolves integers where asked to', async () => {
    const b = new ModelBuilder(17);
    const inputs = [
      b.input('x', ['N', 8, 9, 9]),
      b.constant('w', randomTensor([16, 8, 3, 3], 3)),
      b.constant('c', randomTensor([16], 5)),
    ];
    const attributes = [intsAttribute('pads', [1, 1, 0, 2]), intsAttribute('strides', [2, 1])];
    b.output(b.op('Conv', inputs, { attributes }), 'y');
    await expect(apply(b.build())).rejects.toThrow('quantize/nothing-to-quantize');
    const { model } = await apply(b.build(), { convolutions: true });
    expect(operatorsOf(model)).toEqual(['DynamicQuantizeLinear', 'ConvInteger', 'Mul', 'Cast', 'Mul', 'Add']);
    // 72 products: weights off by 0.5/127, activations by 0.5 · 2/255.
    const feeds = { x: randomTensor([2, 8, 9, 9], 7) };
    expect(await largestDifference(b.build(), model, feeds)).toBeLessThan(72 * 0.0079);
  });

  it('stores rows of a table where asked to', async () => {
    const b = new ModelBuilder(17);
    const rows = b.op('Gather', [b.constant('table', randomTensor([40, 64], 3)), b.input('ids', ['N'], 'int64')]);
    b.output(rows, 'y');
    const { model } = await apply(b.build(), { embeddings: true });
    expect(operatorsOf(model)).toEqual(['Gather', 'Cast', 'Gather', 'Mul']);
    expect(await largestDifference(b.build(), model, { ids: int64Tensor([3, 39, 0]) })).toBeLessThan(0.5 / 127 + 1e-6);
  });
});

describe('quantize-dynamic of recurrent layers', () => {
  function lstm(directions: 1 | 2, optional: boolean): Model {
    const b = new ModelBuilder(17);
    const [input, hidden] = [40, 24];
    const inputs = [
      b.input('x', [5, 2, input]),
      b.constant('w', randomTensor([directions, 4 * hidden, input], 3)),
      b.constant('r', randomTensor([directions, 4 * hidden, hidden], 4)),
      optional ? b.constant('b', randomTensor([directions, 8 * hidden], 5)) : null,
      null,
      optional ? b.input('h', [directions, 2, hidden]) : null,
      optional ? b.input('c', [directions, 2, hidden]) : null,
    ];
    const attributes = [
      intAttribute('hidden_size', hidden),
      stringAttribute('direction', directions === 2 ? 'bidirectional' : 'forward'),
    ];
    const outputs = b.ops('LSTM', inputs, { attributes, outputs: ['y', 'yh', 'yc'] });
    for (const output of outputs) b.output(output, output.name);
    return b.build();
  }

  it.each([
    [1, false, 'int8'],
    [2, false, 'int8'],
    [2, true, 'int8'],
    [2, true, 'uint8'],
  ] as const)('LSTM of %i directions, state and bias given: %s, weights %s', async (directions, optional, dtype) => {
    const original = lstm(directions, optional);
    const { model } = await apply(original, { form: 'DynamicQuantizeMatMul', dtype });
    expect(operatorsOf(model)).toEqual(['DynamicQuantizeLSTM']);
    const feeds = {
      x: randomTensor([5, 2, 40], 7),
      ...(optional && { h: randomTensor([directions, 2, 24], 8), c: randomTensor([directions, 2, 24], 9) }),
    };
    // Measured 0.05; gates saturate, and states stay within ±1.
    expect(await largestDifference(original, model, feeds)).toBeLessThan(0.1);
  });

  it('stay in float, with the reason: GRU, shared weights, no operator for them', async () => {
    const b = new ModelBuilder(17);
    b.output(b.op('MatMul', [b.input('o', [2, 64]), b.constant('taken', randomTensor([64, 64], 8))]), 'z');
    const inputs = [
      b.input('x', [5, 2, 40]),
      b.constant('w', randomTensor([1, 72, 40])),
      b.constant('r', randomTensor([1, 72, 24])),
    ];
    b.output(b.op('GRU', inputs, { attributes: [intAttribute('hidden_size', 24)] }), 'y');
    expect(reasonsOf((await apply(b.build(), { form: 'DynamicQuantizeMatMul' })).report)).toEqual([
      'there is no 8-bit GRU',
    ]);
    await expect(apply(lstm(1, false))).rejects.toThrow('the target has no 8-bit LSTM');
  });

  it('refuses weights that are not finite before it changes anything', async () => {
    const model = lstm(1, false);
    const bad = randomTensor([1, 96, 24], 4);
    (tensorData(bad) as Float32Array)[5] = Number.NaN;
    const r = [...model.graph.initializers].find(({ name }) => name === 'r')!;
    new Editor(model).setInitializer(r, bad);
    await expect(apply(model, { form: 'DynamicQuantizeMatMul' })).rejects.toThrow(
      'quantize/weights-not-finite: "r" holds NaN at element 5',
    );
  });
});

it('quantize-dynamic asks for opset 11', async () => {
  const b = new ModelBuilder(10);
  b.output(b.op('MatMul', [b.input('x', [2, 64]), b.constant('w', randomTensor([64, 64], 3))]), 'y');
  await expect(apply(b.build())).rejects.toThrow('quantize/opset-too-old');
});

it('quantize-dynamic leaves half-precision weights alone', async () => {
  const b = new ModelBuilder(17);
  const w = tensorFromData('float16', [64, 64], new Uint16Array(4096));
  b.output(b.op('MatMul', [b.input('x', [2, 64], 'float16'), b.constant('w', w)]), 'y', 'float16');
  await expect(apply(b.build())).rejects.toThrow('its weights are not float32');
});
