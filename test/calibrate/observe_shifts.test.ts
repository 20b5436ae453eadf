import { expect, it } from 'vitest';
import { ortRunner } from '../../src/backends/ort/run.js';
import { observeShifts } from '../../src/calibrate/observe_shifts.js';
import { openSource } from '../../src/calibrate/sources/open_source.js';
import { constantTensor } from '../../src/ir/constant.js';
import { floatTensor, type Tensor, tensorData } from '../../src/ir/tensor.js';
import type { ActivationParameters } from '../../src/passes/quantize/ranges.js';
import { ModelBuilder, randomTensor } from '../build_model.js';

const rounding = { dtype: 'uint8', scale: 0.1, zeroPoint: 2, low: 0, high: 255 } as const;

/** x · [[1], [2]] with the weights [[1], [4]] instead. */
async function shiftOf(
  numbers: readonly number[],
  parameters: ActivationParameters | undefined,
  opset = 17,
  others: readonly Tensor[] = [],
) {
  const b = new ModelBuilder(opset);
  b.output(b.op('MatMul', [b.input('x', ['N', 2]), b.constant('w', floatTensor([1, 2], [2, 1]))]), 'y');
  const model = b.build();
  const [node] = model.graph.nodes;
  const weight = node!.inputs[1]!;
  const { dims: weightDims } = constantTensor(weight)!;
  const layer = { node: node!, input: node!.inputs[0]!, weight, weightDims, isQuantized: false, axis: 1, bias: null };
  const samples = [...others, floatTensor(numbers, [numbers.length / 2, 2])];
  const data = await openSource(
    samples.map((x) => ({ x })),
    model.graph.inputs,
  );
  const request = { layer, weights: floatTensor([1, 4], [2, 1]), rounding: parameters };
  return (await observeShifts(model, [request], data, ortRunner()))[0]!;
}

it('is the mean of what other weights and a rounded input change', async () => {
  // Means of the inputs: 0.25 and 5; of them as 8 bits hold them, cut off at −0.2: 0.25 and 5.
  expect([...(await shiftOf([0.26, 9, 0.24, 1], rounding))].map((value) => value.toFixed(3))).toEqual(['-10.000']);
  // 0.26 + 2·(−0.5) less 0.3 + 4·(−0.2).
  expect([...(await shiftOf([0.26, -0.5], rounding))].map((value) => value.toFixed(3))).toEqual(['-0.240']);
});

it('reads the input as it is where nobody knows how it is rounded, or the opset has no rounding', async () => {
  for (const shift of [await shiftOf([0.26, -0.5], undefined), await shiftOf([0.26, -0.5], rounding, 9)]) {
    expect([...shift].map((value) => value.toFixed(3))).toEqual(['1.000']);
  }
});

it('passes over samples in which a layer has nothing to do', async () => {
  const empty = floatTensor([], [0, 2]);
  expect([...(await shiftOf([0.26, -0.5], rounding, 17, [empty]))].map((value) => value.toFixed(3))).toEqual([
    '-0.240',
  ]);
});

it('weighs every place of a convolution alike, borders included, over samples of any size', async () => {
  const b = new ModelBuilder(17);
  const dims = [4, 2, 3, 3];
  const weights = [randomTensor(dims, 1), randomTensor(dims, 2)] as const;
  const x = b.input('x', ['N', 2, 'H', 'W']);
  const pads = { name: 'pads', kind: 'ints', value: [1n, 1n, 1n, 1n] } as const;
  const y = b.op('Conv', [x, b.constant('w', weights[0]), b.constant('b', randomTensor([4], 3))], {
    attributes: [pads],
  });
  b.output(y, 'y');
  b.output(
    b.op('Conv', [x, b.constant('v', weights[1]), b.constant('c', randomTensor([4], 3))], { attributes: [pads] }),
    'z',
  );
  const model = b.build();
  const [node] = model.graph.nodes;
  const layer = {
    node: node!,
    input: x,
    weight: node!.inputs[1]!,
    weightDims: dims,
    isQuantized: false,
    axis: 0,
    bias: node!.inputs[2]!,
  };
  const samples = [randomTensor([2, 2, 5, 4], 5), randomTensor([0, 2, 5, 4], 5), randomTensor([1, 2, 7, 7], 6)];
  const data = await openSource(
    samples.map((sample) => ({ x: sample })),
    model.graph.inputs,
  );
  const request = { layer, weights: weights[1], rounding: undefined };
  const [shift] = await observeShifts(model, [request], data, ortRunner());
  const session = await ortRunner()(model);
  const expected = [0, 0, 0, 0];
  let places = 0;
  for (const sample of samples) {
    const results = await session.run(new Map([['x', sample]]));
    const [a, c] = ['y', 'z'].map((name) => results.get(name)!);
    const inner = a!.dims[2]! * a!.dims[3]!;
    const other = tensorData(c!) as Float32Array;
    for (const [index, value] of (tensorData(a!) as Float32Array).entries()) {
      expected[Math.floor(index / inner) % 4]! += value - other[index]!;
    }
    places += a!.dims[0]! * inner;
  }
  await session.close();
  // Float means of some ninety numbers of at most 20.
  for (const [channel, sum] of expected.entries()) expect(shift![channel]).toBeCloseTo(sum / places, 4);
});
