import { describe, expect, it } from 'vitest';
import { findTarget } from '../../../src/backends/target.js';
import { floatAttribute, intAttribute } from '../../../src/ir/attribute.js';
import { constantTensor } from '../../../src/ir/constant.js';
import type { Model } from '../../../src/ir/graph.js';
import { floatTensor, int64Tensor, type Tensor, tensorData, tensorFromData } from '../../../src/ir/tensor.js';
import { type QuantizeWeightsOptions, quantizeWeights } from '../../../src/passes/quantize/quantize_weights.js';
import { applyPass, largestDifference, ModelBuilder, operatorsOf, randomTensor, reasonsOf } from '../../build_model.js';

const defaults: QuantizeWeightsOptions = {
  bits: 4,
  blockSize: 32,
  method: 'round',
  symmetric: true,
  scales: 'range',
  accuracyLevel: 0,
  embeddings: false,
};

const nBits = findTarget('ort-cpu').weightOnly!;
const blocked = findTarget('portable').weightOnly!;

type Changes = Partial<QuantizeWeightsOptions>;

const apply = (model: Model, changes: Changes = {}, scheme = nBits) =>
  applyPass(model, quantizeWeights({ ...defaults, ...changes }, scheme));

/** y = x · W, or Gemm with W transposed and a bias. */
function product(products: number, outputs: number, { gemm = false, opset = 21 } = {}): Model {
  const b = new ModelBuilder(opset);
  const x = b.input('x', ['N', products]);
  if (gemm) {
    const inputs = [
      x,
      b.constant('w', randomTensor([outputs, products], 3)),
      b.constant('c', randomTensor([outputs], 4)),
    ];
    b.output(b.op('Gemm', inputs, { attributes: [intAttribute('transB', 1)] }), 'y');
  } else b.output(b.op('MatMul', [x, b.constant('w', randomTensor([products, outputs], 3))]), 'y');
  return b.build();
}

const eye = (size: number): Tensor =>
  floatTensor(
    Array.from({ length: size * size }, (_, index) => (index % (size + 1) === 0 ? 1 : 0)),
    [size, size],
  );

/** What the weights of the quantized model are, by hand: (code − zero point) · scale in the layout [products, outputs]. */
function dequantized(model: Model, bits: number, products: number, outputs: number): Float32Array {
  const tensors = new Map([...model.graph.initializers].map((value) => [value.name, constantTensor(value)!]));
  const bytes = (name: string) => tensors.get(name)!.storage.bytes();
  const scales = tensorData(tensors.get('w_scales')!) as Float32Array;
  const [, blocks, blob] = tensors.get('w_codes')!.dims as [number, number, number];
  const blockSize = (blob * 8) / bits;
  const points = tensors.get('w_zero_points');
  const codeAt = (from: Uint8Array, start: number, index: number) =>
    bits === 8 ? from[start + index]! : (from[start + (index >> 1)]! >> (index % 2 === 0 ? 0 : 4)) & 15;
  const result = new Float32Array(products * outputs);
  for (let output = 0; output < outputs; output += 1) {
    for (let sum = 0; sum < products; sum += 1) {
      const block = Math.floor(sum / blockSize);
      const code = codeAt(bytes('w_codes'), (output * blocks + block) * blob, sum % blockSize);
      const zero =
        points === undefined
          ? 2 ** (bits - 1)
          : points.dtype === 'float'
            ? (tensorData(points)[output * blocks + block] as number)
            : codeAt(bytes('w_zero_points'), output * Math.ceil((blocks * bits) / 8), block);
      result[sum * outputs + output] = (code - zero) * scales[output * blocks + block]!;
    }
  }
  return result;
}

/** The float model with other weights. */
function withWeights(products: number, outputs: number, weights: Float32Array): Model {
  const b = new ModelBuilder(21);
  const x = b.input('x', ['N', products]);
  b.output(b.op('MatMul', [x, b.constant('w', floatTensor(weights, [products, outputs]))]), 'y');
  return b.build();
}

