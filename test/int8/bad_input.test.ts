import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { writeNpy } from '../../src/calibrate/sources/npy.js';
import { DiagnosticError, formatDiagnostic } from '../../src/ir/diagnostic.js';
import type { Model } from '../../src/ir/graph.js';
import { floatTensor, int64Tensor, type Tensor, tensorData } from '../../src/ir/tensor.js';
import { type OptimizeOptions, optimize } from '../../src/optimize.js';
import { ModelBuilder, pseudoRandom, randomTensor } from '../build_model.js';

let folder: string;
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'onnxopt-bad-'));
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));
const at = (name: string) => path.join(folder, name);

const dims = [4, 96];
const input = (value?: (index: number) => number): Tensor =>
  floatTensor(
    Float32Array.from(pseudoRandom(384), (given, index) => value?.(index) ?? given),
    dims,
  );

type Layers = { readonly weight?: Tensor; readonly bias?: Tensor; readonly between?: string };

/** x => first = x·w + b => between => second = between·v + c. */
function layers({ weight, bias, between = 'Relu' }: Layers = {}): Model {
  const b = new ModelBuilder();
  const first = b.op(
    'Gemm',
    [
      b.input('x', ['n', 96]),
      b.constant('w', weight ?? randomTensor([96, 96], 1)),
      b.constant('b', bias ?? randomTensor([96], 2)),
    ],
    { name: 'first', outputs: ['first'] },
  );
  const middle = b.op(between, [first], { outputs: ['middle'] });
  const second = [middle, b.constant('v', randomTensor([96, 96], 3)), b.constant('c', randomTensor([96], 4))];
  b.output(b.op('Gemm', second, { name: 'second', outputs: ['y'] }), 'y', 'float', 2);
  return b.build();
}

const int8 = (model: Model, options: Partial<OptimizeOptions> = {}) =>
  optimize({
    model,
    output: at('out.onnx'),
    precision: 'int8',
    cpu: 'vnni',
    calibration: { data: [{ x: input() }] },
    quantization: { include: ['first', 'second'] },
    ...options,
  });

/** One line that begins with the code, and nothing written. */
async function expectRefused(job: Promise<unknown>, message: RegExp): Promise<void> {
  const before = fs.readdirSync(folder);
  const error = await job.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(DiagnosticError);
  const text = formatDiagnostic((error as DiagnosticError).diagnostic);
  expect(text).toMatch(message);
  expect(text).not.toContain('\n');
  expect(fs.readdirSync(folder)).toEqual(before);
}

