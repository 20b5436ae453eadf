import { describe, expect, it } from 'vitest';
import type { Model, Value } from '../../../src/ir/graph.js';
import { floatTensor, tensorData, tensorFromData } from '../../../src/ir/tensor.js';
import { lintModel } from '../../../src/lint.js';
import { optimize } from '../../../src/optimize.js';
import type { PlacementOptions } from '../../../src/passes/quantize/selection.js';
import { operatorsOf, randomTensor } from '../../build_model.js';
import { qdqText } from './qdq_text.js';
import {
  attention,
  basicBlock,
  downsamplingBlock,
  image,
  joinedBranches,
  NetworkBuilder,
  noise,
} from './small_networks.js';

class PartlyQuantized extends NetworkBuilder {
  pair(name: string, x: Value, scale: number, zero = 0): Value {
    const parameters = [
      this.constant(`${name}_scale`, floatTensor([scale], [])),
      this.constant(`${name}_zero`, tensorFromData('int8', [], Int8Array.of(zero))),
    ];
    const quantized = this.op('QuantizeLinear', [x, ...parameters], { outputs: [`${name}_q`] });
    return this.op('DequantizeLinear', [quantized, ...parameters], { outputs: [`${name}_dq`] });
  }

  /** A convolution whose weights are stored as integers. */
  storedConv(name: string, x: Value): Value {
    const given = tensorData(randomTensor([16, 16, 1, 1], 8)) as Float32Array;
    const stored = tensorFromData(
      'int8',
      [16, 16, 1, 1],
      Int8Array.from(given, (value) => value * 127),
    );
    const weight = this.op('DequantizeLinear', [
      this.constant(`${name}_w`, stored),
      this.constant(`${name}_w_scale`, floatTensor([0.004], [])),
    ]);
    return this.named(name, 'Conv', [x, weight]);
  }
}

const complete = (model: Model, target = 'tensorrt@10', quantization: PlacementOptions = {}) =>
  optimize({
    model,
    target,
    precision: 'int8',
    quantization: { correctBias: false, ...quantization },
    calibration: { data: noise(model) },
    // Layers that were float are rounded now: noise of a few 8-bit layers.
    check: { data: noise(model), tolerance: { minSqnr: 20 } },
  });

const build = (make: (b: PartlyQuantized, x: Value) => Value): Model => {
  const b = new PartlyQuantized();
  b.output(make(b, b.input('x', image)), 'y');
  return b.build();
};

const countPairs = (model: Model) => operatorsOf(model).filter((each) => each === 'QuantizeLinear').length;