describe('quantize-weights with MatMulNBits', () => {
  const forms: readonly [string, Changes, number][] = [
    ['4 bits around the middle', {}, 64],
    ['4 bits with zero points', { symmetric: false }, 64],
    ['an odd number of blocks with zero points', { symmetric: false }, 96],
    ['a last block that is not full', { symmetric: false }, 70],
    ['rows shorter than a block', {}, 20],
    ['blocks of 16', { blockSize: 16, symmetric: false }, 64],
    ['blocks of 256', { blockSize: 256 }, 300],
    ['8 bits around the middle', { bits: 8 }, 64],
    ['8 bits with zero points', { bits: 8, symmetric: false }, 70],
    ['half-quadratic zero points', { method: 'hqq', symmetric: false }, 64],
    ['half-quadratic zero points, a last block that is not full', { method: 'hqq', symmetric: false }, 70],
    ['scales of the least squared error', { scales: 'mse' }, 64],
  ];
  it.each(forms)('gives what the weights brought back by hand give: %s', async (_, changes, products) => {
    const outputs = 60;
    const { model } = await apply(product(products, outputs), changes);
    expect(operatorsOf(model)).toEqual(['MatMulNBits']);
    const reference = withWeights(products, outputs, dequantized(model, changes.bits ?? 4, products, outputs));
    // The kernel sums in another order: a float rounding of sums of up to 300 products of at most 1.
    expect(await largestDifference(reference, model, { x: randomTensor([5, products], 9) })).toBeLessThan(1e-4);
    // Identity rows bring every weight out, the padding of the last block aside.
    expect(await largestDifference(reference, model, { x: eye(products) })).toBeLessThan(1e-6);
  });

  it('is off from float by half a step of a block for each weight, and a step at its smaller end', async () => {
    const original = product(64, 48);
    const eyes = { x: eye(64) };
    // Weights in [−1, 1]: the step of 4 bits is at most 1/8, or 2/15 with a zero point; of 8 bits 1/128.
    expect(await largestDifference(original, (await apply(original)).model, eyes)).toBeLessThan(1 / 8 + 1e-6);
    const shifted = (await apply(original, { symmetric: false })).model;
    expect(await largestDifference(original, shifted, eyes)).toBeLessThan(1 / 15 + 1e-6);
    const eight = (await apply(original, { bits: 8 })).model;
    expect(await largestDifference(original, eight, eyes)).toBeLessThan(1 / 128 + 1e-6);
  });

  it('with accuracy level 4 computes on 8-bit activations, off by half their step', async () => {
    const original = product(64, 48);
    const exact = (await apply(original)).model;
    const { model } = await apply(original, { accuracyLevel: 4 });
    const feeds = { x: randomTensor([3, 64], 7) };
    const difference = await largestDifference(exact, model, feeds);
    // 64 products, each activation off by half of 1/127, weights of at most 1.
    expect(difference).toBeLessThan((64 * 0.5) / 127);
  });

  it('keeps the bias of a Gemm, whose weights may be stored either way round', async () => {
    const original = product(64, 48, { gemm: true });
    const { model } = await apply(original);
    expect(operatorsOf(model)).toEqual(['MatMulNBits', 'Add']);
    // 64 weights, each off by at most 1/8, times activations of at most 1.
    expect(await largestDifference(original, model, { x: randomTensor([3, 64], 7) })).toBeLessThan(64 / 8);
    expect(await largestDifference(original, model, { x: eye(64) })).toBeLessThan(1 / 8 + 1e-6);
  });

  it('stores a weight once that several layers share', async () => {
    const twice = (weights: Tensor) => {
      const b = new ModelBuilder(21);
      const w = b.constant('w', weights);
      b.output(b.op('MatMul', [b.op('Relu', [b.op('MatMul', [b.input('x', ['B', 'N', 64]), w])]), w]), 'y');
      return b.build();
    };
    const { model } = await apply(twice(randomTensor([64, 64], 3)));
    expect(operatorsOf(model)).toEqual(['MatMulNBits', 'Relu', 'MatMulNBits']);
    expect([...model.graph.initializers].filter(({ uses }) => uses.size > 0)).toHaveLength(2);
    const reference = twice(floatTensor(dequantized(model, 4, 64, 64), [64, 64]));
    // Float rounding of sums of 64 products of values up to 64.
    expect(await largestDifference(reference, model, { x: randomTensor([2, 3, 64], 5) })).toBeLessThan(1e-3);
  });

  it('follows layers that stand right behind each other', async () => {
    const b = new ModelBuilder(21);
    const first = b.op('MatMul', [b.input('x', ['N', 64]), b.constant('w1', randomTensor([64, 64], 3))]);
    b.output(b.op('Gemm', [first, b.constant('w2', randomTensor([64, 64], 4)), first]), 'y');
    const original = b.build();
    const feeds = { x: eye(64) };
    const { model } = await apply(original, { bits: 8 });
    expect(operatorsOf(model)).toEqual(['MatMulNBits', 'MatMulNBits', 'Add']);
    // 64 products of weights of at most 1, each off by at most 1/128, and the sum again.
    expect(await largestDifference(original, model, feeds)).toBeLessThan((64 * 2 + 2) / 128);
    const standard = (await apply(original, { bits: 8 }, blocked)).model;
    expect(await largestDifference(original, standard, feeds)).toBeLessThan((64 * 2 + 2) / 128);
  });

  it('reaches into subgraphs, where the weight may stand outside', async () => {
    const b = new ModelBuilder(21);
    const x = b.input('x', ['N', 64]);
    const w = b.constant('w', randomTensor([64, 64], 3));
    const condition = b.op('Cast', [b.op('ReduceMax', [x], { attributes: [intAttribute('keepdims', 0)] })], {
      attributes: [intAttribute('to', 9)],
    });
    const [result] = b.ops('If', [condition], {});
    const branch = (name: string) => {
      const node = result!.producer!;
      const graph = b.editor.createSubgraph(node, name);
      const inner = new ModelBuilder(21, graph, b.editor);
      inner.output(inner.op('MatMul', [x, w]), `${name}_out`);
      b.editor.setAttribute(node, { name, kind: 'graph', value: graph });
    };
    branch('then_branch');
    branch('else_branch');
    b.output(result!, 'y');
    const original = b.build();
    const { model } = await apply(original);
    expect(operatorsOf(model).filter((op) => op === 'MatMulNBits')).toHaveLength(2);
    expect(await largestDifference(original, model, { x: eye(64) })).toBeLessThan(1 / 8 + 1e-6);
    const observed: number[] = [];
    const moments = async (_: Model, requests: readonly object[]) => {
      observed.push(requests.length);
      return new Map();
    };
    const { model: rounded, report } = await apply(original, { method: 'gptq', moments });
    expect(observed).toEqual([0]);
    expect(report.diagnostics.map(({ code }) => code)).toEqual(['quantize/rounded-instead']);
    expect(await largestDifference(model, rounded, { x: eye(64) })).toBe(0);
  });
});