describe('int8 refuses', () => {
  it('samples that hold NaN or infinity', async () => {
    for (const [bad, word] of [
      [Number.NaN, 'NaN'],
      [Number.NEGATIVE_INFINITY, 'infinity'],
    ] as const) {
      const data = [{ x: input() }, { x: input((index) => (index === 77 ? bad : 1)) }];
      await expectRefused(
        int8(layers(), { calibration: { data } }),
        new RegExp(`^calibrate/not-finite: "x" takes ${word} on sample`),
      );
    }
  });

  it.each(['minmax', 'average', 'percentile', 'entropy'] as const)(
    'NaN that comes up in the middle, for the calibrator %s',
    async (calibrator) => {
      const data = [{ x: input() }];
      await expectRefused(
        int8(layers({ between: 'Log' }), { calibration: { data, calibrator } }),
        /^calibrate\/not-finite: "middle" takes NaN or infinity on sample/,
      );
    },
  );

  it.each([
    ['NaN', Number.NaN],
    ['Infinity', Number.POSITIVE_INFINITY],
  ])('weights and biases that hold %s, before it reads a sample', async (word, bad) => {
    const weight = floatTensor(pseudoRandom(9216).with(100, bad), [96, 96]);
    const unread = {
      async *[Symbol.asyncIterator]() {
        yield* [];
        throw new Error('a sample was read');
      },
    };
    const options = { calibration: { data: unread } };
    await expectRefused(
      int8(layers({ weight }), options),
      new RegExp(`^quantize/weights-not-finite: .*"w" holds ${word} at element 100`),
    );
    const bias = floatTensor(pseudoRandom(96).with(5, bad));
    await expectRefused(
      int8(layers({ bias }), options),
      new RegExp(`^quantize/weights-not-finite: .*"b" holds ${word} at element 5`),
    );
  });

  it('ranges that lack a tensor, as those of another model do', async () => {
    const given = new Map([['other', { min: 0, max: 1 }]]);
    await expectRefused(
      int8(layers(), { calibration: { ranges: given } }),
      /^quantize\/missing-range: no range for "x"/,
    );
    const file = at('ranges.json');
    fs.writeFileSync(
      file,
      JSON.stringify({ format: 'onnxopt-ranges', version: 1, samples: 1, ranges: { other: { min: 0, max: 1 } } }),
    );
    await expectRefused(
      int8(layers(), { calibration: { ranges: file } }),
      /^quantize\/missing-range: no range for "x"/,
    );
  });

  it('ranges whose ends are the wrong way round, or no numbers', async () => {
    const ranges = (min: number, max: number) => new Map(['x', 'middle', 'y'].map((name) => [name, { min, max }]));
    await expectRefused(int8(layers(), { calibration: { ranges: ranges(2, 1) } }), /^quantize\/bad-range: .*"x"/);
    await expectRefused(
      int8(layers(), { calibration: { ranges: ranges(0, Number.NaN) } }),
      /^quantize\/bad-range: .*"x"/,
    );
    const file = at('ranges.json');
    const wrong = { x: { min: 1, max: 2 }, middle: { min: 2, max: 1 } };
    fs.writeFileSync(file, JSON.stringify({ format: 'onnxopt-ranges', version: 1, samples: 1, ranges: wrong }));
    await expectRefused(
      int8(layers(), { calibration: { ranges: file } }),
      /^calibrate\/bad-ranges-file: .*ranges\.json": the range \[2, 1\] of "middle"/,
    );
    const tensors = [{ match: 'x', range: { min: 2, max: 1 } }];
    await expectRefused(
      int8(layers(), { quantization: { include: ['first'], tensors } }),
      /^quantize\/bad-range: .*"x"/,
    );
  });

  it('selectors that match nothing', async () => {
    for (const quantization of [
      { exclude: ['nothing'] },
      { include: ['nothing*'] },
      { tensors: [{ match: 'nothing', skip: true }] },
      { tensors: [{ match: () => false, range: { min: 0, max: 1 } }] },
    ]) {
      await expectRefused(int8(layers(), { quantization }), /^quantize\/override-matches-nothing: /);
    }
  });

  it('data without a sample', async () => {
    await expectRefused(int8(layers(), { calibration: {} }), /^quantize\/no-calibration-data: /);
    await expectRefused(int8(layers(), { calibration: { data: [] } }), /^(data|calibrate)\/no-samples: /);
    fs.mkdirSync(at('empty'));
    await expectRefused(int8(layers(), { calibration: { data: at('empty') } }), /^data\/[a-z-]+: .*empty/);
    await expectRefused(int8(layers(), { calibration: { data: at('not-there') } }), /^data\/[a-z-]+: .*not-there/);
    fs.writeFileSync(at('none.npy'), writeNpy(floatTensor([], [0, 4, 96])));
    await expectRefused(int8(layers(), { calibration: { data: at('none.npy') } }), /^(data|calibrate)\/[a-z-]+: /);
  });

  it('samples of another type, shape or name', async () => {
    const refuse = (sample: Record<string, Tensor>, message: RegExp) =>
      expectRefused(int8(layers(), { calibration: { data: [sample] } }), message);
    await refuse({ x: int64Tensor(new Array<number>(384).fill(1), dims) }, /^data\/wrong-type: .*"x"/);
    await refuse({ x: floatTensor(pseudoRandom(380), [4, 95]) }, /^data\/wrong-shape: .*"x"/);
    await refuse({ z: input() }, /^data\/[a-z-]+: .*"z"/);
  });

  it('a tensor that is empty in every sample', async () => {
    for (const calibrator of ['minmax', 'mse'] as const) {
      await expectRefused(
        int8(layers(), { calibration: { data: [{ x: floatTensor([], [0, 96]) }], calibrator } }),
        /^calibrate\/no-elements: "x" had no elements in any sample/,
      );
    }
  });
});

