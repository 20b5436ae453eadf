import { describe, expect, it } from 'vitest';
import { intAttribute, stringAttribute } from '../../../src/ir/attribute.js';
import type { Model, Value } from '../../../src/ir/graph.js';
import { floatTensor, tensorData } from '../../../src/ir/tensor.js';
import { type OptimizeOptions, optimize } from '../../../src/optimize.js';
import { qdqText } from './qdq_text.js';
import { attention, basicBlock, downsamplingBlock, image, ints, NetworkBuilder, noise } from './small_networks.js';

async function quantized(model: Model, options: Partial<OptimizeOptions> = {}) {
  const data = noise(model);
  const result = await optimize({
    model,
    target: 'tensorrt@10',
    precision: 'int8',
    calibration: { data },
    quantization: { correctBias: false },
    // Few channels of noise: a rough bound that a wrong scale or a lost branch would break.
    check: { data, tolerance: { minSqnr: 20 } },
    ...options,
  });
  expect(result.check.status).toBe('passed');
  return { ...result, text: qdqText(result.model.graph) };
}

const network = (build: (b: NetworkBuilder, x: Value) => Value, dims: readonly number[] = image): Model => {
  const b = new NetworkBuilder();
  b.output(build(b, b.input('x', dims)), 'y');
  return b.build();
};

