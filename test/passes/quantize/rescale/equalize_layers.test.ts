import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { intAttribute, intsAttribute } from '../../../../src/ir/attribute.js';
import type { Model, Value } from '../../../../src/ir/graph.js';
import { floatTensor, int64Tensor, type Tensor } from '../../../../src/ir/tensor.js';
import { equalizeLayers } from '../../../../src/passes/quantize/rescale/equalize_layers.js';
import { applyPass, largestDifference, randomTensor, reasonsOf } from '../../../build_model.js';
import { withIf } from '../../simplify/rewriting.js';
import { leaky, mobileBlock, nodesOf, SpreadBuilder, weightOf } from './spread_network.js';

const image = randomTensor([1, 8, 6, 6], 3);

/** Equalizes and expects the same bits out of ONNX Runtime: the factors are powers of two. */
async function equalized(model: Model, feeds: Record<string, Tensor> = { x: image }) {
  const { model: after, report } = await applyPass(model, equalizeLayers());
  expect(await largestDifference(model, after, feeds)).toBe(0);
  const fired = report.passes.reduce((sum, pass) => sum + (pass.fired['equalize-layers'] ?? 0), 0);
  return { after, fired, reasons: reasonsOf(report) };
}

/** Two convolutions with `between` them. */
function pair(between: (b: SpreadBuilder, x: Value) => Value, finish?: (b: SpreadBuilder, middle: Value) => void) {
  const b = new SpreadBuilder();
  const middle = between(b, b.conv(b.input('x', [1, 8, 6, 6]), 8, 16));
  b.output(b.conv(middle, 16, 4), 'y');
  finish?.(b, middle);
  return b.build();
}

/** Largest over smallest of the largest weights of the rows of [rows, …]. */
function spreadOf(weights: Float32Array, rows: number): number {
  const each = weights.length / rows;
  const maxima = Array.from({ length: rows }, (_, row) =>
    weights.subarray(row * each, (row + 1) * each).reduce((most, weight) => Math.max(most, Math.abs(weight)), 0),
  );
  return Math.max(...maxima) / Math.min(...maxima);
}

