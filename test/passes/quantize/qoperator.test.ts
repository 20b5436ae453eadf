import { describe, expect, it } from 'vitest';
import { ortRunner } from '../../../src/backends/ort/run.js';
import { type Attribute, floatAttribute, intAttribute, intsAttribute } from '../../../src/ir/attribute.js';
import type { Model, Value } from '../../../src/ir/graph.js';
import { floatTensor, type Tensor, tensorData, tensorFromData } from '../../../src/ir/tensor.js';
import { optimize } from '../../../src/optimize.js';
import { qdqToQoperator } from '../../../src/passes/quantize/qoperator/qdq_to_qoperator.js';
import { qoperatorToQdq } from '../../../src/passes/quantize/qoperator/qoperator_to_qdq.js';
import { applyPass, ModelBuilder, operatorsOf, randomTensor, reasonsOf } from '../../build_model.js';
import { basicBlock, noise } from './small_networks.js';

type Kind = 'int8' | 'uint8';

const integers = (kind: Kind, dims: readonly number[], seed: number): Tensor => {
  const values = tensorData(randomTensor(dims, seed)) as Float32Array;
  return kind === 'int8'
    ? tensorFromData(
        'int8',
        dims,
        Int8Array.from(values, (value) => value * 127),
      )
    : tensorFromData(
        'uint8',
        dims,
        Uint8Array.from(values, (value) => 128 + value * 127),
      );
};

class IntegerBuilder extends ModelBuilder {
  private count = 0;

  constructor(opset = 17) {
    super(opset);
    this.editor.setOpsetImport('com.microsoft', 1);
  }

  parameters(kind: Kind, scale: number | readonly number[], zero: number): [Value, Value] {
    this.count += 1;
    const scales = typeof scale === 'number' ? [scale] : scale;
    const dims = typeof scale === 'number' ? [] : [scales.length];
    const zeros = kind === 'int8' ? new Int8Array(scales.length) : new Uint8Array(scales.length);
    return [
      this.constant(`s${this.count}`, floatTensor(scales, dims)),
      this.constant(`z${this.count}`, tensorFromData(kind, dims, zeros.fill(zero))),
    ];
  }
}

type Case = { readonly build: (b: IntegerBuilder, x: Value, kind: Kind) => Value; readonly to: string };

const contrib = { domain: 'com.microsoft' };

const second = (b: IntegerBuilder, kind: Kind, zero: number): Value[] => [
  b.constant('other', integers(kind, [1, 4, 6, 6], 9)),
  ...b.parameters(kind, 0.011, zero),
];

