import { describe, expect, it } from 'vitest';
import { intAttribute, intsAttribute } from '../../../../src/ir/attribute.js';
import { elementCount, floatTensor, type Tensor, tensorData } from '../../../../src/ir/tensor.js';
import { fuseConvBatchnorm } from '../../../../src/passes/fuse/weights/fuse_conv_batchnorm.js';
import { rewritePass } from '../../../../src/passes/rewrite/driver.js';
import { numbersTensor } from '../../../../src/passes/rewrite/float_numbers.js';
import {
  applyPass,
  largestDifference,
  ModelBuilder,
  operatorsOf,
  pseudoRandom,
  randomTensor,
  reasonsOf,
} from '../../../build_model.js';

const pass = rewritePass('fuse', 'test', [fuseConvBatchnorm]);

/** Sums of 4·9 products of numbers up to 1, scaled by up to 10: a few float32 roundings of 100. */
const tolerance = 1e-4;

const positive = (count: number) => floatTensor(pseudoRandom(count, 9).map((value) => Math.abs(value) + 0.1));

const toHalf = (tensor: Tensor) => numbersTensor('float16', Float64Array.from(tensorData(tensor), Number), tensor.dims);

type Shape = {
  opType?: string;
  weight?: readonly number[];
  channels?: number;
  group?: number;
  bias?: boolean;
  opset?: number;
};

function build({
  opType = 'Conv',
  weight = [6, 4, 3, 3],
  channels = 6,
  group = 1,
  bias = true,
  opset = 17,
}: Shape = {}) {
  const b = new ModelBuilder(opset);
  const x = b.input('x', ['N', 4, 8, 8]);
  const conv = b.op(
    opType,
    [x, b.constant('w', randomTensor(weight, 2)), ...(bias ? [b.constant('b', randomTensor([channels], 3))] : [])],
    { attributes: [intsAttribute('pads', [1, 1, 1, 1]), intAttribute('group', group)], name: 'conv' },
  );
  const statistics = [
    b.constant('scale', randomTensor([channels], 4)),
    b.constant('offset', randomTensor([channels], 5)),
    b.constant('mean', randomTensor([channels], 6)),
    b.constant('variance', positive(channels)),
  ];
  const attributes = opset < 7 ? [intAttribute('is_test', 1)] : [];
  return { b, x, conv, statistics, attributes };
}

const feeds = { x: randomTensor([2, 4, 8, 8], 11) };

async function expectFused(shape: Shape) {
  const { b, conv, statistics, attributes } = build(shape);
  b.output(b.op('BatchNormalization', [conv, ...statistics], { attributes, name: 'bn' }), 'y');
  const model = b.build();
  const result = await applyPass(model, pass);
  expect(operatorsOf(result.model)).toEqual([shape.opType ?? 'Conv']);
  expect(await largestDifference(model, result.model, feeds)).toBeLessThan(tolerance);
  return result;
}