describe('quantize-weights with DequantizeLinear', () => {
  const forms: readonly [string, Changes, number, boolean][] = [
    ['int4', {}, 64, false],
    ['uint4 with zero points', { symmetric: false }, 64, false],
    ['a last block that is not full', { symmetric: false }, 70, false],
    ['int8', { bits: 8 }, 64, false],
    ['uint8 with zero points', { bits: 8, symmetric: false }, 70, false],
    ['weights stored by output', {}, 64, true],
    ['weights stored by output with zero points', { symmetric: false }, 70, true],
    ['an odd number of weights', { symmetric: false }, 65, true],
  ];
  it.each(forms)('means the same as MatMulNBits: %s', async (_, changes, products, gemm) => {
    const original = product(products, 61, { gemm });
    const expected = (await apply(original, changes, { ...nBits, negativeScales: false })).model;
    const { model } = await apply(original, changes, blocked);
    expect(operatorsOf(model)).toEqual(['DequantizeLinear', gemm ? 'Gemm' : 'MatMul']);
    expect(await largestDifference(expected, model, { x: eye(products) })).toBeLessThan(1e-6);
  });

  it('asks for opset 21', async () => {
    await expect(apply(product(64, 64, { opset: 20 }), {}, blocked)).rejects.toThrow('quantize/opset-too-old');
  });
});

describe('quantize-weights with embeddings', () => {
  /** Rows of a table, projected back by the same table or by one of its own. */
  function tied(shared: boolean): Model {
    const b = new ModelBuilder(21);
    const table = b.constant('table', randomTensor([40, 70], 3));
    const ids = b.input('ids', ['B', 'N'], 'int64');
    const rows = b.op('Gather', [table, ids]);
    b.output(rows, 'rows');
    const flat = b.op('Reshape', [rows, b.constant('shape', int64Tensor([-1, 70]))]);
    const back = shared ? table : b.constant('head', randomTensor([40, 70], 4));
    b.output(b.op('Gemm', [flat, back], { attributes: [intAttribute('transB', 1)] }), 'y');
    return b.build();
  }
  const ids = { ids: int64Tensor([0, 39, 7, 1, 39, 20], [2, 3]) };

  it('leaves a matrix alone that a Gather reads too, unless the table is quantized as well', async () => {
    await expect(apply(tied(true))).rejects.toThrow('its weights are read in float as well, by Gather');
    const { model } = await apply(tied(true), { embeddings: true });
    expect(operatorsOf(model)).toEqual(['GatherBlockQuantized', 'Reshape', 'MatMulNBits']);
  });

  it.each([
    ['4 bits', { bits: 4 }, 0.5 / 7],
    ['4 bits with zero points', { bits: 4, symmetric: false }, 1 / 15],
    ['8 bits', { bits: 8 }, 0.5 / 127],
  ] as const)('picks rows that are off by half a step: %s', async (_, changes, bound) => {
    const only = new ModelBuilder(21);
    only.output(
      only.op('Gather', [only.constant('table', randomTensor([40, 70], 3)), only.input('ids', ['B', 'N'], 'int64')]),
      'rows',
    );
    const original = only.build();
    const { model } = await apply(original, { ...changes, embeddings: true });
    expect(await largestDifference(original, model, ids)).toBeLessThan(bound + 1e-6);
    const portable = await apply(original, { ...changes, embeddings: true }, blocked);
    expect(operatorsOf(portable.model)).toEqual(['Gather', 'Cast', 'Gather', 'Mul']);
    expect(await largestDifference(original, portable.model, ids)).toBeLessThan(0.5 / 127 + 1e-6);
  });
});

