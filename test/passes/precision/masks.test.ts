import { describe, expect, it } from 'vitest';
import { ortRunner } from '../../../src/backends/ort/run.js';
import { findTarget } from '../../../src/backends/target.js';
import { floatValues } from '../../../src/evaluate/output_error.js';
import { intAttribute } from '../../../src/ir/attribute.js';
import type { Model, Value } from '../../../src/ir/graph.js';
import { Inference } from '../../../src/ir/ops/inference/inference.js';
import { floatTensor, int64Tensor, type Tensor } from '../../../src/ir/tensor.js';
import { ModelBuilder, randomTensor } from '../../build_model.js';
import { converted } from './plan_of.js';

/** Scores of queries and keys, masked, through a softmax, times values; the second row of the mask is all 0. */
function attention(masked: (b: ModelBuilder, scores: Value, mask: Value) => Value): Model {
  const b = new ModelBuilder();
  const scores = b.op('MatMul', [b.input('q', [2, 4, 8]), b.input('k', [2, 8, 4])]);
  const weights = b.op('Softmax', [masked(b, scores, b.input('mask', [2, 1, 4], 'int64'))]);
  b.output(b.op('MatMul', [weights, b.input('v', [2, 4, 8])]), 'y', 'float', 3);
  return b.build();
}

const additive = (low: number) => (b: ModelBuilder, scores: Value, mask: Value) => {
  const kept = b.op('Cast', [mask], { attributes: [intAttribute('to', 1)] });
  const dropped = b.op('Sub', [b.constant('one', floatTensor([1], [])), kept]);
  return b.op('Add', [scores, b.op('Mul', [dropped, b.constant('low', floatTensor([low], []))])]);
};

const chosen = (low: number) => (b: ModelBuilder, scores: Value, mask: Value) => {
  const flags = b.op('Cast', [mask], { attributes: [intAttribute('to', 9)] });
  return b.op('Where', [flags, scores, b.constant('low', floatTensor([low], []))]);
};

const addedChoice = (low: number) => (b: ModelBuilder, scores: Value, mask: Value) => {
  const flags = b.op('Cast', [mask], { attributes: [intAttribute('to', 9)] });
  const zero = b.constant('zero', floatTensor([0], []));
  return b.op('Add', [scores, b.op('Where', [flags, zero, b.constant('low', floatTensor([low], []))])]);
};

const rows = int64Tensor([1, 1, 0, 1, 0, 0, 0, 0], [2, 1, 4]);
const feeds = new Map<string, Tensor>([
  ['q', randomTensor([2, 4, 8], 1)],
  ['k', randomTensor([2, 8, 4], 2)],
  ['v', randomTensor([2, 4, 8], 3)],
  ['mask', rows],
]);

async function answer(model: Model): Promise<Float32Array> {
  const session = await ortRunner()(model, { optimize: false });
  try {
    return Float32Array.from(floatValues((await session.run(feeds)).get('y')!));
  } finally {
    await session.close();
  }
}

/** What nodes of an operator give. */
function typesOf(model: Model, opType: string): (string | undefined)[] {
  const inference = new Inference(model);
  return [...model.graph.nodes]
    .filter((node) => node.opType === opType)
    .map((node) => inference.dtypeOf(node.outputs[0]!));
}

describe('masks', () => {
  const lowest = -3.4028234663852886e38;
  it.each<[string, 'float' | 'float16', Model]>([
    ['the lowest float added', 'float', attention(additive(lowest))],
    ['−1e9 added', 'float', attention(additive(-1e9))],
    ['−10000 added', 'float', attention(additive(-10000))],
    ['the lowest float chosen', 'float', attention(chosen(lowest))],
    ['−10000 chosen', 'float16', attention(chosen(-10000))],
    ['−infinity chosen', 'float16', attention(chosen(Number.NEGATIVE_INFINITY))],
    ['the lowest float chosen and added', 'float', attention(addedChoice(lowest))],
    ['−infinity chosen and added', 'float16', attention(addedChoice(Number.NEGATIVE_INFINITY))],
  ])('%s: a row that is masked as a whole answers as before', async (_, softmax, model) => {
    const expected = await answer(model);
    const result = await converted(model, { target: findTarget('ort-cpu') });
    expect(typesOf(result, 'MatMul')).toEqual(['float16', 'float16']);
    expect(typesOf(result, 'Softmax')).toEqual([softmax]);
    const actual = await answer(result);
    expect(actual).toHaveLength(expected.length);
    for (const [index, value] of expected.entries()) {
      // Products of numbers up to 1 in float16: 8 terms, each off by 2^-11.
      if (Number.isNaN(value)) expect(actual[index]).toBeNaN();
      else expect(Math.abs(actual[index]! - value)).toBeLessThan(8 * 2 ** -11);
    }
  });
});