const cases: Record<string, Case> = {
  QLinearConv: {
    to: 'Conv',
    build: (b, x, kind) =>
      b.op(
        'QLinearConv',
        [
          x,
          ...b.parameters(kind, 0.02, 3),
          b.constant('w', integers('int8', [5, 4, 3, 3], 2)),
          ...b.parameters('int8', [0.01, 0.02, 0.005, 0.03, 0.01], 0),
          ...b.parameters(kind, 0.09, 7),
          b.constant('bias', tensorFromData('int32', [5], Int32Array.of(900, -400, 0, 77, 5000))),
        ],
        { attributes: [intsAttribute('pads', [1, 1, 1, 1])] },
      ),
  },
  QLinearMatMul: {
    to: 'MatMul',
    build: (b, x, kind) =>
      b.op('QLinearMatMul', [
        x,
        ...b.parameters(kind, 0.02, 3),
        b.constant('w', integers('int8', [6, 3], 2)),
        ...b.parameters('int8', [0.01, 0.02, 0.005], 0),
        ...b.parameters(kind, 0.03, 7),
      ]),
  },
  QGemm: {
    to: 'Gemm',
    build: (b, x, kind) =>
      b.op(
        'QGemm',
        [
          b.op('Flatten', [x]),
          ...b.parameters(kind, 0.02, 3),
          b.constant('w', integers('int8', [5, 144], 2)),
          ...b.parameters('int8', [0.001, 0.002, 0.0005, 0.003, 0.001], 0),
          b.constant('bias', tensorFromData('int32', [5], Int32Array.of(900, -400, 0, 77, 5000))),
          ...b.parameters(kind, 0.03, 7),
        ],
        { ...contrib, attributes: [intAttribute('transB', 1)] },
      ),
  },
  QLinearAdd: {
    to: 'Add',
    build: (b, x, kind) =>
      b.op(
        'QLinearAdd',
        [x, ...b.parameters(kind, 0.02, 3), ...second(b, kind, 9), ...b.parameters(kind, 0.03, 5)],
        contrib,
      ),
  },
  QLinearMul: {
    to: 'Mul',
    build: (b, x, kind) =>
      b.op(
        'QLinearMul',
        [x, ...b.parameters(kind, 0.02, 3), ...second(b, kind, 9), ...b.parameters(kind, 0.02, 5)],
        contrib,
      ),
  },
  QLinearSigmoid: {
    to: 'Sigmoid',
    build: (b, x, kind) =>
      b.op('QLinearSigmoid', [x, ...b.parameters(kind, 0.05, 3), ...b.parameters(kind, 1 / 256, 0)], contrib),
  },
  QLinearLeakyRelu: {
    to: 'LeakyRelu',
    build: (b, x, kind) =>
      b.op('QLinearLeakyRelu', [x, ...b.parameters(kind, 0.02, 3), ...b.parameters(kind, 0.02, 0)], {
        ...contrib,
        attributes: [floatAttribute('alpha', 0.1)],
      }),
  },
  QLinearAveragePool: {
    to: 'AveragePool',
    build: (b, x, kind) =>
      b.op('QLinearAveragePool', [x, ...b.parameters(kind, 0.02, 3), ...b.parameters(kind, 0.02, 1)], {
        ...contrib,
        attributes: [
          intsAttribute('kernel_shape', [3, 3]),
          intsAttribute('pads', [1, 1, 1, 1]),
          intAttribute('channels_last', 0),
        ],
      }),
  },
  QLinearGlobalAveragePool: {
    to: 'GlobalAveragePool',
    build: (b, x, kind) =>
      b.op('QLinearGlobalAveragePool', [x, ...b.parameters(kind, 0.02, 3), ...b.parameters(kind, 0.01, 1)], contrib),
  },
  QLinearConcat: {
    to: 'Concat',
    build: (b, x, kind) =>
      b.op(
        'QLinearConcat',
        [...b.parameters(kind, 0.02, 3), x, ...b.parameters(kind, 0.02, 3), ...second(b, kind, 9)],
        {
          ...contrib,
          attributes: [intAttribute('axis', 1)],
        },
      ),
  },
};

function modelOf({ build }: Case, kind: Kind): Model {
  const b = new IntegerBuilder();
  b.output(build(b, b.input('x', [1, 4, 6, 6], kind), kind), 'y', kind);
  return b.build();
}

/** The largest difference of the outputs in steps of the integers, and the largest output. */
async function steps(a: Model, b: Model, kind: Kind): Promise<{ steps: number; largest: number }> {
  const feeds = new Map([['x', integers(kind, [1, 4, 6, 6], 5)]]);
  const run = async (model: Model) => {
    const session = await ortRunner()(model, { optimize: false });
    const result = (await session.run(feeds)).get('y')!;
    await session.close();
    return result;
  };
  const [left, right] = [await run(a), await run(b)];
  expect(right.dims).toEqual(left.dims);
  expect(right.dtype).toBe(left.dtype);
  const [x, y] = [left, right].map((tensor) => Array.from(tensorData(tensor), Number));
  return {
    steps: Math.max(...x!.map((value, index) => Math.abs(value - y![index]!))),
    largest: Math.max(...x!.map(Math.abs)),
  };
}

describe.each(Object.entries(cases))('%s', (name, each) => {
  it.each<Kind>(['uint8', 'int8'])('of %s is spelled in floats, and back, within one step', async (kind) => {
    const model = modelOf(each, kind);
    const { model: floats } = await applyPass(model, qoperatorToQdq);
    expect(operatorsOf(floats)).toContain(each.to);
    expect(operatorsOf(floats)).not.toContain(name);
    const there = await steps(model, floats, kind);
    expect(there.largest).toBeGreaterThan(10);
    expect(there.steps).toBeLessThanOrEqual(1);
    const { model: back } = await applyPass(floats, qdqToQoperator);
    expect(operatorsOf(back)).toContain(name);
    expect(operatorsOf(back)).not.toContain(each.to);
    // The same operator with the same operands.
    expect((await steps(model, back, kind)).steps).toBe(0);
  });
});

