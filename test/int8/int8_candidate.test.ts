import { expect, it } from 'vitest';
import { int8Candidate } from '../../src/int8/int8_candidate.js';
import { encodeModel } from '../../src/ir/onnx/encode.js';
import { digitsPlan } from './digits_plan.js';

it('a plan gives a model for every choice of one layer to leave in float, and stays as it is', async () => {
  const plan = await digitsPlan();
  const before = encodeModel(plan.model);
  const count = (model: typeof plan.model) =>
    [...model.graph.nodes].filter(({ opType }) => opType === 'DequantizeLinear').length;
  const all = count(await int8Candidate(plan, new Map()));
  expect(plan.placement.computes.length).toBeGreaterThan(4);
  for (const { node } of plan.placement.computes) {
    const candidate = await int8Candidate(plan, new Map([[node.outputs[0]!.name, 'for a test']]));
    expect(count(candidate)).toBeLessThan(all);
  }
  expect(encodeModel(plan.model)).toEqual(before);
});
