import { describe, expect, it } from 'vitest';
import { ortRunner } from '../../../../src/backends/ort/run.js';
import { observeChannels } from '../../../../src/calibrate/observe_channels.js';
import { openSource } from '../../../../src/calibrate/sources/open_source.js';
import type { Model, Value } from '../../../../src/ir/graph.js';
import { floatTensor, type Tensor, tensorData } from '../../../../src/ir/tensor.js';
import {
  type ChannelsObserver,
  smoothActivations,
} from '../../../../src/passes/quantize/rescale/smooth_activations.js';
import { applyPass, largestDifference, operatorsOf, randomTensor, reasonsOf } from '../../../build_model.js';
import { nodesOf, SpreadBuilder, weightOf } from './spread_network.js';

const channels = 16;
const samples = [1, 2, 3].map((seed) => randomTensor([2, 5, channels], seed));

const channelsOn =
  (data: readonly Tensor[]): ChannelsObserver =>
  async (model, requests) => {
    const source = await openSource(
      data.map((each) => ({ x: each })),
      model.graph.inputs,
    );
    return observeChannels(model, requests, source, ortRunner());
  };

type Settings = { alpha?: number; insertMul?: boolean };

/** Smooths, expects nearly the same answers, and tells what was done. */
async function smoothed(model: Model, { alpha = 0.5, insertMul = false }: Settings = {}) {
  const pass = smoothActivations({ alpha, insertMul, channels: channelsOn(samples) });
  const { model: after, report } = await applyPass(model, pass);
  const feeds = { x: samples[0]! };
  const [found] = (await ortRunner()(model).then((session) => session.run(new Map(Object.entries(feeds))))).values();
  const peak = (tensorData(found!) as Float32Array).reduce((most, each) => Math.max(most, Math.abs(each)), 0);
  // Each factor is rounded twice, once on either side: a few units of the last place of sums of 16 products.
  expect(await largestDifference(model, after, feeds)).toBeLessThan(peak * 1e-5);
  const fired = report.passes.reduce((sum, each) => sum + (each.fired['smooth-activations'] ?? 0), 0);
  return { after, fired, reasons: reasonsOf(report) };
}

/** Gains with one channel fifty times as large as the others. */
const gain = floatTensor(Float32Array.from({ length: channels }, (_, index) => (index === 3 ? 50 : 1)));

function normalized(finish: (b: SpreadBuilder, normal: Value, x: Value) => void, opType = 'LayerNormalization'): Model {
  const b = new SpreadBuilder(opType === 'RMSNormalization' ? 23 : 17);
  const x = b.input('x', [2, 5, channels]);
  const shift = opType === 'LayerNormalization' ? [b.constant('shift', randomTensor([channels], 8))] : [];
  finish(b, b.op(opType, [x, b.constant('gain', gain), ...shift], { outputs: ['normal'] }), x);
  return b.build();
}

const spreadOf = (numbers: ArrayLike<number>): number => {
  const sizes = Array.from(numbers, Math.abs);
  return Math.max(...sizes) / Math.min(...sizes);
};

describe('smooth-activations', () => {
  it.each(['LayerNormalization', 'RMSNormalization'])(
    'folds factors that two products share into %s',
    async (opType) => {
      const model = normalized((b, normal) => {
        b.output(b.op('Add', [b.matmul(normal, channels, 4), b.matmul(normal, channels, 4)]), 'y');
      }, opType);
      const { after, fired } = await smoothed(model);
      expect(fired).toBe(1);
      expect(operatorsOf(after)).toEqual(operatorsOf(model));
      expect(spreadOf(weightOf(nodesOf(after, opType)[0]!))).toBeLessThan(
        spreadOf(weightOf(nodesOf(model, opType)[0]!)) / 3,
      );
    },
  );

  it('makes channels even where alpha is 1, and weights where it is 0', async () => {
    const model = normalized((b, normal) => b.output(b.matmul(normal, channels, 4), 'y'));
    const largestOf = async (of: Model) => {
      const value = nodesOf(of, 'LayerNormalization')[0]!.outputs[0]!;
      const sizes = await channelsOn(samples)(of, [{ value, size: channels }]);
      return sizes.get(value)!.largest;
    };
    const even = (await smoothed(model, { alpha: 1 })).after;
    expect(spreadOf(await largestOf(even))).toBeLessThan(1.001);
    const { after } = await smoothed(model, { alpha: 0 });
    const weights = weightOf(nodesOf(after, 'MatMul')[0]!);
    const rows = Array.from({ length: channels }, (_, row) =>
      Math.max(...weights.subarray(4 * row, 4 * row + 4).map(Math.abs)),
    );
    expect(spreadOf(rows)).toBeLessThan(1.001);
  });

  it('folds into a layer, a gain spelled out, and one factor of a gate', async () => {
    const model = normalized((b, normal, x) => {
      const scaled = b.op('Mul', [b.op('Tanh', [x]), b.constant('g', gain)]);
      const shifted = b.op('Add', [scaled, b.constant('h', randomTensor([channels], 4))]);
      const inner = b.matmul(shifted, channels, channels);
      const gated = b.op('Mul', [b.op('Sigmoid', [normal]), inner]);
      b.output(b.matmul(gated, channels, 3), 'y');
    });
    expect((await smoothed(model)).fired).toBe(2);
  });

  it.each<[string, Model]>([
    [
      'its input is read by Add as well',
      normalized((b, normal) => b.output(b.op('Add', [b.matmul(normal, channels, channels), normal]), 'y')),
    ],
    [
      'Tanh does not grow with its input, channel by channel',
      normalized((b, normal) => b.output(b.matmul(b.op('Tanh', [normal]), channels, 2), 'y')),
    ],
    [
      'its input is read by LayerNormalization as well',
      normalized((b, _, x) => b.output(b.matmul(x, channels, 2), 'y')),
    ],
    [
      'LayerNormalization has no constant gain for each channel',
      normalized((b, _, x) =>
        b.output(b.matmul(b.op('LayerNormalization', [x, b.op('ReduceMax', [x])]), channels, 2), 'y'),
      ),
    ],
  ])('declines, or multiplies where it may: %s', async (reason, model) => {
    const { fired, reasons } = await smoothed(model);
    expect(fired).toBe(0);
    expect(reasons).toContain(reason);
    const { after, fired: inserted } = await smoothed(model, { insertMul: true });
    expect(inserted).toBe(1);
    expect(nodesOf(after, 'Mul')).toHaveLength(1);
  });
});
