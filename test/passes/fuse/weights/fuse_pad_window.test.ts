import { describe, expect, it } from 'vitest';
import { type Attribute, intAttribute, intsAttribute, stringAttribute } from '../../../../src/ir/attribute.js';
import { floatTensor, int64Tensor } from '../../../../src/ir/tensor.js';
import {
  fusePadAveragePool,
  fusePadConv,
  fusePadMaxPool,
} from '../../../../src/passes/fuse/weights/fuse_pad_window.js';
import { rewritePass } from '../../../../src/passes/rewrite/driver.js';
import {
  applyPass,
  largestDifference,
  ModelBuilder,
  operatorsOf,
  randomTensor,
  reasonsOf,
} from '../../../build_model.js';

const pass = rewritePass('fuse', 'test', [fusePadConv, fusePadAveragePool, fusePadMaxPool]);

/** Sums of 18 products of numbers up to 1: float32 roundings of 18, in another order. */
const tolerance = 1e-5;

const feeds = { x: randomTensor([1, 2, 5, 5], 11) };

type Case = {
  window?: string;
  opset?: number;
  pads?: readonly number[];
  axes?: readonly number[];
  value?: number;
  mode?: string;
  relu?: boolean;
  attributes?: readonly Attribute[];
  outputs?: number;
};

const kernel = intsAttribute('kernel_shape', [3, 3]);

function build(options: Case) {
  const { window = 'Conv', opset = 18, pads = [0, 0, 1, 0, 0, 0, 2, 1], attributes = [], relu = false } = options;
  const b = new ModelBuilder(opset);
  const input = b.input('x', [1, 2, 5, 5]);
  const x = relu ? b.op('Relu', [input]) : input;
  const mode = options.mode === undefined ? [] : [stringAttribute('mode', options.mode)];
  const inputs = [x, b.constant('pads', int64Tensor(pads))];
  if (options.value !== undefined || options.axes) inputs.push(b.constant('v', floatTensor([options.value ?? 0], [])));
  if (options.axes) inputs.push(b.constant('axes', int64Tensor(options.axes)));
  const padded =
    opset < 11
      ? b.op('Pad', [x], { attributes: [intsAttribute('pads', pads), ...mode], outputs: ['padded'] })
      : b.op('Pad', inputs, { attributes: mode, outputs: ['padded'] });
  const values = b.ops(
    window,
    [padded, ...(window === 'Conv' ? [b.constant('w', randomTensor([3, 2, 3, 3], 2))] : [])],
    {
      attributes: window === 'Conv' ? attributes : [kernel, ...attributes],
      outputs: options.outputs ?? 1,
    },
  );
  b.output(values[0]!, 'y');
  return { b, model: b.build() };
}

async function expectFused(options: Case) {
  const { model } = build(options);
  const result = await applyPass(model, pass);
  expect(operatorsOf(result.model)).toEqual([...(options.relu ? ['Relu'] : []), options.window ?? 'Conv']);
  expect(await largestDifference(model, result.model, feeds)).toBeLessThan(tolerance);
}

async function expectDeclined(options: Case, reason: string) {
  const { model, report } = await applyPass(build(options).model, pass);
  expect(operatorsOf(model)).toContain('Pad');
  expect(reasonsOf(report)).toEqual([reason]);
}

describe('fuse-pad-conv', () => {
  it('takes up pads given as an attribute, as inputs, and for some axes', async () => {
    await expectFused({ opset: 10 });
    await expectFused({ opset: 13, value: 0 });
    await expectFused({ axes: [-1, 2], pads: [1, 2, 0, 1] });
  });

  it("adds them to the convolution's own", async () => {
    await expectFused({ attributes: [intsAttribute('pads', [1, 0, 0, 2]), intsAttribute('strides', [2, 1])] });
    await expectFused({ attributes: [stringAttribute('auto_pad', 'VALID')] });
    await expectFused({ attributes: [intsAttribute('dilations', [2, 2]), kernel] });
    await expectFused({ pads: [0, 0, 4, 5, 0, 0, 6, 3] });
  });

  it('declines other pads', async () => {
    await expectDeclined({ mode: 'edge' }, 'it does not pad with a constant');
    await expectDeclined({ value: 1 }, 'it pads with another number than 0');
    await expectDeclined({ pads: [0, 0, 1, -1, 0, 0, 1, 1] }, 'it takes something away');
    await expectDeclined({ pads: [1, 0, 0, 0, 0, 0, 0, 0] }, 'it pads the batch or the channels');
    const attributes = [stringAttribute('auto_pad', 'SAME_UPPER')];
    await expectDeclined({ attributes }, 'the convolution pads by its own size');
  });

  it('declines pads that are not known', async () => {
    const b = new ModelBuilder(18);
    const padded = b.op('Pad', [b.input('x', [1, 2, 5, 5]), b.input('pads', [8], 'int64')]);
    b.output(b.op('Conv', [padded, b.constant('w', randomTensor([3, 2, 3, 3], 2))]), 'y');
    expect(reasonsOf((await applyPass(b.build(), pass)).report)).toEqual(['how much it pads is not known']);
  });

  it('declines where the padded value is a graph output', async () => {
    const { b } = build({});
    b.output(b.graph.values.get('padded')!, 'z');
    expect(reasonsOf((await applyPass(b.build(), pass)).report)).toEqual(['"z" is read elsewhere']);
  });
});

describe('fuse-pad-average-pool', () => {
  const window = 'AveragePool';

  it('makes pads that count', async () => {
    await expectFused({ window });
    const attributes = [intsAttribute('pads', [1, 1, 0, 0]), intAttribute('count_include_pad', 1)];
    await expectFused({ window, attributes, pads: [0, 0, 1, 1, 0, 0, 0, 1] });
  });

  it('declines where not all pads would count, and where the size is rounded up', async () => {
    const attributes = [intsAttribute('pads', [1, 1, 0, 0])];
    await expectDeclined({ window, attributes }, "the pool's own pads do not count");
    const ceil = [intAttribute('ceil_mode', 1)];
    await expectDeclined({ window, attributes: ceil }, 'the pool rounds its size up');
    await expectDeclined({ window, pads: [0, 0, 3, 0, 0, 0, 0, 0] }, 'the pads would be as large as the kernel');
  });
});

describe('fuse-pad-max-pool', () => {
  const window = 'MaxPool';

  it('takes up pads of −∞', () => expectFused({ window, value: Number.NEGATIVE_INFINITY }));

  it('takes up pads of 0 behind Relu', () => expectFused({ window, relu: true }));

  it('declines pads of 0 beside negative numbers, and of more than 0 behind Relu', async () => {
    await expectDeclined({ window }, 'the pad may be larger than what the pool reads');
    await expectDeclined({ window, relu: true, value: 0.5 }, 'the pad may be larger than what the pool reads');
  });

  it('declines windows in the pad alone, dilated kernels, and indices', async () => {
    const value = Number.NEGATIVE_INFINITY;
    await expectDeclined({ window, value, pads: [0, 0, 0, 0, 0, 0, 0, 3] }, 'the pads would be as large as the kernel');
    await expectDeclined({ window, value, attributes: [intsAttribute('dilations', [2, 1])] }, 'the kernel is dilated');
    await expectDeclined({ window, value, outputs: 2 }, 'its indices are read');
  });
});