describe('int8 for tensorrt@10', () => {
  it('puts nothing between a layer and its activation, and none behind the last layer', async () => {
    const { text } = await quantized(network((b, x) => b.conv('conv2', b.named('relu', 'Relu', [b.conv('conv1', x)]))));
    expect(text).toMatchInlineSnapshot(`
      [
        "conv1 = Conv(8 x @x, 8 conv1_w, conv1_b)",
        "relu = Relu(conv1)",
        "y = Conv(8 relu @relu, 8 conv2_w, conv2_b)",
        "return y = y",
      ]
    `);
  });

  it('keeps both parts of a gated activation in float', async () => {
    const { text } = await quantized(
      network((b, x) => {
        const conv = b.conv('conv1', x);
        return b.conv('conv2', b.named('silu', 'Mul', [conv, b.named('gate', 'Sigmoid', [conv])]));
      }),
    );
    expect(text).toMatchInlineSnapshot(`
      [
        "conv1 = Conv(8 x @x, 8 conv1_w, conv1_b)",
        "gate = Sigmoid(conv1)",
        "silu = Mul(conv1, gate)",
        "y = Conv(8 silu @silu, 8 conv2_w, conv2_b)",
        "return y = y",
      ]
    `);
  });

  it('reads the identity of a residual block in 8 bits, and leaves the branch with the layers bare', async () => {
    expect((await quantized(basicBlock())).text).toMatchInlineSnapshot(`
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
  });

  it('leaves the longer of two branches with layers bare', async () => {
    expect((await quantized(downsamplingBlock())).text).toMatchInlineSnapshot(`
      [
        "conv0 = Conv(8 x @x, 8 conv0_w, conv0_b)",
        "stem = Relu(conv0)",
        "conv1 = Conv(8 stem @stem, 8 conv1_w, conv1_b)",
        "relu1 = Relu(conv1)",
        "conv2 = Conv(8 relu1 @relu1, 8 conv2_w, conv2_b)",
        "shortcut = Conv(8 stem @stem, 8 shortcut_w, shortcut_b)",
        "sum = Add(8 shortcut @shortcut, conv2)",
        "relu2 = Relu(sum)",
        "y = Conv(8 relu2 @relu2, 8 conv3_w, conv3_b)",
        "return y = y",
      ]
    `);
  });

  it('takes a value that feeds a sum past all layers for the skip, although a layer gives it', async () => {
    const { text } = await quantized(
      network((b, x) => {
        const down = b.conv('down', x);
        const inner = b.named('act', 'Relu', [b.conv('inner1', down)]);
        return b.named('sum', 'Add', [down, b.conv('inner2', inner)]);
      }),
    );
    expect(text).toMatchInlineSnapshot(`
      [
        "down = Conv(8 x @x, 8 down_w, down_b)",
        "inner1 = Conv(8 down @down, 8 inner1_w, inner1_b)",
        "act = Relu(inner1)",
        "inner2 = Conv(8 act @act, 8 inner2_w, inner2_b)",
        "y = Add(8 down @down, inner2)",
        "return y = y",
      ]
    `);
  });

  it('gives what is joined one scale, whoever else reads it', async () => {
    const { text } = await quantized(
      network((b, x) => {
        const a = b.named('a', 'Relu', [b.conv('conv1', x)]);
        const c = b.named('c', 'Relu', [b.conv('conv2', a)]);
        const all = b.concat('all', [a, c]);
        return b.conv('conv3', all, 16, 1, 32);
      }),
    );
    expect(text).toMatchInlineSnapshot(`
      [
        "conv1 = Conv(8 x @x, 8 conv1_w, conv1_b)",
        "a = Relu(conv1)",
        "conv2 = Conv(8 a @a, 8 conv2_w, conv2_b)",
        "c = Relu(conv2)",
        "all = Concat(8 a @a, 8 c @a)",
        "y = Conv(8 all @a, 8 conv3_w, conv3_b)",
        "return y = y",
      ]
    `);
  });

  it('puts nothing between padding and the convolution that takes it up', async () => {
    const { text } = await quantized(
      network((b, x) => {
        const padded = b.named('padded', 'Pad', [x, ints(b, 'pads', [0, 0, 1, 1, 0, 0, 1, 1])]);
        return b.conv('conv1', padded);
      }),
      // Simplified, the convolution has the padding already.
      { pipeline: [] },
    );
    expect(text).toMatchInlineSnapshot(`
      [
        "padded = Pad(8 x @x, pads)",
        "y = Conv(padded, 8 conv1_w, conv1_b)",
        "return y = y",
      ]
    `);
  });

  it('leaves convolutions of few channels in float, unless both sides divide by 8', async () => {
    const { text, quantization } = await quantized(
      network(
        (b, x) => {
          const a = b.conv('rgb', x, 8, 3, 3);
          const c = b.conv('eights', a, 24, 3, 8);
          return b.conv('few', c, 10, 1, 24);
        },
        [1, 3, 8, 8],
      ),
    );
    expect(text).toMatchInlineSnapshot(`
      [
        "rgb = Conv(x, rgb_w, rgb_b)",
        "eights = Conv(8 rgb @rgb, 8 eights_w, eights_b)",
        "y = Conv(eights, few_w, few_b)",
        "return y = y",
      ]
    `);
    expect(quantization!.floats).toMatchInlineSnapshot(`
      [
        {
          "node": "rgb",
          "reason": "fewer than 16 channels in or out",
        },
        {
          "node": "few",
          "reason": "fewer than 16 channels in or out",
        },
      ]
    `);
  });

  it('leaves a convolution of a single place in float, which is a product with a vector', async () => {
    const { text } = await quantized(
      network((b, x) => {
        const mean = b.named('mean', 'GlobalAveragePool', [b.conv('conv1', x)]);
        return b.named('gated', 'Mul', [x, b.named('gate', 'Sigmoid', [b.conv('squeeze', mean, 16, 1)])]);
      }),
    );
    expect(text).toMatchInlineSnapshot(`
      [
        "conv1 = Conv(8 x @x, 8 conv1_w, conv1_b)",
        "mean = GlobalAveragePool(conv1)",
        "squeeze = Conv(mean, squeeze_w, squeeze_b)",
        "gate = Sigmoid(squeeze)",
        "y = Mul(x, gate)",
        "return y = y",
      ]
    `);
  });

  it('does not give the parts of a split one scale where some of them go on in float', async () => {
    const { text } = await quantized(
      network((b, x) => {
        const [left, right] = b.ops('Split', [b.conv('conv1', x, 32), ints(b, 'sizes', [16, 16])], {
          outputs: ['left', 'right'],
          attributes: [intAttribute('axis', 1)],
        });
        return b.named('sum', 'Mul', [b.conv('conv2', left!), b.named('size', 'Abs', [right!])]);
      }),
    );
    expect(text).toMatchInlineSnapshot(`
      [
        "conv1 = Conv(8 x @x, 8 conv1_w, conv1_b)",
        "left = Split(conv1, sizes)",
        "conv2 = Conv(8 left @left, 8 conv2_w, conv2_b)",
        "size = Abs(right)",
        "y = Mul(conv2, size)",
        "return y = y",
      ]
    `);
  });

  it('leaves products with a vector, and of short sums or few columns, in float', async () => {
    const { text, quantization } = await quantized(
      network(
        (b, x) => {
          const wide = b.matmul('wide', x, 32, 64);
          const narrow = b.matmul('narrow', wide, 64, 8);
          const short = b.matmul('short', narrow, 8, 32);
          const mean = b.named('mean', 'ReduceMax', [short], [['axes', [0]]]);
          return b.matmul('vector', mean, 32, 32);
        },
        [12, 32],
      ),
    );
    expect(text).toMatchInlineSnapshot(`
      [
        "wide = MatMul(8 x @x, 8 wide_w)",
        "narrow = MatMul(wide, narrow_w)",
        "short = MatMul(narrow, short_w)",
        "mean = ReduceMax(short)",
        "y = MatMul(mean, vector_w)",
        "return y = y",
      ]
    `);
    expect(quantization!.floats.map(({ reason }) => reason)).toMatchInlineSnapshot(`
      [
        "fewer than 16 outputs",
        "sums of fewer than 16 products",
        "a product with a vector",
      ]
    `);
  });

  it.each([
    ['short sequences', 24, [2]],
    ['short sequences without a batch', 24, []],
    ['long sequences', 600, [2]],
  ])('quantizes projections around attention, and its products for short ones only: %s', async (_, length, batch) => {
    const { text } = await quantized(attention(length, batch));
    expect(text).toMatchSnapshot();
    const eights = text.filter((line) => /(MatMul|Gemm)\(8 .*, 8 /.test(line)).map((line) => line.split(' ')[0]);
    const products = length === 24 ? ['scores', 'mixed'] : [];
    expect(eights.sort()).toEqual(['k', 'scaled', 'up', 'v', 'y', ...products].sort());
  });

  it('leaves a convolution whose weights are computed in float', async () => {
    const b = new NetworkBuilder();
    const x = b.input('x', image);
    b.output(b.named('made', 'Conv', [b.conv('conv1', x), b.input('w', [16, 16, 1, 1])]), 'y');
    const { text } = await quantized(b.build());
    expect(text).toMatchInlineSnapshot(`
      [
        "conv1 = Conv(8 x @x, 8 conv1_w, conv1_b)",
        "y = Conv(conv1, w)",
        "return y = y",
      ]
    `);
  });

  it('stores zero points 0 as int8 and leaves biases in float', async () => {
    const { model } = await quantized(basicBlock());
    const pairs = [...model.graph.nodes].filter(({ opType }) => /^(Deq|Q)uantizeLinear$/.test(opType));
    expect(pairs.length).toBeGreaterThan(8);
    for (const { inputs } of pairs) {
      const zero = inputs[2]!.initializer!;
      expect(zero.dtype).toBe('int8');
      expect(zero.kind === 'dense' && Array.from(tensorData(zero), Number).every((value) => value === 0)).toBe(true);
    }
  });

  it('hands scales on through what moves data', async () => {
    const { text } = await quantized(
      network((b, x) => {
        const a = b.named('a', 'Relu', [b.conv('conv1', x, 32)]);
        const pooled = b.named(
          'pooled',
          'MaxPool',
          [a],
          [
            ['kernel_shape', [2, 2]],
            ['strides', [2, 2]],
          ],
        );
        const [left, right] = b.ops('Split', [pooled, ints(b, 'sizes', [16, 16])], {
          outputs: ['left', 'right'],
          attributes: [intAttribute('axis', 1)],
        });
        const grown = b.op('Resize', [right!, null, floatTensorValue(b, 'scales', [1, 1, 2, 2])], {
          outputs: ['grown'],
          attributes: [
            stringAttribute('mode', 'nearest'),
            stringAttribute('coordinate_transformation_mode', 'asymmetric'),
          ],
        });
        const l = b.conv('conv2', left!);
        const r = b.conv('conv3', grown);
        return b.named('end', 'Add', [
          b.named('meanL', 'GlobalAveragePool', [l]),
          b.named('meanR', 'GlobalAveragePool', [r]),
        ]);
      }),
    );
    expect(text).toMatchInlineSnapshot(`
      [
        "conv1 = Conv(8 x @x, 8 conv1_w, conv1_b)",
        "a = Relu(conv1)",
        "pooled = MaxPool(8 a @a)",
        "left = Split(8 pooled @a, sizes)",
        "grown = Resize(8 right @a, _, scales)",
        "conv2 = Conv(8 left @a, 8 conv2_w, conv2_b)",
        "conv3 = Conv(8 grown @a, 8 conv3_w, conv3_b)",
        "meanL = GlobalAveragePool(conv2)",
        "meanR = GlobalAveragePool(conv3)",
        "y = Add(meanL, meanR)",
        "return y = y",
      ]
    `);
  });
});

const floatTensorValue = (b: NetworkBuilder, name: string, values: readonly number[]): Value =>
  b.constant(name, floatTensor(values));