describe('a model that has Q/DQ pairs already', () => {
  it.each([
    ['a residual block', basicBlock()],
    ['a block that samples down', downsamplingBlock()],
    ['joined branches', joinedBranches()],
    ['attention', attention(24)],
  ])('is as it was when it is complete, without calibration data: %s', async (_, model) => {
    const { model: once } = await complete(model);
    const twice = await optimize({ model: once, target: 'tensorrt@10', precision: 'int8' });
    expect(qdqText(twice.model.graph)).toEqual(qdqText(once.graph));
    expect(countPairs(twice.model)).toBe(countPairs(once));
    expect(twice.quantization!.samples).toBe(0);
    expect(lintModel(twice.model, { target: 'tensorrt@10' }).findings).toEqual([]);
  });

  it('keeps its scales, hands them on through what moves data, and has the rest filled in', async () => {
    const model = build((b, x) => {
      const a = b.pair('a', b.named('relu', 'Relu', [b.conv('conv1', x)]), 0.05);
      const pooled = b.named('pooled', 'MaxPool', [a], [['kernel_shape', [2, 2]]]);
      return b.conv('conv3', b.named('relu2', 'Relu', [b.conv('conv2', pooled)]));
    });
    const { model: result, quantization } = await complete(model);
    expect(qdqText(result.graph)).toMatchInlineSnapshot(`
      [
        "conv1 = Conv(8 x @x, 8 conv1_w, conv1_b)",
        "relu = Relu(conv1)",
        "pooled = MaxPool(8 relu @a)",
        "conv2 = Conv(8 pooled @a, 8 conv2_w, conv2_b)",
        "relu2 = Relu(conv2)",
        "y = Conv(8 relu2 @relu2, 8 conv3_w, conv3_b)",
        "return y = y",
      ]
    `);
    // The pooled value has no range of its own, the scale it is given is that of the pair.
    expect([...quantization!.ranges.keys()].sort()).toEqual(['relu2', 'x']);
    expect(scalesBehind(result, 'pooled')).toEqual([Math.fround(0.05)]);
  });

  it('gives what is joined with a value the scale that the value brought along', async () => {
    const model = build((b, x) => {
      const a = b.pair('a', b.named('relu', 'Relu', [b.conv('conv1', x)]), 0.8);
      const c = b.named('relu2', 'Relu', [b.conv('conv2', a)]);
      return b.conv('conv3', b.concat('all', [a, c]), 16, 1, 32);
    });
    const { model: result } = await complete(model);
    expect(qdqText(result.graph)).toMatchInlineSnapshot(`
      [
        "conv1 = Conv(8 x @x, 8 conv1_w, conv1_b)",
        "relu = Relu(conv1)",
        "conv2 = Conv(8 relu @a, 8 conv2_w, conv2_b)",
        "relu2 = Relu(conv2)",
        "all = Concat(8 relu @a, 8 relu2 @a)",
        "y = Conv(8 all @a, 8 conv3_w, conv3_b)",
        "return y = y",
      ]
    `);
    expect([...scalesBehind(result, 'relu2'), ...scalesBehind(result, 'all')]).toEqual([0.8, 0.8].map(Math.fround));
    expect(lintModel(result, { target: 'tensorrt@10' }).findings).toEqual([]);
  });

  it('does not squeeze what is joined into a scale that it does not fit, and the linter says what that costs', async () => {
    const model = build((b, x) => {
      const a = b.pair('a', b.named('relu', 'Relu', [b.conv('conv1', x)]), 0.1);
      const c = b.named('relu2', 'Relu', [b.conv('conv2', a)]);
      return b.conv('conv3', b.concat('all', [a, c]), 16, 1, 32);
    });
    const { model: result, diagnostics } = await complete(model);
    expect(diagnostics.map(({ code }) => code)).toContain('quantize/pairs-break-rules');
    expect(scalesBehind(result, 'relu')).toEqual([Math.fround(0.1)]);
    expect(scalesBehind(result, 'relu2')[0]).toBeGreaterThan(0.2);
    const { findings } = lintModel(result, { target: 'tensorrt@10' });
    expect(findings.map(({ code }) => code)).toEqual(['lint/joined-scales']);
  });

  it('keeps weights that are integers, and quantizes the input that was forgotten', async () => {
    const model = build((b, x) => b.storedConv('conv2', b.named('relu', 'Relu', [b.conv('conv1', x)])));
    for (const target of ['tensorrt@10', 'ort-cpu']) {
      const { model: result } = await complete(model, target);
      const stored = result.graph.values.get('conv2_w')?.initializer;
      expect(stored?.dtype).toBe('int8');
      const before = model.graph.values.get('conv2_w')!.initializer!;
      expect(stored?.kind === 'dense' && before.kind === 'dense' && tensorData(stored)).toEqual(
        before.kind === 'dense' && tensorData(before),
      );
      expect(qdqText(result.graph).at(-2)).toMatch(/Conv\(8 (relu|conv1) @relu, 8 conv2_w\)$/);
    }
  });

  it('reads the pair there is where a second reader was forgotten, and pairs are not doubled', async () => {
    const model = build((b, x) => {
      const relu = b.named('relu', 'Relu', [b.conv('conv1', x)]);
      const left = b.conv('conv2', b.pair('a', relu, 0.12));
      return b.named('sum', 'Add', [b.named('r', 'Relu', [left]), b.named('s', 'Relu', [b.conv('conv3', relu)])]);
    });
    const { model: result } = await complete(model);
    expect(qdqText(result.graph)).toMatchInlineSnapshot(`
      [
        "conv1 = Conv(8 x @x, 8 conv1_w, conv1_b)",
        "relu = Relu(conv1)",
        "conv2 = Conv(8 relu @a, 8 conv2_w, conv2_b)",
        "r = Relu(conv2)",
        "conv3 = Conv(8 relu @a, 8 conv3_w, conv3_b)",
        "s = Relu(conv3)",
        "y = Add(r, s)",
        "return y = y",
      ]
    `);
    expect(scalesBehind(result, 'relu')).toEqual([Math.fround(0.12)]);
  });

  it('is given other scales, or loses a pair, where that is asked for', async () => {
    const model = build((b, x) => {
      const a = b.pair('a', b.named('relu', 'Relu', [b.conv('conv1', x)]), 0.12);
      const c = b.pair('c', b.named('relu2', 'Relu', [b.conv('conv2', a)]), 0.8);
      return b.conv('conv3', c);
    });
    const { model: result } = await complete(model, 'tensorrt@10', {
      tensors: [
        { match: 'relu', range: { min: 0, max: 25.4 } },
        { match: 'relu2', skip: true },
      ],
    });
    expect(scalesBehind(result, 'relu')).toEqual([Math.fround(0.2)]);
    expect(scalesBehind(result, 'relu2')).toEqual([]);
    expect(qdqText(result.graph).at(-2)).toBe('y = Conv(relu2, conv3_w, conv3_b)');
  });

  it('keeps ranges where the target does not take their form: uint8 to int8, with steps as wide as it needs', async () => {
    const { model: unsigned } = await optimize({
      model: basicBlock(),
      target: 'ort-cpu',
      cpu: 'vnni',
      precision: 'int8',
      quantization: { gate: 'none', include: ['conv*'] },
      calibration: { data: noise(basicBlock()) },
      check: false,
    });
    expect(lintModel(unsigned, { target: 'tensorrt@10' }).findings.map(({ code }) => code)).toContain('lint/uint8');
    const standard = lintModel(unsigned, { target: 'tensorrt@10', fix: true });
    expect(standard.findings.every(({ code }) => code === 'lint/zero-point')).toBe(true);
    const result = await optimize({
      model: unsigned,
      target: 'tensorrt@10',
      precision: 'int8',
      check: { data: noise(basicBlock()), tolerance: { minSqnr: 20 } },
    });
    expect(result.check.status).toBe('passed');
    expect(result.quantization!.samples).toBe(0);
    expect(result.diagnostics.map(({ code }) => code)).toContain('quantize/pairs-made-symmetric');
    const left = lintModel(result.model, { target: 'tensorrt@10' }).findings.map(({ code }) => code);
    expect(left).not.toContain('lint/uint8');
    expect(left).not.toContain('lint/zero-point');
    expect(left).not.toContain('lint/quantized-bias');
  });

  it('has a second reader of a value read it in float where the pair stands for an activation', async () => {
    const model = build((b, x) => {
      const conv = b.conv('conv1', x);
      const relu = b.pair('a', conv, 0.06, -128);
      return b.concat('all', [b.conv('conv2', relu), b.conv('conv3', conv)]);
    });
    const layers = { include: ['conv2', 'conv3'] };
    const { model: result } = await complete(model, 'ort-cpu', layers);
    expect(qdqText(result.graph)).toContain('conv2 = Conv(8 conv1 @a, 8 conv2_w, 8 conv2_b)');
    expect(qdqText(result.graph)).toContain('conv3 = Conv(conv1, conv3_w, conv3_b)');
    expect(scalesBehind(result, 'conv1')).toEqual([Math.fround(0.06)]);
    // Where the range has to become symmetric, the activation is spelled out, and each reader has a pair of its own.
    const { model: symmetric } = await complete(model, 'portable', layers);
    expect(qdqText(symmetric.graph).slice(1, 4)).toEqual([
      'conv1_positive = Relu(conv1)',
      'conv2 = Conv(8 conv1_positive @conv1_positive, 8 conv2_w, conv2_b)',
      'conv3 = Conv(8 conv1 @conv1, 8 conv3_w, conv3_b)',
    ]);
  });

  it('is taken up where it is written with operators on integers', async () => {
    const { model: integers } = await optimize({
      model: basicBlock(),
      target: 'ort-cpu',
      precision: 'int8',
      calibration: { data: noise(basicBlock()) },
      check: false,
      quantization: { gate: 'none', format: 'qoperator' },
    });
    const result = await optimize({
      model: integers,
      target: 'ort-cpu',
      precision: 'int8',
      check: { data: noise(basicBlock()) },
    });
    expect(result.check.status).toBe('passed');
    expect(operatorsOf(result.model).filter((each) => each.startsWith('QLinear'))).toEqual([]);
    expect(result.quantization!.eightBit).toBeGreaterThan(1);
  });
});

/** The scales of the pairs that round a value. */
const scalesBehind = (model: Model, name: string): number[] =>
  Array.from(model.graph.values.get(name)!.uses).flatMap((use) => {
    if (use.kind !== 'node' || use.user.opType !== 'QuantizeLinear') return [];
    const scale = use.user.inputs[1]!.initializer;
    return scale?.kind === 'dense' ? [Number(tensorData(scale)[0])] : [];
  });