describe('fuse-conv-batchnorm', () => {
  it('folds scale and shift into weights and bias', async () => {
    const { model } = await expectFused({});
    expect(model.graph.outputs[0]?.name).toBe('y');
  });

  it('makes a bias where the convolution had none', () => expectFused({ bias: false }));

  it('scales each output channel of a grouped convolution', () => expectFused({ weight: [6, 2, 3, 3], group: 2 }));

  it('scales a depthwise convolution', () => expectFused({ weight: [4, 1, 3, 3], channels: 4, group: 4 }));

  it('scales axis 1 of a transposed convolution', () => expectFused({ opType: 'ConvTranspose', weight: [4, 6, 3, 3] }));

  it('scales axis 1 group by group of a grouped transposed convolution', () =>
    expectFused({ opType: 'ConvTranspose', weight: [4, 3, 3, 3], group: 2 }));

  it('reads BatchNormalization of opset 9', () => expectFused({ opset: 9 }));

  it('names the rule in the provenance of what it made', async () => {
    const { b, conv, statistics } = build();
    b.output(b.op('BatchNormalization', [conv, ...statistics]), 'y');
    const { model: copy } = { model: b.build() };
    const { runPipeline } = await import('../../../../src/passes/pipeline.js');
    const { findTarget } = await import('../../../../src/backends/target.js');
    await runPipeline(copy, [{ pass, reason: 'test' }], { target: findTarget('ort-cpu') });
    expect(copy.graph.nodes.first?.provenance).toEqual(['fuse-conv-batchnorm']);
    expect(copy.graph.nodes.first?.name).toBe('conv');
  });

  it('folds float16 weights, rounded once', async () => {
    const b = new ModelBuilder();
    const half = (dims: readonly number[], seed: number) => toHalf(randomTensor(dims, seed));
    const x = b.input('x', ['N', 4, 8, 8], 'float16');
    const conv = b.op('Conv', [x, b.constant('w', half([6, 4, 3, 3], 2)), b.constant('b', half([6], 3))]);
    const norm = [b.constant('s', half([6], 4)), b.constant('o', half([6], 5)), b.constant('m', half([6], 6))];
    b.output(b.op('BatchNormalization', [conv, ...norm, b.constant('v', toHalf(positive(6)))]), 'y', 'float16');
    const model = b.build();
    const result = await applyPass(model, pass);
    expect(operatorsOf(result.model)).toEqual(['Conv']);
    // Sums near 10 kept in 11 bits, by the model before as well.
    expect(await largestDifference(model, result.model, { x: half([2, 4, 8, 8], 11) })).toBeLessThan(0.05);
  });

  it('declines where float16 weights leave the range or lose their digits', async () => {
    for (const [scale, reason] of [
      [6e4, 'a weight leaves the range of float16'],
      [6e-8, 'the weights of a channel become too small for float16'],
    ] as const) {
      const b = new ModelBuilder();
      const x = b.input('x', ['N', 1, 8, 8], 'float16');
      const number = (name: string, value: number, dims: readonly number[]) =>
        b.constant(
          name,
          numbersTensor(
            'float16',
            Float64Array.from({ length: elementCount(dims) }, () => value),
            dims,
          ),
        );
      const conv = b.op('Conv', [x, number('w', 2, [2, 1, 3, 3])]);
      const norm = [conv, number('s', scale, [2]), number('o', 0, [2]), number('m', 0, [2]), number('v', 1, [2])];
      b.output(b.op('BatchNormalization', norm), 'y', 'float16');
      const { model, report } = await applyPass(b.build(), pass);
      expect(operatorsOf(model)).toEqual(['Conv', 'BatchNormalization']);
      expect(reasonsOf(report)).toEqual([reason]);
    }
  });

  it('declines where the convolution is read elsewhere', async () => {
    const { b, conv, statistics } = build();
    b.output(b.op('BatchNormalization', [conv, ...statistics]), 'y');
    b.output(b.op('Relu', [conv]), 'z');
    const { model, report } = await applyPass(b.build(), pass);
    expect(operatorsOf(model)).toContain('BatchNormalization');
    expect(reasonsOf(report)).toEqual(['the result of the convolution is read elsewhere']);
  });

  it('declines where the convolution is a graph output', async () => {
    const { b, conv, statistics } = build();
    b.output(b.op('BatchNormalization', [conv, ...statistics]), 'y');
    b.output(conv, 'z');
    const { report } = await applyPass(b.build(), pass);
    expect(reasonsOf(report)).toEqual(['the result of the convolution is read elsewhere']);
  });

  it('declines in training mode', async () => {
    const { b, conv, statistics } = build();
    const attributes = [intAttribute('training_mode', 1)];
    b.output(b.op('BatchNormalization', [conv, ...statistics], { attributes, outputs: ['y', 'm', 'v'] }), 'y');
    const { report } = await applyPass(b.build(), pass);
    expect(reasonsOf(report)).toEqual(['it updates its statistics']);
  });

  it('leaves weights alone that a caller can override', async () => {
    const { b, x, statistics } = build();
    const weight = b.editor.addInput(b.graph, 'given', { kind: 'tensor', dtype: 'float', shape: [6, 4, 3, 3] });
    b.editor.setInitializer(weight, randomTensor([6, 4, 3, 3]));
    b.output(b.op('BatchNormalization', [b.op('Conv', [x, weight]), ...statistics]), 'y');
    const { model } = await applyPass(b.build(), pass);
    expect(operatorsOf(model)).toContain('BatchNormalization');
  });

  it('declines where a variance gives no finite factor', async () => {
    const { b, conv, statistics } = build();
    const negative = b.constant('negative', floatTensor(new Array(6).fill(-1)));
    b.output(b.op('BatchNormalization', [conv, ...statistics.slice(0, 3), negative]), 'y');
    const { report } = await applyPass(b.build(), pass);
    expect(reasonsOf(report)).toEqual(['the statistics give no finite factor']);
  });

  it('keeps shared weights for the other convolution', async () => {
    const { b, x, conv, statistics } = build();
    const weight = b.graph.values.get('w')!;
    b.output(b.op('BatchNormalization', [conv, ...statistics]), 'y');
    b.output(b.op('Conv', [x, weight], { attributes: [intsAttribute('pads', [1, 1, 1, 1])] }), 'z');
    const model = b.build();
    const result = await applyPass(model, pass);
    expect(operatorsOf(result.model)).toEqual(['Conv', 'Conv']);
    expect(await largestDifference(model, result.model, feeds)).toBeLessThan(tolerance);
    const shared = await applyPass(model, pass, { maxGrowthBytes: 10 });
    expect(reasonsOf(shared.report)).toEqual(['the weights are shared']);
  });
});