describe('quantize-weights declines', () => {
  /** A layer that it takes stands beside the one it declines. */
  async function reason(build: (b: ModelBuilder) => void, changes: Changes = {}): Promise<string[]> {
    const b = new ModelBuilder(21);
    const taken = b.op('MatMul', [b.input('other', [2, 64]), b.constant('taken', randomTensor([64, 64], 8))]);
    b.output(taken, 'z');
    build(b);
    const { model, report } = await apply(b.build(), changes);
    expect(operatorsOf(model)).toContain('MatMulNBits');
    return reasonsOf(report);
  }
  const cases: readonly [string, (b: ModelBuilder) => void][] = [
    [
      'both operands are activations',
      (b) => b.output(b.op('MatMul', [b.input('x', [2, 64]), b.input('w', [64, 64])]), 'y'),
    ],
    [
      'its weights are the left operand',
      (b) => b.output(b.op('MatMul', [b.constant('w', randomTensor([64, 64])), b.input('x', [64, 2])]), 'y'),
    ],
    [
      'its weights are not float32',
      (b) => {
        const w = tensorFromData('float16', [64, 64], new Uint16Array(4096));
        b.output(b.op('MatMul', [b.input('x', [2, 64], 'float16'), b.constant('w', w)]), 'y', 'float16');
      },
    ],
    [
      'its weights are not a matrix',
      (b) => b.output(b.op('MatMul', [b.input('x', [2, 3, 64]), b.constant('w', randomTensor([2, 64, 64]))]), 'y'),
    ],
    [
      'its input is a vector',
      (b) => b.output(b.op('MatMul', [b.input('x', [64]), b.constant('w', randomTensor([64, 64]))]), 'y'),
    ],
    [
      'fewer than 1024 weights',
      (b) => b.output(b.op('MatMul', [b.input('x', [2, 64]), b.constant('w', randomTensor([64, 4]))]), 'y'),
    ],
    [
      'alpha or beta is not 1',
      (b) => {
        const inputs = [b.input('x', [2, 64]), b.constant('w', randomTensor([64, 64]))];
        b.output(b.op('Gemm', inputs, { attributes: [floatAttribute('alpha', 2)] }), 'y');
      },
    ],
    [
      'its input is transposed',
      (b) => {
        const inputs = [b.input('x', [64, 2]), b.constant('w', randomTensor([64, 64]))];
        b.output(b.op('Gemm', inputs, { attributes: [intAttribute('transA', 1)] }), 'y');
      },
    ],
    [
      'its weights are read in float as well, by Neg',
      (b) => {
        const w = b.constant('w', randomTensor([64, 64]));
        b.output(b.op('MatMul', [b.input('x', [2, 64]), w]), 'y');
        b.output(b.op('Neg', [w]), 'n');
      },
    ],
    [
      'its weights are read in float as well, by output "w_out"',
      (b) => {
        const w = b.constant('w', randomTensor([64, 64]));
        b.output(b.op('MatMul', [b.input('x', [2, 64]), w]), 'y');
        b.output(w, 'w_out');
      },
    ],
  ];
  it.each(cases)('%s', async (expected, build) => {
    expect(await reason(build)).toEqual([expected]);
  });

  it('excluded by name', async () => {
    const build = (b: ModelBuilder) => {
      b.output(b.op('MatMul', [b.input('x', [2, 64]), b.constant('w', randomTensor([64, 64]))]), 'head.logits');
    };
    expect(await reason(build, { exclude: ['head.*'] })).toEqual(['excluded by name']);
  });

  it('a model without a layer to quantize, saying why', async () => {
    await expect(apply(product(64, 4))).rejects.toThrow(/quantize\/nothing-to-quantize.*fewer than 1024 weights/);
    const b = new ModelBuilder();
    b.output(b.op('Relu', [b.input('x', [2])]), 'y');
    await expect(apply(b.build())).rejects.toThrow('no layer of constant weights');
  });

  it('weights that are not finite, with the name of the value', async () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const b = new ModelBuilder(21);
      const data = Float32Array.from({ length: 4096 }, (_, index) => (index === 77 ? bad : 0.5));
      b.output(b.op('MatMul', [b.input('x', [2, 64]), b.constant('w', floatTensor(data, [64, 64]))]), 'y');
      await expect(apply(b.build())).rejects.toThrow(`quantize/weights-not-finite: "w" holds ${bad} at element 77`);
    }
  });
});