describe('equalize-layers', () => {
  it('brings the channels of a depthwise block to like sizes and keeps every bit of the result', async () => {
    const model = mobileBlock();
    const before = nodesOf(model, 'Conv').map((node, index) => spreadOf(weightOf(node), [32, 32, 8][index]!));
    const { after, fired } = await equalized(model);
    const found = nodesOf(after, 'Conv').map((node, index) => spreadOf(weightOf(node), [32, 32, 8][index]!));
    expect(fired).toBe(2);
    expect(before[1]).toBeGreaterThan(100);
    // Three layers share what two differ in; a bias may count for more than the weights.
    expect(found[0]).toBeLessThan(before[0]! / 4);
    expect(found[1]).toBeLessThan(before[1]! / 4);
  });

  it.each<[string, (b: SpreadBuilder, x: Value) => Value]>([
    ['nothing', (_, x) => x],
    ['Relu', (b, x) => b.op('Relu', [x])],
    ['LeakyRelu', leaky],
    ['PRelu', (b, x) => b.op('PRelu', [x, b.constant('slope', randomTensor([16, 1, 1], 4))])],
    ['Clip from 0', (b, x) => b.op('Clip', [x, b.constant('zero', floatTensor([0], []))])],
    ['pooling', (b, x) => b.op('MaxPool', [x], { attributes: [intsAttribute('kernel_shape', [2, 2])] })],
    [
      'averages',
      (b, x) =>
        b.op('AveragePool', [x], {
          attributes: [
            intsAttribute('kernel_shape', [2, 2]),
            intsAttribute('pads', [1, 1, 0, 0]),
            intAttribute('count_include_pad', 1),
          ],
        }),
    ],
    ['padding with 0', (b, x) => b.op('Pad', [x, b.constant('pads', int64Tensor([0, 0, 1, 0, 0, 0, 2, 1]))])],
    ['resizing', (b, x) => b.op('Resize', [x, null, b.constant('scales', floatTensor([1, 1, 2, 2]))])],
    ['a shift a channel', (b, x) => b.op('Add', [x, b.constant('shift', randomTensor([16, 1, 1], 8))])],
    ['a shift that x is taken off', (b, x) => b.op('Sub', [b.constant('shift', randomTensor([1, 16, 1, 1], 8)), x])],
    ['another size a place', (b, x) => b.op('Mul', [b.op('Sigmoid', [b.input('gate', [1, 1, 6, 6])]), x])],
  ])('goes through %s', async (_, between) => {
    const model = pair(between);
    const gate = model.graph.inputs.length > 1 && { gate: randomTensor([1, 1, 6, 6], 9) };
    const { fired, after } = await equalized(model, { x: image, ...gate });
    expect(fired).toBe(1);
    expect(spreadOf(weightOf(nodesOf(after, 'Conv')[0]!), 16)).toBeLessThan(64);
  });

  it('follows channels through means, flattening and transposing into matrix products', async () => {
    const b = new SpreadBuilder();
    const x = b.input('x', [1, 8, 6, 6]);
    const mean = b.op('GlobalAveragePool', [b.op('Relu', [b.conv(x, 8, 16)])]);
    const flat = b.op('Flatten', [mean]);
    const gemm = b.op(
      'Gemm',
      [flat, b.constant('g', randomTensor([5, 16], 20)), b.constant('c', randomTensor([1, 5], 2))],
      {
        attributes: [intAttribute('transB', 1)],
      },
    );
    b.output(b.matmul(b.op('Relu', [gemm]), 5, 3), 'y');
    const last = b.op('Transpose', [b.conv(x, 8, 16)], { attributes: [intsAttribute('perm', [0, 2, 3, 1])] });
    b.output(b.matmul(last, 16, 2), 'z');
    expect((await equalized(b.build())).fired).toBe(3);
  });

  it('takes groups and transposed convolutions', async () => {
    const b = new SpreadBuilder();
    const grouped = b.op('Relu', [b.conv(b.input('x', [1, 8, 6, 6]), 8, 16, { group: 4 })]);
    const up = (x: Value, dims: readonly number[], group: number, outputs: number) =>
      b.op(
        'ConvTranspose',
        [x, b.constant('t', randomTensor(dims, b.next())), b.constant('u', randomTensor([outputs], b.next()))],
        {
          attributes: [intAttribute('group', group)],
        },
      );
    const wider = up(grouped, [16, 6, 2, 2], 2, 12);
    const last = up(wider, [12, 3, 1, 1], 1, 3);
    b.output(b.conv(last, 3, 3, { group: 3 }), 'y');
    const { fired, reasons } = await equalized(b.build());
    expect(fired + reasons.filter((reason) => reason === 'its channels are balanced already').length).toBe(3);
    expect(fired).toBeGreaterThanOrEqual(2);
  });

  it('balances what makes a value against all layers that read it', async () => {
    const model = pair(
      (b, x) => b.op('Relu', [x]),
      (b, middle) => b.output(b.conv(middle, 16, 2, { kernel: 1 }), 'z'),
    );
    expect((await equalized(model)).fired).toBe(1);
  });

  it('gives a layer a bias of its own where another reads it too', async () => {
    const b = new SpreadBuilder();
    const x = b.input('x', [1, 8, 6, 6]);
    const bias = b.constant('bias', randomTensor([16], 2));
    const first = b.op('Conv', [x, b.constant('v', randomTensor([16, 8, 1, 1], 3)), bias]);
    b.output(b.conv(first, 16, 16, { spread: 12, group: 16 }), 'y');
    b.output(b.op('Conv', [x, b.constant('w', randomTensor([16, 8, 1, 1], 4)), bias]), 'z');
    expect((await equalized(b.build())).fired).toBe(1);
  });

  it('works in a subgraph', async () => {
    const b = new SpreadBuilder();
    const x = b.input('x', [1, 8, 6, 6]);
    const chosen = withIf(b, 17, (branch) => {
      const own = branch as SpreadBuilder;
      own.output(own.conv(own.op('Relu', [own.conv(x, 8, 16)]), 16, 4), 'branch_y');
    });
    b.output(chosen, 'y');
    const c = floatTensor([1], []);
    const feeds = {
      x: image,
      c: { ...c, dtype: 'bool', byteLength: 1, storage: { ...c.storage, bytes: () => Uint8Array.of(1) } },
    } as Record<string, Tensor>;
    expect((await equalized(b.build(), feeds)).fired).toBe(2);
  });

  it.each<[string, Model]>([
    [
      'Clip does not grow with its input, channel by channel',
      pair((b, x) =>
        b.op('Clip', [x, b.constant('low', floatTensor([0], [])), b.constant('high', floatTensor([6], []))]),
      ),
    ],
    ['Sigmoid does not grow with its input, channel by channel', pair((b, x) => b.op('Sigmoid', [x]))],
    [
      'Add does not grow with its input, channel by channel',
      pair((b, x) => b.op('Add', [x, b.constant('one', floatTensor([1], []))])),
    ],
    [
      'Pad does not grow with its input, channel by channel',
      pair((b, x) => b.op('Pad', [x, b.constant('pads', int64Tensor([0, -1, 0, 0, 0, 1, 0, 0]))])),
    ],
    [
      'its input is an output of the graph',
      pair(
        (b, x) => b.op('Relu', [x]),
        (b, middle) => b.output(middle, 'z'),
      ),
    ],
    [
      'its input is read by Exp as well',
      pair(
        (b, x) => b.op('Relu', [x]),
        (b, middle) => b.output(b.op('Exp', [middle]), 'z'),
      ),
    ],
    [
      'a gain lies before it, no layer',
      pair((b, x) =>
        b.op('InstanceNormalization', [
          x,
          b.constant('s', randomTensor([16], 1)),
          b.constant('t', randomTensor([16], 2)),
        ]),
      ),
    ],
  ])('declines: %s', async (reason, model) => {
    const { fired, reasons } = await equalized(model);
    expect(fired).toBe(0);
    expect(reasons).toContain(reason);
  });

  it('declines what reads a value in the middle, and weights that are shared', async () => {
    const b = new SpreadBuilder();
    const x = b.input('x', [1, 8, 6, 6]);
    const conv = b.conv(x, 8, 16);
    b.output(b.conv(b.op('Relu', [conv]), 16, 4), 'y');
    b.output(b.op('Tanh', [conv]), 'z');
    const weight = b.constant('shared', randomTensor([8, 8, 1, 1], 3));
    const inner = b.op('Relu', [b.op('Conv', [x, weight])]);
    b.output(b.op('Conv', [inner, weight]), 'w');
    const { fired, reasons } = await equalized(b.build());
    expect(fired).toBe(0);
    expect(reasons).toContain('what Relu reads is read elsewhere');
    expect(reasons).toContain('its weights are shared');
  });

  it('leaves channels alone that are 0, that nobody reads, and numbers at the ends of the range', async () => {
    const b = new SpreadBuilder();
    const first = new Float32Array([0, 0, 1e-38, 1e-38, 3e38, 1e38, 8, 2]);
    const layer = b.op('MatMul', [
      b.input('x', [1, 2]),
      b.constant(
        'v',
        floatTensor([...first.filter((_, i) => i % 2 === 0), ...first.filter((_, i) => i % 2 === 1)], [2, 4]),
      ),
    ]);
    b.output(b.op('MatMul', [b.op('Relu', [layer]), b.constant('w', floatTensor([1, 1, 1e-38, 0.125], [4, 1]))]), 'y');
    const { after, fired } = await equalized(b.build(), { x: floatTensor([0.5, 0.25], [1, 2]) });
    expect(fired).toBe(1);
    expect([...weightOf(nodesOf(after, 'MatMul')[1]!)]).toEqual([1, 1, 1e-38, 1].map(Math.fround));
  });

  it('changes nothing the second time', async () => {
    const { model } = await applyPass(mobileBlock(), equalizeLayers());
    const { after, fired } = await equalized(model);
    expect(fired).toBe(0);
    for (const [index, node] of nodesOf(after, 'Conv').entries()) {
      expect(weightOf(node)).toEqual(weightOf(nodesOf(model, 'Conv')[index]!));
    }
  });

  it('keeps every bit of random chains of layers', async () => {
    const kinds = ['conv', 'grouped', 'depthwise', 'relu', 'leaky', 'pool', 'clip', 'transposed'] as const;
    const step = fc.record({ kind: fc.constantFrom(...kinds), spread: fc.nat({ max: 16 }) });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 2, maxLength: 10 }), async (steps) => {
        const b = new SpreadBuilder();
        let x = b.input('x', [1, 8, 6, 6]);
        for (const { kind, spread } of steps) {
          if (kind === 'conv') x = b.conv(x, 8, 8, { spread });
          if (kind === 'grouped') x = b.conv(x, 8, 8, { spread, group: 2 });
          if (kind === 'depthwise') x = b.conv(x, 8, 8, { spread, group: 8 });
          if (kind === 'relu') x = b.op('Relu', [x]);
          if (kind === 'leaky') x = leaky(b, x);
          if (kind === 'clip') x = b.op('Clip', [x, b.constant('low', floatTensor([-1], []))]);
          if (kind === 'pool') x = b.op('MaxPool', [x], { attributes: [intsAttribute('kernel_shape', [1, 1])] });
          if (kind === 'transposed')
            x = b.op('ConvTranspose', [x, b.constant('t', randomTensor([8, 8, 1, 1], b.next()))]);
        }
        b.output(b.op('Identity', [x]), 'y');
        await equalized(b.build());
      }),
      { numRuns: 40 },
    );
  });
});