describe('operators on integers', () => {
  it('of a Gemm leave out the beta that they have not, and decline what they cannot say', async () => {
    const gemm = (attributes: readonly Attribute[]) => {
      const b = new IntegerBuilder();
      const x = b.op('DequantizeLinear', [b.input('x', [4, 6], 'uint8'), ...b.parameters('uint8', 0.02, 3)]);
      const w = b.op('DequantizeLinear', [
        b.constant('w', integers('int8', [6, 5], 2)),
        ...b.parameters('int8', 0.01, 0),
      ]);
      const y = b.op('Gemm', [x, w], { attributes });
      b.output(b.op('QuantizeLinear', [y, ...b.parameters('uint8', 0.03, 7)]), 'y', 'uint8');
      return b.build();
    };
    const { model } = await applyPass(gemm([floatAttribute('beta', 1)]), qdqToQoperator);
    expect(operatorsOf(model)).toContain('QGemm');
    for (const attribute of [floatAttribute('alpha', 0.5), floatAttribute('beta', 2)]) {
      const { model: kept } = await applyPass(gemm([attribute]), qdqToQoperator);
      expect(operatorsOf(kept)).toContain('Gemm');
    }
  });

  it('stay where a scale is computed, or where the layout has no float spelling', async () => {
    const b = new IntegerBuilder();
    const x = b.input('x', [1, 4, 6, 6], 'uint8');
    const [scale, zero] = b.parameters('uint8', 0.02, 3);
    const computed = b.op('Abs', [b.input('s', [])]);
    b.output(b.op('QLinearSigmoid', [x, computed, zero, scale, zero], contrib), 'a', 'uint8');
    const attributes = [intAttribute('channels_last', 1)];
    b.output(b.op('QLinearGlobalAveragePool', [x, scale, zero, scale, zero], { ...contrib, attributes }), 'b', 'uint8');
    b.output(b.op('ConvInteger', [x, b.constant('w', integers('uint8', [2, 4, 1, 1], 3))]), 'c', 'int32');
    const { model, report } = await applyPass(b.build(), qoperatorToQdq);
    expect(operatorsOf(model)).toEqual(['Abs', 'QLinearSigmoid', 'QLinearGlobalAveragePool', 'ConvInteger']);
    expect(reasonsOf(report)).toEqual(['a scale is not constant', 'channels_last has no float spelling']);
  });

  it('move data between pairs of one scale, and do not where it changes', async () => {
    const build = (after: number) => {
      const b = new IntegerBuilder();
      const x = b.input('x', [1, 4, 6, 6], 'int8');
      const float = b.op('DequantizeLinear', [x, ...b.parameters('int8', 0.02, 3)]);
      const moved = b.op('Transpose', [float], { attributes: [intsAttribute('perm', [0, 2, 3, 1])] });
      b.output(b.op('QuantizeLinear', [moved, ...b.parameters('int8', after, 3)]), 'y', 'int8');
      return b.build();
    };
    const same = build(0.02);
    const { model } = await applyPass(same, qdqToQoperator);
    expect(operatorsOf(model)).not.toContain('QuantizeLinear');
    expect((await steps(same, model, 'int8')).steps).toBe(0);
    const { model: kept, report } = await applyPass(build(0.03), qdqToQoperator);
    expect(operatorsOf(kept)).toContain('QuantizeLinear');
    expect(reasonsOf(report)).toContain('the scale changes');
  });
});

describe('the format qoperator', () => {
  it('leaves no pair around the convolutions of a residual block, which answers as the original', async () => {
    const model = basicBlock();
    const data = noise(model);
    const result = await optimize({
      model,
      target: 'ort-cpu',
      precision: 'int8',
      calibration: { data },
      check: { data },
      quantization: { gate: 'none', format: 'qoperator', include: ['conv*'] },
    });
    expect(result.check.status).toBe('passed');
    const operators = operatorsOf(result.model);
    expect(operators.filter((each) => each === 'QLinearConv')).toHaveLength(4);
    expect(operators).toContain('QLinearAdd');
    expect(operators.filter((each) => each.startsWith('Dequantize'))).toHaveLength(1);
  });

  it('is refused for a target that takes pairs only', async () => {
    const model = basicBlock();
    const options = { precision: 'int8', quantization: { format: 'qoperator' } } as const;
    await expect(optimize({ model, target: 'tensorrt@10', ...options })).rejects.toThrow('usage/format-not-offered');
  });
});