const scalesOf = (model: Model): number[] =>
  [...model.graph.nodes].flatMap(({ opType, inputs }) => {
    const scale = opType === 'QuantizeLinear' || opType === 'DequantizeLinear' ? inputs[1]?.initializer : undefined;
    return scale?.kind === 'dense' ? Array.from(tensorData(scale), Number) : [];
  });

describe('int8 takes', () => {
  const passes = async (model: Model, options: Partial<OptimizeOptions> = {}) => {
    const result = await int8(model, options);
    expect(result.check.status).toBe('passed');
    expect(fs.existsSync(at('out.onnx'))).toBe(true);
    const scales = scalesOf(result.model);
    expect(scales.length).toBeGreaterThan(0);
    for (const scale of scales) expect(scale).toBeGreaterThanOrEqual(2 ** -126);
    return result;
  };

  it('tensors that are always zero', async () => {
    await passes(layers(), { calibration: { data: [{ x: input(() => 0) }] } });
    const zero = floatTensor(new Float32Array(9216), [96, 96]);
    await passes(layers({ weight: zero }));
    await passes(layers({ weight: zero, bias: floatTensor(new Float32Array(96)) }));
  });

  it('activations and weights so small that a scale of them would be subnormal', async () => {
    for (const size of [1e-44, 1e-38, 1e-30, 1e-20]) {
      const data = [{ x: input((index) => pseudoRandom(384)[index]! * size) }];
      await passes(layers(), { calibration: { data } });
      const weight = floatTensor(
        Float32Array.from(pseudoRandom(9216), (value) => value * size),
        [96, 96],
      );
      await passes(layers({ weight }));
      await passes(layers({ weight, bias: floatTensor(new Float32Array(96)) }), { calibration: { data } });
    }
  });

  it('some samples without elements among others', async () => {
    await passes(layers(), { calibration: { data: [{ x: floatTensor([], [0, 96]) }, { x: input() }] } });
  });

  it('tensors of one element', async () => {
    const b = new ModelBuilder();
    const first = b.op('MatMul', [b.input('x', [1, 1]), b.constant('w', floatTensor([3], [1, 1]))], { outputs: ['m'] });
    b.output(b.op('MatMul', [first, b.constant('v', floatTensor([-2], [1, 1]))], { outputs: ['y'] }), 'y', 'float', 2);
    const model = b.build();
    const nodes = { include: [() => true] };
    await passes(model, { calibration: { data: [{ x: floatTensor([0.5], [1, 1]) }] }, quantization: nodes });
  });

  it('weights without elements, which stay in float', async () => {
    const b = new ModelBuilder();
    const x = b.input('x', ['n', 96]);
    const none = b.op('MatMul', [x, b.constant('w', floatTensor([], [96, 0]))], { name: 'none', outputs: ['none'] });
    b.output(none, 'none', 'float', 2);
    const some = b.op('MatMul', [x, b.constant('v', randomTensor([96, 96], 3))], { name: 'some', outputs: ['some'] });
    b.output(some, 'some', 'float', 2);
    const { quantization } = await passes(b.build(), { quantization: { include: ['some', 'none'] } });
    expect(quantization!.floats).toEqual([{ node: 'none', reason: 'its weights have no elements' }]);
  });
});
