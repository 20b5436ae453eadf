import { describe, expect, it } from 'vitest';
import { type OverflowModel, overflowModels } from '../../../bench/overflow_models.js';
import { planEverything } from '../../../bench/plain_conversion.js';
import { convert, observedRanges, precisionOptions, simplified } from '../../../bench/precision_conversion.js';
import { recognizerModel } from '../../../bench/precision_models.js';
import { ortRunner } from '../../../src/backends/ort/run.js';
import { floatValues } from '../../../src/evaluate/output_error.js';
import { intAttribute } from '../../../src/ir/attribute.js';
import { cloneModel } from '../../../src/ir/clone.js';
import type { Model } from '../../../src/ir/graph.js';
import { floatTensor, type Tensor } from '../../../src/ir/tensor.js';
import { buildPrecisionPlan } from '../../../src/passes/precision/build_precision_plan.js';
import { ModelBuilder } from '../../build_model.js';
import { widenNodes } from './spelled_out.js';

type Feeds = ReadonlyMap<string, Tensor>;

async function answer(model: Model, feeds: Feeds, output = 'y'): Promise<Float32Array> {
  const session = await ortRunner()(model, { optimize: false });
  try {
    return Float32Array.from(floatValues((await session.run(feeds)).get(output)!));
  } finally {
    await session.close();
  }
}

/** With the result of each node in half rounded to half, which the runtime by itself does not always do. */
function rounded(model: Model, feeds: Feeds, output = 'y'): Promise<Float32Array> {
  const copy = cloneModel(model);
  widenNodes(copy);
  return answer(copy, feeds, output);
}

const planned = async ({ model, ranges }: OverflowModel): Promise<Model> =>
  (
    await convert(await simplified(model, 'float16'), 'float16', (copy, inference) =>
      buildPrecisionPlan(copy, inference, { ...precisionOptions('float16'), ...(ranges && { ranges }) }),
    )
  ).model;

const everything = async (model: Model): Promise<Model> =>
  (await convert(model, 'float16', (copy, inference) => planEverything(copy, inference, 'float16'))).model;

const nonFinite = (values: Float32Array): number => values.filter((value) => !Number.isFinite(value)).length;

describe('models that overflow in float16', () => {
  for (const each of overflowModels()) {
    it(`${each.name}: answers as before${each.survives ? '' : ', where all in half does not'}`, async () => {
      const expected = await answer(each.model, each.feeds);
      expect(nonFinite(expected)).toBe(0);
      const peak = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      const off = (values: Float32Array) =>
        values.reduce((most, value, at) => Math.max(most, Math.abs(value - expected[at]!)), 0) / peak;
      const converted = await planned(each);
      const plain = await rounded(await everything(each.model), each.feeds);
      const ours = await rounded(converted, each.feeds);
      const run = await answer(converted, each.feeds);
      for (const values of [ours, run]) {
        expect(nonFinite(values)).toBe(0);
        // Three layers of products of up to 64 terms; scores up to 40, where a half is off by 0.016, through e^x.
        expect(off(values)).toBeLessThan(0.03);
      }
      // A norm that is infinite leaves zeros, which is as wrong as NaN and less to be seen.
      const isLost = nonFinite(plain) > 0 || off(plain) > 0.9;
      expect(isLost).toBe(each.survives !== true);
    });
  }
});

it('a recognizer fed with numbers far beyond images overflows by rule, and not where calibration saw them', async () => {
  const model = await simplified(recognizerModel().load(), 'float16');
  const pattern = [0, 1, -1, 0.5, 3, -3, 6, -6, 2.5, 100, -100];
  const far = Float32Array.from({ length: 3 * 48 * 64 }, (_, at) => pattern[at % pattern.length]!);
  const feeds = new Map([['x', floatTensor(far, [1, 3, 48, 64])]]);
  const source = {
    description: 'numbers up to 100',
    count: 1,
    async *samples() {
      yield { name: 'far', feeds };
    },
  };
  const ranges = await observedRanges(model, source);
  const output = model.graph.outputs[0]!.name;
  const expected = await answer(model, feeds, output);
  const lost = async (given: typeof ranges | undefined): Promise<number> => {
    const { model: converted } = await convert(model, 'float16', (copy, inference) =>
      buildPrecisionPlan(copy, inference, { ...precisionOptions('float16'), ...(given && { ranges: given }) }),
    );
    return nonFinite(await rounded(converted, feeds, output));
  };
  expect(nonFinite(expected)).toBe(0);
  expect(await lost(undefined)).toBeGreaterThan(0);
  expect(await lost(ranges)).toBe(0);
});

describe('the model with casts around every node', () => {
  const through = (first: number, second: number): Model => {
    const b = new ModelBuilder();
    const x = b.op('Cast', [b.input('x', [4])], { attributes: [intAttribute('to', 10)] });
    const product = b.op('Mul', [
      x,
      b.op('Cast', [b.constant('a', floatTensor([first], []))], { attributes: [intAttribute('to', 10)] }),
    ]);
    const back = b.op('Mul', [
      product,
      b.op('Cast', [b.constant('b', floatTensor([second], []))], { attributes: [intAttribute('to', 10)] }),
    ]);
    b.output(b.op('Cast', [back], { attributes: [intAttribute('to', 1)] }), 'y', 'float', 1);
    return b.build();
  };

  it('overflows between two nodes as half does', async () => {
    const y = await rounded(through(512, 1 / 512), new Map([['x', floatTensor([1, 64, 128, -1024])]]));
    expect([...y]).toEqual([1, 64, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]);
  });

  it('loses digits and small numbers between two nodes as half does', async () => {
    const y = await rounded(
      through(2 ** -12, 2 ** 12),
      new Map([['x', floatTensor([1, 2 ** -13, 2 ** -11 * 1.5, 2 ** -10 * 1.0009765625])]]),
    );
    expect([...y]).toEqual([1, 0, 3 * 2 ** -12, 2 ** -10]);
  });
});
